"""Settings of Python that a training function changes are as before afterwards, so that no run trains the next one otherwise."""

import builtins
import decimal
import gc
import os
import resource
import signal
import sys
import tempfile
import threading
import time

import pytest
import torch

FILES = resource.RLIMIT_NOFILE
SMALLEST = sys.float_info.min


def mask():
    now = os.umask(0o077)
    os.umask(now)
    return now


def denormal():
    quarter = torch.full((1,), SMALLEST, dtype=torch.float64) / 4
    return quarter.view(torch.int64).item()  # its bits: flushed comparisons call it zero


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda: setattr(decimal.getcontext(), "prec", 3), lambda: decimal.getcontext().prec),
        (lambda: decimal.setcontext(decimal.Context(prec=4)), lambda: decimal.getcontext().prec),
        (lambda: gc.set_threshold(1, 1, 1), gc.get_threshold),
        (lambda: sys.setswitchinterval(1.0), sys.getswitchinterval),
        (lambda: sys.set_int_max_str_digits(700), sys.get_int_max_str_digits),
        (lambda: setattr(time, "time", lambda: 0.0), lambda: time.time),
        (lambda: setattr(time, "perf_counter", lambda: 0.0), lambda: time.perf_counter),
        (lambda: setattr(builtins, "sum", len), lambda: builtins.sum),
        (lambda: delattr(builtins, "zip"), lambda: hasattr(builtins, "zip")),
        (lambda: setattr(sys, "unraisablehook", print), lambda: sys.unraisablehook),
        (lambda: setattr(sys, "__stdout__", None), lambda: sys.__stdout__),
        (lambda: setattr(threading, "excepthook", print), lambda: threading.excepthook),
        (lambda: setattr(tempfile, "tempdir", "/nowhere"), lambda: tempfile.tempdir),
        (
            lambda: resource.setrlimit(FILES, (64, resource.getrlimit(FILES)[1])),
            lambda: resource.getrlimit(FILES),
        ),
        (lambda: os.umask(0o777), mask),
        (lambda: torch.set_flush_denormal(True), denormal),
    ],
)
def test_it_is_as_before(train, change, state):
    before = state()

    def changing(run):
        change()
        return {"changed": float(state() != before)}

    result = train(changing)
    assert state() == before
    assert result.failure is None, result.failure
    assert result.metrics["changed"] == 1.0
    assert 0 <= result.metrics["seconds"] < 60  # by a clock that was not replaced


def test_a_timer_that_was_left_behind_does_not_end_pytest(train):
    def leaving(run):
        signal.setitimer(signal.ITIMER_REAL, 100.0)
        return {"x": 1.5}

    train(leaving)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_timer_of_somebody_else_goes_on(train):
    def removing(run):
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        return {"x": 1.5}

    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 1000.0)  # such as the one of pytest-timeout
    try:
        train(removing)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 900.0 < left <= 1000.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def test_the_time_zone_follows_the_environment_back(train, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def moving(run):
        os.environ["TZ"] = "Asia/Tokyo"
        time.tzset()
        return {"away": time.timezone / 3600.0}

    assert train(moving).metrics["away"] == -9.0
    assert time.timezone == 0
