"""``run``: all that is random, or depends on the machine, as a training function gets it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_mlops._optional import installed, need
from pytest_mlops.errors import RunError
from pytest_mlops.records import RunSpec
from pytest_mlops.training.amp import Amp
from pytest_mlops.training.artifacts import Files
from pytest_mlops.training.cases import GivenCases
from pytest_mlops.training.curves import Curves, add_point
from pytest_mlops.training.initialise import initialise
from pytest_mlops.training.loader import Loader, Passes
from pytest_mlops.training.named_streams import Streams
from pytest_mlops.training.resuming import Resumable
from pytest_mlops.training.scratch import Scratch
from pytest_mlops.training.split import Place, split
from pytest_mlops.training.weights import Seen

if TYPE_CHECKING:
    import torch

SMOKE_BATCHES = 2
"""Batches after which every pass of a loader stops in a smoke run."""

Module = TypeVar("Module", bound="torch.nn.Module")


class Run(Streams, Resumable, Files):
    """One training run, as the training function sees it: its first argument.

    Everything random comes from here, by name, so that two arms share per seed what they can share (the
    order of the data, the split, the initial weights) and an added augmentation shifts nothing else.
    ``random``, ``numpy`` and
    ``torch`` are seeded with ``run.seed`` before the function starts.

    Parameters
    ----------
    spec : RunSpec
        What to train; ``execute`` makes the run from it.
    scratch : Scratch, optional
        The run's own folder.

    Attributes
    ----------
    seed : int
        Seed of this run, in [0, 2**31).
    index : int
        Place of the seed in its block: 0, 1, 2, ...

    Examples
    --------
    ::

        def train(run, *, lr=1e-3):
            fit, test = run.split(run.data, test=0.2)
            model = run.init(Net()).to(run.device)
            optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
            for epoch in range(10):
                for x, y in run.loader(fit, batch_size=64):
                    with run.amp.autocast():
                        loss = F.cross_entropy(model(x), y)
                    run.amp.step(loss, optimizer)
                run.log(epoch, loss=float(loss))
            return {"accuracy": evaluate(model, test)}
    """

    def __init__(self, spec: RunSpec, scratch: Scratch | None = None) -> None:
        super().__init__(spec.key.seed)
        self.index = spec.index
        self._spec = spec
        Files.__init__(self, spec)
        self._passes = Passes(most=SMOKE_BATCHES if spec.smoke else None)
        self._seen = Seen()
        self._curves: Curves = {}
        self._cases = GivenCases(self._passes)
        place = (spec.index, spec.block)
        self._scratch = scratch or Scratch(spec.scratch, key=spec.key.digest, place=place)

    def __repr__(self) -> str:
        return f"<Run seed={self.seed} index={self.index} device={self._spec.device} amp={self._spec.amp}>"

    @cached_property
    def device(self) -> torch.device:
        """Where to train: a ``torch.device``, or its name where torch is not installed."""
        place: Any = self._spec.device
        if installed("torch"):
            place = need("torch", extra="torch", why="run.device").device(place)
        device: torch.device = place  # without torch it is the name: nobody can hold a torch.device then
        return device

    @property
    def data(self) -> Any:
        """What the arm declared by ``.using(data=...)``: paths, or what its ``load()`` returned.

        All runs share it, so its arrays are read-only and a tensor changed in place fails the run: copy
        first.

        Raises
        ------
        RunError
            If the arm declared no data.
        """
        if self._spec.data is None:
            raise RunError(
                "run.data: this arm declared no data (or its load() returned None). Declare it: "
                "arm(train).using(data=load), with load a function at the top of a module, or a path."
            )
        return self._spec.data

    @property
    def smoke(self) -> bool:
        """Whether this is a smoke run: ``run.loader`` stops after two batches by itself, own loops can ask here.

        Examples
        --------
        ::

            for step, batch in enumerate(my_batches):
                ...
                if run.smoke and step == 1:
                    break
        """
        if self._spec.smoke:
            self._passes.shortened = True  # what the function leaves out from here on, nobody knows
        return self._spec.smoke

    @cached_property
    def amp(self) -> Amp:
        """Mixed precision: ``run.amp.autocast()`` for the forward pass, ``run.amp.step(loss, optimizer)``."""
        return Amp(device=self._spec.device, precision=self._spec.amp, seen=self._seen)

    def loader(
        self,
        data: Any,
        *,
        batch_size: int,
        shuffle: bool = True,
        drop_last: bool = False,
        epoch: int | None = None,
        workers: int = 0,
        collate: Callable[[list[Any]], Any] | None = None,
    ) -> Loader:
        """Batches of ``data`` on ``run.device``, in an order that arms share.

        The k-th shuffled pass over the same data object in a run is epoch k, also when the loader is made
        anew for each epoch. Augmentation in ``__getitem__`` may use ``random``, ``numpy.random`` and
        ``torch`` freely: they are seeded for each sample, so that any number of workers gives the same bits.

        Parameters
        ----------
        data : Dataset, array, tensor, tuple or dict of arrays or tensors, or list
            Map-style dataset; or columns of equal length; or a list of samples.
        batch_size : int
            Samples a batch; the order does not depend on it.
        shuffle : bool
            Whether to change the order each epoch. A pass that does not shuffle counts for nothing.
        drop_last : bool
            Leave out a last batch that is not full.
        epoch : int, optional
            Begin at this epoch, e.g. after a resume.
        workers : int
            Processes that fetch samples: a choice of speed only.
        collate : callable, optional
            From a list of samples to a batch; torch's ``default_collate`` by default.

        Returns
        -------
        Loader
            To iterate over, with a ``len``.

        Raises
        ------
        RunError
            If the data has no samples, no order or no length, or a number is impossible.

        Examples
        --------
        ::

            for x, y in run.loader((x_fit, y_fit), batch_size=64):
                ...
        """
        return Loader(
            data,
            seed=self.seed,
            device=self._spec.device,
            passes=self._passes,
            batch_size=batch_size,
            shuffle=bool(shuffle),
            drop_last=bool(drop_last),
            epoch=epoch,
            workers=workers,
            collate=collate,
        )

    def split(
        self,
        data: Any,
        *,
        test: float | None = None,
        groups: Any = None,
        stratify: Any = None,
        name: str = "split",
        by: str | None = None,
        folds: int | None = None,
    ) -> tuple[Any, Any]:
        """Divide data into a part to fit and a part to test on: one division for all seeds and all arms.

        Rows keep their order within each part. With ``groups`` the division depends on the labels of the
        groups, not on the order of the rows.

        With ``by`` or ``folds`` the division varies with the seed, alike for all arms. Then the claim holds for new splits of
        these data too, and costs more: it is judged once, after ``max_seeds`` pairs, by a variance that is corrected for the
        overlap of the splits.

        Parameters
        ----------
        data : int, array, tensor, tuple or dict of arrays, list, data frame, or dataset
            An int is a number of samples, and gives index arrays.
        test : float or int
            Share (0 to 1) or number of samples of the test part, 0.2 by default; with groups, as near as whole groups allow.
        groups : sequence, optional
            A label for each sample; samples of one label (one patient) stay on one side.
        stratify : sequence, optional
            A class for each sample; each side gets nearly the same shares of all classes.
        name : str
            Another name gives another division.
        by : str, optional
            ``"seed"`` draws a new division under each seed.
        folds : int, optional
            Cross-validation: the training run at place i of its seeds tests on fold ``i % folds``, and the folds are shuffled
            anew after each round, so that arms test on the same fold. In place of ``test`` and ``by``.

        Returns
        -------
        fit, test
            Of the same kind as ``data``; a dataset gives two ``torch.utils.data.Subset``.

        Raises
        ------
        SplitError
            If the division is impossible: missing or too few groups or classes, wrong lengths or sizes.

        Examples
        --------
        ::

            (x_fit, y_fit), (x_test, y_test) = run.split((x, y), test=0.2, groups=patients)
            fit, test = run.split(run.data, folds=5, groups=patients)
        """
        return split(
            data,
            test=test,
            groups=groups,
            stratify=stratify,
            name=name,
            by=by,
            folds=folds,
            place=Place(seed=self.seed, index=self.index, block=self._spec.block),
            tell=lambda varying: self._scratch.split(f"{name}: {varying.words}", varying.text),
        )

    def init(self, model: Module) -> Module:
        """Initialise ``model`` anew, each module from a stream named by its path; returns the model.

        Arms then share initial weights wherever path and shape agree, which saves runs. It calls the
        ``reset_parameters`` of each submodule: parameters of a module without one stay as they are.

        Parameters
        ----------
        model : torch.nn.Module
            Changed in place. Do it before loading pretrained weights.

        Returns
        -------
        torch.nn.Module
            The same object.

        Raises
        ------
        RunError
            If ``model`` is no module.

        Examples
        --------
        ::

            model = run.init(Net()).to(run.device)
        """
        initialise(model, self.seed)
        self._seen.add(model)
        return model

    def log(self, step: float, /, **values: Any) -> None:
        """Add a point to the curve of each value.

        Parameters
        ----------
        step : int or float
            Epoch, step or time: any finite number.
        **values : float
            Numbers, NaN and infinity included: a curve may show how a run diverged.

        Raises
        ------
        RunError
            If the step or a value is no number.

        Examples
        --------
        ::

            run.log(epoch, loss=float(loss), lr=scheduler.get_last_lr()[0])
        """
        add_point(self._curves, step, values)

    def cases(
        self,
        name: str,
        *,
        case: Any,
        value: Any = None,
        target: Any = None,
        score: Any = None,
        metric: str | None = None,
        patient: Any = None,
    ) -> None:
        """Give the metric ``name`` by a number for each test case: claims on it hold for new patients too.

        The same cases in all arms and seeds, in any order. What is kept are the numbers and the labels, not the names of
        cases and patients.

        Parameters
        ----------
        name : str
            Name of the metric, as in the dict that is returned: ``"auc"``, ``"dice/liver"``.
        case : sequence of str or int
            Name of each case, each once.
        value : sequence of float, optional
            A number for each case, e.g. the Dice of a volume: the metric is their mean.
        target, score : sequence of float, optional
            Label and score of each case instead, for a metric of all cases together.
        metric : str, optional
            ``"auc"``, ``"average_precision"``, ``"accuracy"``, ``"sensitivity"``, ``"specificity"``, ``"dice"``,
            ``"mae"`` or ``"brier"``; by default the part of ``name`` before the first slash.
        patient : sequence of str or int, optional
            Patient of each case, where patients have several.

        Raises
        ------
        MetricError
            If a case comes twice, a number is not finite, lengths differ, there are fewer than three cases or patients,
            a class is missing or only one patient has it, or the name is taken.

        Examples
        --------
        ::

            run.cases("dice", case=volume_ids, value=dice_of_volumes, patient=patient_ids)
            run.cases("auc", case=image_ids, target=y_test, score=probabilities, patient=patient_ids)
        """
        self._cases.add(
            name, case=case, value=value, target=target, score=score, metric=metric, patient=patient
        )
