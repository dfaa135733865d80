"""Worker processes: calls go in, results and errors come back, and the processes end."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backends.rtm_ap.workers import WorkerPool
from backends.target import load_target
from ir.errors import UserError


def test_calls_are_answered_by_other_processes() -> None:
    with WorkerPool(2) as pool:
        sums = [pool.submit(operator.add, number, 1) for number in range(20)]
        assert [future.result() for future in sums] == list(range(1, 21))
        assert pool.submit(os.getpid).result() != os.getpid()


def test_what_a_call_prints_is_not_taken_for_its_result(capfd: pytest.CaptureFixture[str]) -> None:
    with WorkerPool(1) as pool:
        assert pool.submit(print, "hello").result() is None
    assert capfd.readouterr().out == ""


def test_errors_come_back_as_they_are_raised() -> None:
    with WorkerPool(1) as pool:
        failed = pool.submit(operator.truediv, 1, 0).exception()
        assert isinstance(failed, ZeroDivisionError) and "in serve" in failed.__notes__[0]
        refused = pool.submit(load_target, "no-such-target").exception()
        assert isinstance(refused, UserError) and not hasattr(refused, "__notes__")
        with pytest.raises(UserError) as here:
            load_target("no-such-target")
        assert str(refused) == str(here.value)
        assert pool.submit(operator.add, 1, 1).result() == 2, "the worker goes on"


def test_a_worker_that_dies_is_told() -> None:
    with WorkerPool(1) as pool:
        with pytest.raises(UserError, match="^a worker process was ended with status 3: .*--workers 1"):
            pool.submit(os._exit, 3).result()


def test_what_is_running_is_ended_with_the_pool() -> None:
    started = time.monotonic()
    with WorkerPool(1) as pool:
        sleeping, waiting = pool.submit(time.sleep, 600), pool.submit(time.sleep, 600)
    assert sleeping.exception() is not None and waiting.cancelled()
    assert time.monotonic() - started < 300


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import operator\n"
        "from backends.rtm_ap.workers import WorkerPool\n"
        "with WorkerPool(2) as pool:\n"
        "    print(pool.submit(operator.add, 1, 1).result())\n"
    )
    root = str(Path(__file__).parents[3])
    result = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True
    )
    assert (result.stdout, result.stderr) == ("2\n", "")
