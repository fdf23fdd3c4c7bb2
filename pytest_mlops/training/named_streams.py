"""Random generators by name: the part of ``run`` that hands them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlops._optional import need
from pytest_mlops.errors import RunError
from pytest_mlops.training.streams import number, stream

if TYPE_CHECKING:
    import numpy as np
    import torch


class Streams:
    """Generators of one run, made when first asked for.

    Parameters
    ----------
    seed : int
        Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._rngs: dict[str, np.random.Generator] = {}
        self._generators: dict[str, torch.Generator] = {}

    def rng(self, name: str) -> np.random.Generator:
        """The NumPy generator called ``name``: the same object for the same name within a run.

        Parameters
        ----------
        name : str
            What it is for. The stream depends on the seed and this name only.

        Returns
        -------
        numpy.random.Generator
            In the state in which the run left it.

        Examples
        --------
        ::

            noise = run.rng("augment").normal(size=x.shape)
        """
        from numpy.random import default_rng

        _check_stream("rng", name)
        if name not in self._rngs:
            self._rngs[name] = default_rng(stream(self.seed, f"rng/{name}"))
        return self._rngs[name]

    def generator(self, name: str) -> torch.Generator:
        """The torch generator (on the CPU) called ``name``: the same object for the same name within a run.

        Parameters
        ----------
        name : str
            What it is for. The stream depends on the seed and this name only.

        Returns
        -------
        torch.Generator
            In the state in which the run left it.

        Examples
        --------
        ::

            x = torch.randn(64, 16, generator=run.generator("latent")).to(run.device)
        """
        _check_stream("generator", name)
        if name not in self._generators:
            torch: Any = need("torch", extra="torch", why="run.generator")
            self._generators[name] = torch.Generator().manual_seed(number(self.seed, f"generator/{name}"))
        return self._generators[name]


def _check_stream(method: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise RunError(
            f"run.{method}({name!r:.40}): expected a name such as 'augment'; each purpose has its own "
            "stream, "
            "so that adding one shifts no other."
        )
