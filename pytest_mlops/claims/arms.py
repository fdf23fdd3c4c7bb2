"""Arms: a training function with its parameters, as a value that is made anywhere and shared freely."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mlops import fingerprint
from pytest_mlops.claims.binding import Training, bind, bound, copied, parameters_key
from pytest_mlops.claims.commands import Command, command
from pytest_mlops.claims.derived import check_not_derived, check_seeds_of_derived, check_then
from pytest_mlops.claims.env import checked_env, shown, traces
from pytest_mlops.claims.expressions import Expression, metric_of
from pytest_mlops.claims.recorded import Recorded
from pytest_mlops.claims.recording import Recording
from pytest_mlops.claims.using import (
    check_use,
    checked_data,
    checked_ref,
    checked_ref_env,
    checked_seeds,
    checked_timeout,
    exact_time,
)
from pytest_mlops.errors import ClaimError, NotBuiltError, ParameterError
from pytest_mlops.settings import BY_NAME

if TYPE_CHECKING:
    from pytest_mlops.claims.claim import Claim
    from pytest_mlops.claims.family import Explored, FamilyClaim, FamilyJudgement
    from pytest_mlops.claims.judge import Judgement


class Asking(Protocol):
    """Who claims turn to: handed to arms when they are made, so that this room trains nothing itself."""

    def stated(self, claim: Claim) -> None:
        """Take notice of a claim whose truth nobody has asked for yet."""
        ...

    def ask(self, claim: Claim) -> Judgement:
        """Train until the claim is decided."""
        ...

    def stated_family(self, family: FamilyClaim) -> None:
        """Take notice of a family whose truth nobody has asked for yet."""
        ...

    def ask_family(self, family: FamilyClaim) -> FamilyJudgement:
        """Train until every row of the family is decided."""
        ...

    def explore(self, rows: Sequence[Claim]) -> Explored:
        """What is known of the arms of these rows, which are those of one metric; at least ``min_seeds`` pairs of each."""
        ...


@dataclass(frozen=True, kw_only=True)
class Using:
    """Our words about an arm; kept apart from the user's parameters, so that the two never collide."""

    data: Any = None
    seeds: tuple[int, ...] | None = None
    device: str | None = None
    amp: str | None = None
    env: Mapping[str, str] | None = None
    timeout: float | None = None
    """Seconds."""
    ref: str | None = None
    """The commit whose code trains."""
    ref_env: tuple[str, ...] | None = None
    """The commands that make its packages."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """One variant of the experiment. ``arm["auc"]`` is an expression to state claims with.

    Two arms are equal when their functions' code, all parameters (given or default) and what they use are equal.
    """

    source: Training | Command | Recording
    uses: Using = Using()
    asking: Asking | None = field(default=None, repr=False)
    """None for an arm that was made outside a pytest session: its claims can be stated and read, not asked."""

    def using(
        self,
        *,
        data: Any = None,
        seeds: Iterable[int] | None = None,
        device: str | None = None,
        amp: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: str | None = None,
        ref: str | None = None,
        ref_env: str | Iterable[str] | None = None,
        **later: Any,
    ) -> Arm:
        """A new arm that differs in what it uses.

        Parameters
        ----------
        data : path, list, tuple or dict of paths, or a module-level function
            What ``run.data`` is. Paths arrive as :class:`pathlib.Path`; a function is called once and its
            return value arrives. Either way the key has the content, not the name.
        seeds : iterable of int
            The block of seeds itself, each in [0, 2**31); it also caps ``max_seeds``. Exactly one makes a fixed arm: it has
            one training run (a published checkpoint that is scored), against which every seed of the other arms stands.
        device, amp : str
            As the options ``device`` and ``amp``, for this arm.
        env : dict of str to str
            Environment variables that are set while it trains, in workers of loaders and child processes too.
        timeout : str
            Of a command: ``"5h"``. What takes longer is ended, and is a failed training run.
        ref : str
            The commit whose code trains, in a process of its own: ``"base"`` for what this work will be merged into, or a branch,
            tag or SHA. Declared paths are those of the project as it is; a function that loads is that commit's.

        ref_env : str or sequence of str
            With `ref`: the commands that make a virtual environment with that commit's packages in ``{env}``, without a shell,
            once a commit: ``["{python} -m venv {env}", "{env}/bin/pip install -e {tree}"]``. pytest-mlops has to be among them.

        Raises
        ------
        ParameterError, DataError, SettingError, NotBuiltError
            If a value cannot be used.
        """
        if later:
            raise NotBuiltError(
                f"using({next(iter(later))}=...): this version has data=, seeds=, device=, amp=, env=, timeout=, ref= and "
                "ref_env=. Parameters of the training function itself go into arm(train, ...)."
            )
        if isinstance(self.source, Recording):
            raise ParameterError("A recorded arm is not trained, so it uses nothing: drop .using(...).")
        check_use(isinstance(self.source, Command), data=data, amp=amp, timeout=timeout, ref=ref)
        changed: dict[str, Any] = {}
        if data is not None:
            changed["data"] = checked_data(data)
        if seeds is not None:
            changed["seeds"] = checked_seeds(seeds)
            check_seeds_of_derived(self, changed["seeds"])
        if env is not None:
            changed["env"] = checked_env(env, at_start=isinstance(self.source, Command))
        if timeout is not None:
            changed["timeout"] = checked_timeout(timeout)
        if ref is not None:
            check_not_derived(self, ref)
            changed["ref"] = checked_ref(ref)
        if ref_env is not None:
            changed["ref_env"] = checked_ref_env(ref_env, ref=ref or self.uses.ref)
        for name, value in (("device", device), ("amp", amp)):
            if value is not None:
                changed[name] = BY_NAME[name].parse(value, source=f"using({name}=...)")
        return replace(self, uses=replace(self.uses, **changed))

    def here(self) -> Arm:
        """The same arm with the code of the project as it is."""
        return (
            replace(self, uses=replace(self.uses, ref=None, ref_env=None))
            if self.uses.ref is not None
            else self
        )

    def with_parameters(self, parameters: Mapping[str, Any]) -> Arm:
        """A new arm with further parameters of its training function.

        Parameters
        ----------
        parameters : mapping of str to value
            As in ``arm(train, ...)``.

        Raises
        ------
        ParameterError
            If the function has no such parameter.
        """
        assert isinstance(self.source, Training)
        own = self.source
        return replace(self, source=bind(own.function, {**own.given, **parameters}, upstream=own.upstream))

    def then(self, function: Callable[..., Any], /, *misplaced: Any, **parameters: Any) -> Arm:
        """A derived arm: a second procedure on what the finished runs of this arm left, seed by seed.

        ``function(run, **parameters)`` finds it by ``run.upstream("model.pt")``. This arm is not trained again for it, and the
        two are pairs by construction: quantised against float, fine-tuned against pretrained.

        Parameters
        ----------
        function : callable
            As in ``arm(function)``: takes ``run`` first, and returns metrics.
        **parameters
            The function's own.

        Returns
        -------
        Arm
            Under each seed it goes on from this arm's run of that seed; of a fixed arm, ``.using(seeds=[0])``, always from that
            one. What follows by ``.using(...)`` is its own.

        Raises
        ------
        ParameterError
            If this arm is recorded and left no files, or as for ``arm(function, ...)``.

        Examples
        --------
        >>> arm = Arms()
        >>> def train(run, *, lr=1e-3):
        ...     return {"acc": 0.9}
        >>> def quantise(run, *, bits):
        ...     model = run.upstream("model.pt")
        ...     return {"acc": 0.89}
        >>> arm(train, lr=0.1).then(quantise, bits=8)
        train(lr=0.1).then(quantise, bits=8)
        """
        check_then(self, function, misplaced)
        training = bound(function, parameters, upstream=self)
        return replace(self, source=training, uses=Using(seeds=None if self.is_fixed else self.uses.seeds))

    def __getitem__(self, metric: str) -> Expression:
        return metric_of(self, metric)

    # Without these Python would fall back on __getitem__(0), (1), ... for `in` and `for`.
    __contains__ = None
    __iter__ = None

    @functools.cached_property
    def identity(self) -> str:
        """Text that is equal for equal arms."""
        if isinstance(self.source, Recording):
            what: Any = self.source.content
        elif isinstance(self.source, Command):
            what = {"command": self.source.key(), "code": self.source.code}
        else:
            what = {
                "code": fingerprint.fingerprint(self.source.function).digest,
                "parameters": parameters_key(self.source),
            }
            if self.source.upstream is not None:
                what["upstream"] = self.source.upstream.identity
        data = self.uses.data
        uses = [repr(data) if not callable(data) else fingerprint.fingerprint(data).digest]
        uses += [repr(self.uses.seeds), repr(self.uses.device), repr(self.uses.amp)]
        uses += [repr(traces(self.uses.env))] if self.uses.env else []
        uses += [repr(self.uses.timeout)] if self.uses.timeout else []
        uses += [f"ref {self.uses.ref} {self.uses.ref_env or ''}"] if self.uses.ref else []
        return json.dumps([what, uses], sort_keys=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arm):
            return NotImplemented
        return self is other or self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __bool__(self) -> bool:
        raise ClaimError('An arm is no claim. Write: assert candidate["auc"] > baseline["auc"]')

    @property
    def trains(self) -> bool:
        """Whether its runs are trained; False for recorded results."""
        return not isinstance(self.source, Recording)

    @property
    def is_fixed(self) -> bool:
        """Whether it has one training run, which is given: it names exactly one seed."""
        return self.trains and self.uses.seeds is not None and len(self.uses.seeds) == 1

    @property
    def upstream(self) -> Arm | None:
        """The arm whose finished runs a derived arm goes on from."""
        return self.source.upstream if isinstance(self.source, Training) else None

    @property
    def function_name(self) -> str:
        """Name of the training function, ``recorded`` for results that exist."""
        if isinstance(self.source, Recording):
            return "recorded"
        if isinstance(self.source, Command):
            return self.source.name
        return fingerprint.describe(self.source.function)

    @property
    def label(self) -> str:
        """The arm as people write it: ``train(lr=0.01)``, with what was given and differs from the default."""
        if isinstance(self.source, Recording):
            return self.source.label
        uses = {name: getattr(self.uses, name) for name in ("data", "seeds", "device", "amp", "ref")}
        if self.upstream is not None and self.upstream.uses.seeds == self.uses.seeds:
            del uses["seeds"]  # said by the arm before
        words = [f"{name}={fingerprint.describe(value)}" for name, value in uses.items() if value is not None]
        words += [f"env={shown(self.uses.env)}"] if self.uses.env else []
        words += ["ref_env=..."] if self.uses.ref_env else []
        words += [f"timeout='{exact_time(self.uses.timeout)}'"] if self.uses.timeout else []
        return self._called + (f".using({', '.join(words)})" if words else "")

    @property
    def _called(self) -> str:
        if not isinstance(self.source, Training):
            return self.source.label
        given = [f"{name}={fingerprint.describe(value)}" for name, value in self.source.given.items()]
        if self.source.upstream is not None:
            return f"{self.source.upstream.label}.then({', '.join([self.function_name, *given])})"
        return f"{self.function_name}({', '.join(given)})"

    def __repr__(self) -> str:
        return self.label


class Arms:
    """What the ``arm`` fixture is: makes arms.

    Examples
    --------
    >>> arm = Arms()
    >>> def train(run, *, lr=1e-3):
    ...     return {"auc": 0.9}
    >>> arm(train) == arm(train, lr=1e-3)
    True
    >>> arm.recorded({"auc": [0.91, 0.92]})
    recorded(2 training runs)
    """

    def __init__(self, asking: Asking | None = None) -> None:
        self._asking = asking
        self.recorded = Recorded(lambda source: Arm(source=source, asking=asking))
        """Makes arms of results that exist: from lists, or by ``from_csv``, ``from_json``, ``from_parquet``."""

    def __call__(self, function: Callable[..., Any], /, *misplaced: Any, **parameters: Any) -> Arm:
        """An arm that trains ``function(run, **parameters)``.

        Parameters
        ----------
        function : callable
            Takes ``run`` (a :class:`pytest_mlops.Run`) first and returns metrics, ``{"auc": 0.91}``.
        **parameters
            The function's own. Defaults are bound, so that giving a default makes the same arm.

        Raises
        ------
        ParameterError
            If the function has no such parameter, or a value cannot be keyed.
        """
        if misplaced:
            raise ParameterError(
                f"arm({fingerprint.describe(function)}, {fingerprint.describe(misplaced[0])}): parameters go by name, e.g. "
                f"arm({fingerprint.describe(function)}, lr=1e-3): they are part of what the arm is."
            )
        if isinstance(function, Arm):
            raise ParameterError(
                f"arm() takes a training function, not an arm. {function!r} is one already: use it, or .using(...), or "
                ".then(function)."
            )
        return Arm(source=bound(function, parameters), asking=self._asking)

    def command(
        self,
        words: str | Iterable[str],
        /,
        *,
        metrics: str | Mapping[str, str],
        cwd: str | Path = ".",
        code: str | Iterable[str] | None = None,
        **parameters: Any,
    ) -> Arm:
        """An arm that is trained by a program, unchanged: a script, ``torchrun``, a shell script.

        Parameters
        ----------
        words : str or sequence of str
            The command line. Placeholders are filled into its words, each word on its own and without a shell: your parameters,
            and of ours ``{seed}``, ``{index}``, ``{out}`` (a folder of the run; what lies in it is kept), ``{scratch}`` (one
            that outlives a kill), ``{data}`` (the declared path) and ``{device}``. ``python`` is the one that runs pytest.
        metrics : str or mapping of str to str
            The file with the metrics, in ``{out}``: JSON or YAML, nested names joined by slashes, or the last row of a CSV.
            Or by name a regular expression with one group, on lines that it prints; the last match counts.
        cwd : path
            Where it runs, below pytest's root folder.
        code : sequence of str
            The files that it depends on, as paths and patterns below that folder. By default all that git tracks, and all that
            it neither tracks nor ignores.
        **parameters
            Values of your placeholders: text, numbers, paths.

        Raises
        ------
        ParameterError
            If placeholders and parameters do not match, or the metrics cannot be meant.

        Examples
        --------
        >>> arm = Arms()
        >>> arm.command(
        ...     "python train.py --lr {lr} --seed {seed} --out {out}", metrics="{out}/metrics.json", lr=0.1
        ... )
        python train.py --lr 0.1 --seed {seed} --out {out}
        """
        source = command(words, metrics=metrics, cwd=cwd, code=code, parameters=copied(parameters))
        return Arm(source=source, asking=self._asking)

    def __repr__(self) -> str:
        return "<arm: call it with a training function and its parameters>"
