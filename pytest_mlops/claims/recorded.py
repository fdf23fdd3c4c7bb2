"""``arm.recorded``: arms of results that exist, from lists or from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlops.claims.recording import Recording, recording

if TYPE_CHECKING:
    from pytest_mlops.claims.arms import Arm


class Recorded:
    """Makes arms of results that exist, in a log, a paper or a tracker.

    Their training runs are judged in the order in which they stand, which must know nothing of the results; or, with
    seeds, in the order of their seeds, so that two arms are paired by seed.

    Examples
    --------
    >>> from pytest_mlops.claims.arms import Arms
    >>> arm = Arms()
    >>> arm.recorded({"auc": [0.91, 0.93, 0.92]})
    recorded(3 training runs)
    """

    def __init__(self, make: Callable[[Recording], Arm]) -> None:
        self._make = make

    def __call__(
        self, metrics: Mapping[str, Iterable[float]], /, *, seeds: Iterable[int] | None = None
    ) -> Arm:
        """An arm of numbers: one a metric and training run.

        Parameters
        ----------
        metrics : mapping of str to sequence of float or bool, shape (n_runs,)
            Without seeds the i-th number belongs to the i-th number of the other arms: state only claims between
            results that are pairs in this order, or independent. NaN and infinity count as failed training runs.
        seeds : sequence of int, shape (n_runs,), optional
            The seed of each training run, each once, from 0 on.

        Raises
        ------
        RecordedError
            If names, types, lengths or seeds do not fit.
        """
        return self._make(recording(metrics, seeds=seeds))

    def from_csv(
        self,
        source: str | Path,
        *,
        metrics: Iterable[str] | Mapping[str, str],
        seed: str | None = None,
        where: Mapping[str, str | float | bool] | None = None,
    ) -> Arm:
        r"""An arm of results in a CSV file: a header, then one row a training run.

        Parameters
        ----------
        source : str or Path
            A local file, or a URL that fsspec opens (extra ``urls``). UTF-8, with commas and decimal points.
        metrics : iterable of str, or mapping of str to str
            Columns that are metrics, or what claims call them with their columns: ``{"auc": "val_auc"}``. Numbers, or
            true and false for yes/no metrics; ``nan`` and ``inf`` count as failed training runs.
        seed : str, optional
            Column that has the seed of each training run, a whole number from 0 on, each once.
        where : mapping of str to str, float or bool, optional
            Rows of the arm: those that have all of these values in these columns.

        Raises
        ------
        DataError
            If the file cannot be read.
        RecordedError
            If it is no such table; the message names file, row and column.
        MissingPackageError
            If a package is not installed that the URL needs.

        Examples
        --------
        >>> from pytest_mlops.claims.arms import Arms
        >>> file = getfixture("tmp_path") / "runs.csv"
        >>> _ = file.write_text("model,seed,val_auc\nbase,0,0.91\nbase,1,0.93\nwide,0,0.94\n")
        >>> Arms().recorded.from_csv(file, metrics={"auc": "val_auc"}, seed="seed", where={"model": "base"})
        recorded(runs.csv, model='base', 2 training runs)
        """
        return self._from(source, "csv", metrics=metrics, seed=seed, where=where)

    def from_json(
        self,
        source: str | Path,
        *,
        metrics: Iterable[str] | Mapping[str, str],
        seed: str | None = None,
        where: Mapping[str, str | float | bool] | None = None,
    ) -> Arm:
        """An arm of results in JSON: a list of objects, an object of lists, or an object on each line.

        Parameters
        ----------
        source : str or Path
            A local file, or a URL that fsspec opens (extra ``urls``). UTF-8.
        metrics : iterable of str, or mapping of str to str
            As for :meth:`from_csv`.
        seed : str, optional
            As for :meth:`from_csv`.
        where : mapping of str to str, float or bool, optional
            As for :meth:`from_csv`.

        Raises
        ------
        DataError, RecordedError, MissingPackageError
            As for :meth:`from_csv`.
        """
        return self._from(source, "json", metrics=metrics, seed=seed, where=where)

    def from_parquet(
        self,
        source: str | Path,
        *,
        metrics: Iterable[str] | Mapping[str, str],
        seed: str | None = None,
        where: Mapping[str, str | float | bool] | None = None,
    ) -> Arm:
        """An arm of results in a Parquet file (extra ``parquet``).

        Parameters
        ----------
        source : str or Path
            A local file, or a URL that fsspec opens (extra ``urls``).
        metrics : iterable of str, or mapping of str to str
            As for :meth:`from_csv`.
        seed : str, optional
            As for :meth:`from_csv`.
        where : mapping of str to str, float or bool, optional
            As for :meth:`from_csv`.

        Raises
        ------
        DataError, RecordedError, MissingPackageError
            As for :meth:`from_csv`; the last also without pyarrow.
        """
        return self._from(source, "parquet", metrics=metrics, seed=seed, where=where)

    def _from(self, source: Any, form: str, *, metrics: Any, seed: Any, where: Any) -> Arm:
        from pytest_mlops.tables.results import results  # only who reads a file pays for it

        found = results(source, form, metrics=metrics, seed=seed, where=where)
        return self._make(recording(found.metrics, seeds=found.seeds, name=found.name, rows=found.rows))

    def __repr__(self) -> str:
        return '<arm.recorded: call it with results, {"auc": [0.91, ...]}, or read them by from_csv, from_json, from_parquet>'
