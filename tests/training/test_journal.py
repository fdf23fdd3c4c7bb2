"""What an unfinished run depends on, on disk: all of it, or nothing that anybody goes on from."""

import resource

import pytest

from pytest_mlops.training.journal import Journal

FACT = ("files", "conf/model.yaml", "a" * 64)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "depends-on.jsonl", key="k")
    yield journal
    journal.close()


def test_what_was_noted_is_read_by_the_next_attempt(journal, tmp_path):
    journal.begin([FACT], anew=True)
    journal.add(("variables", "RATE", "absent"))
    journal.add(FACT)
    assert Journal(tmp_path / "depends-on.jsonl", key="k").read() == [FACT, ("variables", "RATE", "absent")]


def test_the_next_attempt_adds_to_it(journal, tmp_path):
    journal.begin([FACT], anew=True)
    second = Journal(tmp_path / "depends-on.jsonl", key="k")
    second.begin([FACT, ("modules", "net.py", "b")], anew=False)
    second.close()
    assert Journal(tmp_path / "depends-on.jsonl", key="k").read() == [FACT, ("modules", "net.py", "b")]


def test_two_notes_of_one_thing_that_differ_are_no_notes(journal):
    journal.begin([FACT, (*FACT[:2], "b" * 64)], anew=True)
    assert journal.read() is None


@pytest.mark.parametrize(
    "text", ["", "[]\n", "7\n", "null\n", '["run", "k"]\n', '["run", "k", ""]', "\xff\n"]
)
def test_what_is_no_journal_is_none(tmp_path, text):
    (tmp_path / "depends-on.jsonl").write_text(text, encoding="latin-1")
    assert Journal(tmp_path / "depends-on.jsonl", key="k").read() is None


def test_a_full_disk_at_the_beginning_is_an_error(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    journal = Journal(tmp_path / "full", key="k")
    with pytest.raises(OSError, match="No space left"):
        journal.begin([], anew=True)
    journal.close()


def test_a_disk_that_fills_up_leaves_nothing_to_go_on_from(journal, tmp_path):
    journal.begin([FACT], anew=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "depends-on.jsonl").stat().st_size + 5, limits[1]))
    try:
        with pytest.raises(OSError, match=r"could be written|File too large"):
            journal.add(("files", "late.yaml", "c" * 64))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert journal.read() is None
    assert not (tmp_path / "depends-on.jsonl").exists()
