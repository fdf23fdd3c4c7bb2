-- A store as version 0.1 wrote it (tables version 1), with four training runs; one of them failed.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE metrics (
	"key" VARCHAR(64) NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	place INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	yes_no BOOLEAN NOT NULL, 
	PRIMARY KEY ("key", name), 
	FOREIGN KEY("key") REFERENCES runs ("key") ON DELETE CASCADE
);
INSERT INTO "metrics" VALUES('fcdc7fea6cf16a30e0bb6ce71e0e89db4540e347078cc4a7983d5dbbd5cf1ad3','auc',0,3.00000000000000044408e-01,0);
INSERT INTO "metrics" VALUES('fcdc7fea6cf16a30e0bb6ce71e0e89db4540e347078cc4a7983d5dbbd5cf1ad3','ok',1,1.0,1);
INSERT INTO "metrics" VALUES('fcdc7fea6cf16a30e0bb6ce71e0e89db4540e347078cc4a7983d5dbbd5cf1ad3','seconds',2,0.25,0);
INSERT INTO "metrics" VALUES('fcdc7fea6cf16a30e0bb6ce71e0e89db4540e347078cc4a7983d5dbbd5cf1ad3','failed',3,0.0,1);
INSERT INTO "metrics" VALUES('52beb12d43bf26b21650d4480f8dd3d7279448775ad0da720702708b3334a0e6','auc',0,4.94065645841247e-324,0);
INSERT INTO "metrics" VALUES('52beb12d43bf26b21650d4480f8dd3d7279448775ad0da720702708b3334a0e6','seconds',1,0.5,0);
INSERT INTO "metrics" VALUES('52beb12d43bf26b21650d4480f8dd3d7279448775ad0da720702708b3334a0e6','failed',2,0.0,1);
INSERT INTO "metrics" VALUES('7f7308dab071c93bbc2d48f7bfdde5b4988d223038a3fb7fcd33bda195ada3ac','seconds',0,0.125,0);
INSERT INTO "metrics" VALUES('7f7308dab071c93bbc2d48f7bfdde5b4988d223038a3fb7fcd33bda195ada3ac','failed',1,1.0,1);
INSERT INTO "metrics" VALUES('e5b690a6f2c55a45be9af745d73be33430e23c6e0fe42a232a5b9d7880d60c3a','auc',0,0.85,0);
INSERT INTO "metrics" VALUES('e5b690a6f2c55a45be9af745d73be33430e23c6e0fe42a232a5b9d7880d60c3a','failed',1,0.0,1);
CREATE TABLE runs (
	"key" VARCHAR(64) NOT NULL, 
	function TEXT NOT NULL, 
	code VARCHAR(64) NOT NULL, 
	parameters TEXT NOT NULL, 
	data VARCHAR(64) NOT NULL, 
	environment TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	finished FLOAT NOT NULL, 
	failure TEXT, 
	curves TEXT NOT NULL, 
	output TEXT NOT NULL, 
	weights VARCHAR(64), 
	steps BIGINT NOT NULL, 
	skipped_steps BIGINT NOT NULL, 
	messages TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "runs" VALUES('fcdc7fea6cf16a30e0bb6ce71e0e89db4540e347078cc4a7983d5dbbd5cf1ad3','test_gates:train','c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"gain": "0.0"}','','{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',0,1.79553315118750166892e+09,NULL,'{"loss": [["0.0", "0.3333333333333333"], ["1.0", "nan"]]}','café
','abababababababababababababababababababababababababababababababab',7,1,'["1 of 7 optimizer steps were skipped"]');
INSERT INTO "runs" VALUES('52beb12d43bf26b21650d4480f8dd3d7279448775ad0da720702708b3334a0e6','test_gates:train','c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"gain": "0.0"}','','{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',1,1.79553315118948292727e+09,NULL,'{}','',NULL,0,0,'[]');
INSERT INTO "runs" VALUES('7f7308dab071c93bbc2d48f7bfdde5b4988d223038a3fb7fcd33bda195ada3ac','test_gates:train','c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"gain": "0.0"}','','{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',2,1.79553315119001293182e+09,'{"kind": "error", "message": "ValueError: it''s broken", "traceback": "Traceback (most recent call last):\nValueError: it''s broken"}','{}','',NULL,0,0,'[]');
INSERT INTO "runs" VALUES('e5b690a6f2c55a45be9af745d73be33430e23c6e0fe42a232a5b9d7880d60c3a','test_gates:train','c0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0dec0de','{"gain": "0.05"}','','{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',0,1.79553315119047212601e+09,NULL,'{}','',NULL,0,0,'[]');
COMMIT;
