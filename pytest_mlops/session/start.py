"""From pytest's configuration to a session: who trains, where runs are kept, who hears claims."""

from __future__ import annotations

import pytest

from pytest_mlops.executors.inline import InlineExecutor
from pytest_mlops.fingerprint import set_root
from pytest_mlops.notation import size_of
from pytest_mlops.session.attempts import Attempts
from pytest_mlops.session.budget import Budget
from pytest_mlops.session.command import Commands
from pytest_mlops.session.commits import Commits
from pytest_mlops.session.deciding import Deciding
from pytest_mlops.session.folders import Folders
from pytest_mlops.session.hearer import Hearer
from pytest_mlops.session.keeping import Keeping, open_sqlite
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.new_arms import NewArms
from pytest_mlops.session.reporting import capture_suspended, line_writer, live_output
from pytest_mlops.session.session import Session
from pytest_mlops.settings import Settings


def start(config: pytest.Config, settings: Settings) -> Session:
    """The session of this process; it opens and trains nothing before a claim asks for it."""
    say = line_writer(config)
    set_root(config.rootpath)
    config.add_cleanup(lambda: set_root(None))
    worker = getattr(config, "workerinput", None)  # of pytest-xdist: all of them are one session
    folders = Folders(config.rootpath)
    keeping = Keeping(
        open_store=lambda: open_sqlite(
            settings.store,
            config.rootpath,
            session=worker.get("testrunuid") if worker is not None else None,
            keep=size_of(settings.keep),
        ),
        rerun=settings.rerun,
        changed=folders.changed,
        retry_failed=settings.retry_failed,
        tell=say,
    )
    laboratory = Laboratory(
        keeping=keeping,
        open_executor=lambda: InlineExecutor(echo=live_output(config)),
        tell=say,
        root=config.rootpath,
        look_again=folders.look_again,
        budget=Budget(seconds=settings.budget_seconds),
        commits=Commits(root=config.rootpath, say=say),
    )
    attempts = Attempts(open_store=lambda: keeping.store, root=config.rootpath)
    deciding = Deciding(
        laboratory=laboratory,
        say=say,
        new_arms=NewArms(laboratory=laboratory, say=say),
        commands=Commands(config),
        attempts=attempts,
        alone=worker is None,
    )
    return Session(
        laboratory=laboratory, deciding=deciding, instead=_instead(config, settings, laboratory, attempts)
    )


def _instead(
    config: pytest.Config, settings: Settings, laboratory: Laboratory, attempts: Attempts
) -> Hearer | None:
    """Who hears claims in place of the judge, if this session judges none."""
    say, options = line_writer(config), config.option
    if options.mlops_smoke_only:
        from pytest_mlops.session.smoke import Smoke

        return Smoke(laboratory=laboratory, say=say, uncaptured=lambda: capture_suspended(config))
    if options.mlops_plan:
        from pytest_mlops.session.plan import Plan

        return Plan(laboratory=laboratory, say=say, attempts=attempts)
    if options.mlops_fill is not None:
        from pytest_mlops.session.fill import Fill

        return Fill(laboratory=laboratory, seeds=options.mlops_fill, say=say)
    if options.mlops_aa:
        from pytest_mlops.session.aa import AgainstItself

        return AgainstItself(laboratory=laboratory, runs=settings.max_seeds, say=say)
    return None
