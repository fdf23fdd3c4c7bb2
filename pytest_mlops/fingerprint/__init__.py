"""What a training run's code, parameters and data are, as text that is equal exactly when they are.

Built for trust before hits: where in doubt two things differ, and a run is trained again. Pickle-based hashes are
wrong both ways (they change with the hash seed and do not see an imported helper change), so nothing here pickles.
"""

from __future__ import annotations

from pytest_mlops.fingerprint.code import Code, fingerprint, shared_state
from pytest_mlops.fingerprint.content import path_content, path_parts
from pytest_mlops.fingerprint.keys import content_of, key_of
from pytest_mlops.fingerprint.packages import all_versions, editable_urls, versions
from pytest_mlops.fingerprint.project import Sources, changed_files, digest_of, named_by, parts_of
from pytest_mlops.fingerprint.reach import reads_any
from pytest_mlops.fingerprint.roots import below_root, set_root
from pytest_mlops.fingerprint.tree import Tree, is_of_the_project, listing, modules
from pytest_mlops.fingerprint.values import describe
from pytest_mlops.fingerprint.variables import at_import, looks_secret, of_imports, refuse_secret, trace
from pytest_mlops.fingerprint.watch import imports_heard, watch_imports

__all__ = [
    "Code",
    "Sources",
    "Tree",
    "all_versions",
    "at_import",
    "below_root",
    "changed_files",
    "content_of",
    "describe",
    "digest_of",
    "editable_urls",
    "fingerprint",
    "imports_heard",
    "is_of_the_project",
    "key_of",
    "listing",
    "looks_secret",
    "modules",
    "named_by",
    "of_imports",
    "parts_of",
    "path_content",
    "path_parts",
    "reads_any",
    "refuse_secret",
    "set_root",
    "shared_state",
    "trace",
    "versions",
    "watch_imports",
]
