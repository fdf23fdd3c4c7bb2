-- A store with tables of version 4: that of version 3, with a training run that has numbers for each case.
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE artifacts (
	run INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	PRIMARY KEY (run, name), 
	FOREIGN KEY(run) REFERENCES runs (number) ON DELETE CASCADE
);
INSERT INTO "artifacts" VALUES(1,'model.txt','9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c',7);
CREATE TABLE attempts (
            number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, claim TEXT NOT NULL, base VARCHAR(64) NOT NULL,
            attempt VARCHAR(64) NOT NULL, design TEXT NOT NULL, looked FLOAT NOT NULL,
            UNIQUE (claim, base, attempt));
INSERT INTO "attempts" VALUES(1,'t.py::test_a a > b','c0ffee','one','{}',1795536000.0);
CREATE TABLE case_tables (
        digest VARCHAR(64) NOT NULL PRIMARY KEY, names VARCHAR(64) NOT NULL, count BIGINT NOT NULL,
        patients BLOB NOT NULL, target BLOB NOT NULL);
INSERT INTO "case_tables" VALUES('a9252fae5f0832b818990a74210142763a01cbfdf9429bed8e7e0da90f5bedb0','n',1,X'789C030000000001',X'789C030000000001');
CREATE TABLE cases (
        run INTEGER NOT NULL, name VARCHAR(500) NOT NULL, metric TEXT NOT NULL, case_table VARCHAR(64) NOT NULL,
        numbers BLOB NOT NULL, PRIMARY KEY (run, name),
        FOREIGN KEY(run) REFERENCES runs (number) ON DELETE CASCADE);
