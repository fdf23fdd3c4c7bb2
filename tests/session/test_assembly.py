"""One report from the records of gates: whose an unfinished report is."""

import msgspec

from pytest_mlops.session.assembly import Assembly


def test_an_unfinished_report_is_of_the_session_with_its_command_that_began_before_it():
    assembly = Assembly(["--mlops", "test_a.py"])
    mine = assembly.report(exit_status=None, finished=False).session
    assert assembly.began(mine)
    assert not assembly.began(msgspec.structs.replace(mine, finished=True))
    assert not assembly.began(msgspec.structs.replace(mine, command="pytest --mlops test_b.py"))
    assert not assembly.began(msgspec.structs.replace(mine, started="2020-01-01T00:00:00+00:00"))
    assert not assembly.began(msgspec.structs.replace(mine, started="some day"))
