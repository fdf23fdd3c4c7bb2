"""What a training function touches, and the one function that calls it. Imported in the process that trains.

Importing this room is cheap: numpy and torch load when a run starts.
"""

from pytest_mlops.training.execute import execute
from pytest_mlops.training.place import Place, environment, resolve_place
from pytest_mlops.training.run import Run

__all__ = ["Place", "Run", "environment", "execute", "resolve_place"]