INSERT INTO "cases" VALUES(4,'auc','mean','a9252fae5f0832b818990a74210142763a01cbfdf9429bed8e7e0da90f5bedb0',X'789C636080000000080001');
CREATE TABLE details (
	digest VARCHAR(64) NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "details" VALUES('6ea8cc0f65365c4c97a776442bb0a437c91b447b31bf90287edd255ecb59dcc0','{"files": {}, "modules": {}}');
INSERT INTO "details" VALUES('c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"train": "eeeeeeeeeeeeeeee"}');
INSERT INTO "details" VALUES('bbc35a9018f8ef2d4b3b2a3b85d828f2a9b0538a4e81f9f483a8cb48a1e8d5be','{"files": {"conf/model.yaml": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"}, "modules": {"net.py": "abababababababababababababababababababababababababababababababab"}}');
CREATE TABLE leases (
	"key" VARCHAR(64) NOT NULL, 
	owner VARCHAR(32) NOT NULL, 
	host TEXT NOT NULL, 
	pid BIGINT NOT NULL, 
	started TEXT NOT NULL, 
	beat FLOAT NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE metrics (
	run INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	place INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	yes_no BOOLEAN NOT NULL, 
	PRIMARY KEY (run, name), 
	FOREIGN KEY(run) REFERENCES runs (number) ON DELETE CASCADE
);
INSERT INTO "metrics" VALUES(1,'auc',0,3.00000000000000044408e-01,0);
INSERT INTO "metrics" VALUES(1,'ok',1,1.0,1);
INSERT INTO "metrics" VALUES(1,'seconds',2,0.25,0);
INSERT INTO "metrics" VALUES(2,'auc',0,3.00000000000000044408e-01,0);
INSERT INTO "metrics" VALUES(2,'ok',1,1.0,1);
INSERT INTO "metrics" VALUES(2,'seconds',2,0.25,0);
INSERT INTO "metrics" VALUES(3,'auc',0,3.00000000000000044408e-01,0);
INSERT INTO "metrics" VALUES(3,'ok',1,1.0,1);
INSERT INTO "metrics" VALUES(3,'seconds',2,0.25,0);
INSERT INTO "metrics" VALUES(4,'auc',0,3.00000000000000044408e-01,0);
CREATE TABLE objects (
	sha256 VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	used FLOAT NOT NULL, 
	PRIMARY KEY (sha256)
);
INSERT INTO "objects" VALUES('9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c',7,1.79554648509157514573e+09);
CREATE TABLE runs (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	experiment VARCHAR(64) NOT NULL, 
	record VARCHAR(64) NOT NULL, 
	function TEXT NOT NULL, 
	label TEXT NOT NULL, 
	code VARCHAR(64) NOT NULL, 
	parameters TEXT NOT NULL, 
	data VARCHAR(64) NOT NULL, 
	environment TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	session TEXT NOT NULL, 
	why TEXT NOT NULL, 
	finished FLOAT NOT NULL, 
	failure TEXT, 
	curves TEXT NOT NULL, 
	output TEXT NOT NULL, 
	weights VARCHAR(64), 
	steps BIGINT NOT NULL, 
	skipped_steps BIGINT NOT NULL, 
	messages TEXT NOT NULL, 
	reseeded TEXT NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "runs" VALUES(1,'eb2d0ca4c90be1d590b0cfc064dc34fb3c1129bfb82c609e927857985d27a66b','fcdc7fea6cf16a30e0bb6ce71e0e89db4540e347078cc4a7983d5dbbd5cf1ad3','ad901ca1b05e2671ea38e9aa6ce31b452f1fa74862025ca6bc7559e49064719e','6ea8cc0f65365c4c97a776442bb0a437c91b447b31bf90287edd255ecb59dcc0','test_gates:train','train()','c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"gain": "0.0"}','','{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',0,'session-of-version-2','first run of this function',1.79554648508946466446e+09,NULL,'{"loss": [["0.0", "0.3333333333333333"]]}','','abababababababababababababababababababababababababababababababab',7,0,'[]','[]');
INSERT INTO "runs" VALUES(2,'d3f15d1afeeecbfe0775d166614ce5a05fc3539e6ae0eacc775ed5a7f33acb92','52beb12d43bf26b21650d4480f8dd3d7279448775ad0da720702708b3334a0e6','ad901ca1b05e2671ea38e9aa6ce31b452f1fa74862025ca6bc7559e49064719e','bbc35a9018f8ef2d4b3b2a3b85d828f2a9b0538a4e81f9f483a8cb48a1e8d5be','test_gates:train','train()','c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"gain": "0.0"}','','{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',1,'session-of-version-2','first run of this function',1.7955464851021592617e+09,NULL,'{"loss": [["0.0", "0.3333333333333333"]]}','','abababababababababababababababababababababababababababababababab',7,0,'[]','["torch.manual_seed(42)"]');
INSERT INTO "runs" VALUES(3,'49b9ac30186bc6a3b35d408a1ff2dde291d081a7fae2bd1b57aba3340a5faa43','7f7308dab071c93bbc2d48f7bfdde5b4988d223038a3fb7fcd33bda195ada3ac','ad901ca1b05e2671ea38e9aa6ce31b452f1fa74862025ca6bc7559e49064719e','bbc35a9018f8ef2d4b3b2a3b85d828f2a9b0538a4e81f9f483a8cb48a1e8d5be','test_gates:train','train()','c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"gain": "0.0"}','','{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',2,'session-of-version-2','first run of this function',1.79554648511022353174e+09,'{"kind": "error", "message": "ValueError: it''s broken", "traceback": ""}','{"loss": [["0.0", "0.3333333333333333"]]}','','abababababababababababababababababababababababababababababababab',7,0,'[]','[]');
INSERT INTO "runs" VALUES(4,'49f980159262d6b2f6af699f3c74a68a4027cda6c3838e4468898efb9a8452f1','40549dfc7f1b3414db60b51649a405af2ae6cea3427b9ea7d5afce5bcf5b1578','53763ea4c4d833c4926865105200cbb13b73e18428683de7ff055390d4b11e0f','6ea8cc0f65365c4c97a776442bb0a437c91b447b31bf90287edd255ecb59dcc0','m:train','','c','{}','','{}',2,'s','',1795536000.0,NULL,'{}','',NULL,0,0,'[]','[]');
CREATE INDEX ix_runs_key ON runs ("key");
CREATE INDEX ix_runs_function ON runs (function);
CREATE INDEX ix_runs_experiment ON runs (experiment);
CREATE INDEX ix_artifacts_sha256 ON artifacts (sha256);
CREATE INDEX ix_cases_case_table ON cases (case_table);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',4);
INSERT INTO "sqlite_sequence" VALUES('attempts',1);
COMMIT;
