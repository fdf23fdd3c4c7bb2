"""Programs in processes of their own: what they print, how they end, and that nothing of them is left."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from pytest_mlops.executors.processes import Process
from pytest_mlops.executors.surroundings import handed_on


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch, tmp_path):
    """No child process and no temporary folder, whatever the test did."""
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setenv("TMPDIR", str(own))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert list(own.iterdir()) == []


@pytest.fixture
def start(tmp_path):
    """``start("print(1)")`` runs a Python program."""

    def make(source, **words):
        argv = [sys.executable, "-c", textwrap.dedent(source)]
        return Process(argv, **{"cwd": tmp_path, "env": dict(os.environ), "grace": 1.0, **words})

    return make


def pids_in(file):
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def wait_until(found, seconds=20.0):
    until = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
    return answer


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# A program with a child in its group, one in a session of its own, and one whose parent is gone as well.
FAMILY = """
    import os, subprocess, sys, time
    sleep = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
    found = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True), subprocess.Popen(sleep, process_group=0)]
    pids = [os.getpid(), *(one.pid for one in found)]
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open("orphan", "w") as file:
                file.write(str(os.getpid()))
            os.execv(sys.executable, sleep)
        os._exit(0)
    while not os.path.exists("orphan") or not open("orphan").read():
        time.sleep(0.01)
    with open("pids", "w") as file:
        file.write(" ".join(map(str, [*pids, open("orphan").read()])))
"""


def test_status_and_output_of_both_streams_come_back(start):
    with start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)") as process:
        ended = process.wait(60)
    assert (ended.status, ended.signal, ended.lost, ended.timed_out) == (3, "", "", False)
    assert sorted(ended.output.split()) == ["err", "out"]
    assert ended.seconds > 0


def test_lines_stay_whole_whatever_the_other_stream_gets(start):
    source = """
        import sys
        for _ in range(200):
            for stream in (sys.stdout, sys.stderr):
                print("o" if stream is sys.stdout else "e", end="", file=stream, flush=True)
            for stream in (sys.stdout, sys.stderr):
                print("end of a line", file=stream, flush=True)
    """
    with start(source) as process:
        lines = process.wait(60).output.splitlines()
    assert set(lines) == {"oend of a line", "eend of a line"}
    assert len(lines) == 400


def test_a_signal_is_named(start):
    with start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)") as process:
        ended = process.wait(60)
    assert ended.signal == "SIGSEGV"


def test_much_output_is_cut_in_the_middle(start):
    with start("for i in range(300_000): print('line', i)") as process:
        output = process.wait(60).output
    assert len(output) <= 1_000_000
    assert "line 0\n" in output
    assert "line 299999\n" in output
    assert "bytes of output cut" in output


def test_output_is_heard_by_stream_while_it_comes(start):
    heard = {"stdout": "", "stderr": ""}

    def hear(name, text):
        heard[name] += text

    with start("import sys; print('ä' * 70_000); print('b', file=sys.stderr)", hear=hear) as process:
        process.wait(60)
    assert heard == {"stdout": "ä" * 70_000 + "\n", "stderr": "b\n"}


def test_a_program_that_is_not_there_is_lost_with_its_reason(tmp_path):
    with Process([str(tmp_path / "nothing")], cwd=tmp_path, env={}) as process:
        ended = process.wait(60)
    assert "FileNotFoundError" in ended.lost


def test_standard_input_is_empty(start):
    with start("import sys; print(repr(sys.stdin.read()))") as process:
        assert process.wait(60).output == "''\n"


def test_the_environment_is_the_given_one(tmp_path):
    with Process(
        [sys.executable, "-c", "import os; print(os.environ.get('A'), 'HOME' in os.environ)"],
        cwd=tmp_path,
        env={"A": "1"},
    ) as process:
        assert process.wait(60).output == "1 False\n"


@pytest.mark.skipif(sys.platform != "linux", reason="orphans can be adopted on Linux only")
@pytest.mark.parametrize("ending", ["time-out", "it ends by itself", "the block is left"])
def test_the_whole_tree_is_gone(start, tmp_path, ending):
    last = "" if ending == "it ends by itself" else "\n    time.sleep(600)"
    pids = tmp_path / "pids"
    with start(FAMILY + last) as process:
        if ending == "the block is left":
            wait_until(lambda: pids_in(pids))
        else:
            ended = process.wait(600 if not last else 3)
            assert ended.timed_out is bool(last)
    assert len(pids_in(pids)) == 5
    assert all(map(is_gone, pids_in(pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="orphans can be adopted on Linux only")
def test_the_tree_is_gone_when_we_are_killed(tmp_path):
    source = f"""
        import os, sys
        from pathlib import Path
        from pytest_mlops.executors.processes import Process
        argv = [sys.executable, "-c", {textwrap.dedent(FAMILY) + "time.sleep(600)"!r}]
        Process(argv, cwd=Path({str(tmp_path)!r}), env=dict(os.environ), grace=1.0).wait()
    """
    us = subprocess.Popen([sys.executable, "-c", textwrap.dedent(source)])
    pids = tmp_path / "pids"
    wait_until(lambda: len(pids_in(pids)) == 5)
    us.kill()
    us.wait()
    wait_until(lambda: all(map(is_gone, pids_in(pids))))
    wait_until(lambda: not list(Path(tempfile.gettempdir()).iterdir()))


@pytest.mark.skipif(sys.platform == "win32", reason="no signal of Ctrl-C to ourselves")
def test_ctrl_c_goes_through_and_leaves_nothing(start, tmp_path):
    pids = tmp_path / "pids"
    source = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    main = threading.main_thread().ident
    process = start(source)

    def interrupt():
        wait_until(lambda: pids_in(pids))
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt), process:
        process.wait(600)
    assert is_gone(*pids_in(pids))


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are of POSIX")
def test_a_killed_warden_takes_the_program_with_it(start, tmp_path):
    pids = tmp_path / "pids"
    with start(
        f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    ) as process:
        wait_until(lambda: pids_in(pids))
        os.kill(process._warden.pid, signal.SIGKILL)
        ended = process.wait(60)
    assert "watched over it" in ended.lost
    wait_until(lambda: is_gone(*pids_in(pids)))


def test_secrets_of_the_job_are_not_handed_on():
    names = [
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_CACHE_URL",
        "GITHUB_ENV",
        "CI_JOB_TOKEN",
    ]
    ours = ["PATH", "WANDB_API_KEY", "HF_TOKEN", "GITHUB_SHA", "CUDA_VISIBLE_DEVICES"]
    assert list(handed_on(dict.fromkeys([*names, *ours], "x"))) == ours
