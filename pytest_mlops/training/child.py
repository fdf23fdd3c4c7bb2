"""The one entry point of a child process: ``python -m pytest_mlops.training.child FOLDER`` reads an order, leaves a result.

The run itself goes through ``execute``, as in pytest's own process. What the code of the order raises before, when it is
imported, is a training failure like others.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from pytest_mlops.fingerprint import party, watch_imports
from pytest_mlops.records import Failure, RunResult
from pytest_mlops.training.execute import execute
from pytest_mlops.training.failures import explain
from pytest_mlops.training.orders import Order, read_order, spec_of_order, write_result

_PDEATHSIG = 1
"""PR_SET_PDEATHSIG of Linux."""


class ProjectFinder(MetaPathFinder):
    """Finds modules by the files that the order names, before all others: an installed copy of the project is another state.

    Parameters
    ----------
    root : Path
        Folder of the project.
    modules : mapping of str to str
        Names, with files relative to ``root``; those that are not there are left to others.
    """

    def __init__(self, root: Path, modules: Mapping[str, str]) -> None:
        self._files = {name: root / file for name, file in modules.items()}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of that name, or the folder of modules that stands above one."""
        del path, target
        file = self._files.get(fullname)
        if file is not None and file.is_file():
            inside = [str(file.parent)] if file.name == "__init__.py" else None
            return importlib.util.spec_from_file_location(fullname, file, submodule_search_locations=inside)
        folder = self._folder(fullname)
        if folder is None:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec

    def _folder(self, package: str) -> Path | None:
        """Of a package without ``__init__.py`` the folder in which its modules lie."""
        for name, file in self._files.items():
            if not name.startswith(f"{package}.") or not file.is_file():
                continue
            module = file.parent if file.name == "__init__.py" else file
            levels = name.count(".") - package.count(".")
            folder = module.parents[levels - 1]
            return None if (folder / "__init__.py").is_file() else folder
        return None


def main(folder: Path) -> None:
    """Train what ``spec.json`` in the folder orders, and write ``result.json``."""
    _die_with_parent()
    folder = folder.absolute()  # the order says where to work
    write_result(folder, train(read_order(folder)))


def train(order: Order) -> RunResult:
    """Train an order in this process, which nobody uses for anything else.

    Parameters
    ----------
    order : Order
        What to train.

    Returns
    -------
    RunResult
        Also where its code cannot be imported.
    """
    enter(order)
    try:
        spec = spec_of_order(order)
    except Exception as error:  # noqa: BLE001 - the user's code: what it raises is its result
        return _failed(order, explain(error))
    mixed = mixture(order)
    if mixed is not None:
        return _failed(order, mixed)
    result = execute(spec, echo=sys.stdout)
    wrong = mixture(order) or _pointer_read(result, order)
    return replace(result, failure=result.failure or wrong) if wrong is not None else result


def enter(order: Order) -> None:
    """Make this process one of the project in the state that the order names: its folder, its modules, its paths."""
    root = Path(order.root)
    os.chdir(order.cwd or root)
    own = sys.path[:] if order.python else []
    sys.path[:] = [*(str(root / entry) for entry in order.import_path), *own]
    sys.argv[1:] = []
    sys.meta_path.insert(0, ProjectFinder(root, order.modules))
    watch_imports()


def mixture(order: Order) -> Failure | None:
    """What is wrong if this process imported a module of the other state of the project."""
    files = _from_elsewhere(order)
    if not files:
        return None
    return Failure(
        kind="error",
        message=f"the training run imported {files[0]}, which belongs to another state of the project than {order.root}: what "
        "it trained is neither. Import the project's modules by names that its own folder answers, not by an absolute path",
    )


def _pointer_read(result: RunResult, order: Order) -> Failure | None:
    read = sorted(set(order.pointers) & set(result.record.files))
    if not read:
        return None
    return Failure(
        kind="error",
        message=f"the training run read {read[0]}, of which that commit has only the pointer of git LFS here. Fetch its content: "
        "git lfs fetch --all",
    )


def _failed(order: Order, failure: Failure) -> RunResult:
    metrics, yes_no = {"failed": 1.0}, frozenset({"failed"})
    return RunResult(
        key=order.key.digest, seed=order.key.seed, metrics=metrics, yes_no=yes_no, failure=failure
    )


def _from_elsewhere(order: Order) -> list[str]:
    """Files of modules from the other state of the project, of which none may take part."""
    if order.elsewhere is None:
        return []
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return sorted({file for file in files if isinstance(file, str) and _is_from(file, order)})


def _is_from(file: str, order: Order) -> bool:
    path = Path(file).resolve()
    if (
        path.is_relative_to(order.root)
        or path.is_relative_to(_OURSELVES)
        or party.INSTALLED & set(path.parts)
    ):
        return False
    return path.is_relative_to(order.elsewhere or "")


_OURSELVES = Path(__file__).resolve().parents[1]


def _die_with_parent() -> None:
    """On Linux; elsewhere whoever started us watches."""
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(0)  # a thread that the training function left shall not keep us
