"""Each example is a project of its own; this lets ``pytest --mlops examples`` run them all from the clone's root."""

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in sorted(Path(__file__).parent.iterdir()) if folder.is_dir()]
