"""The fast engine as plain Python: what a debugger steps through."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SUBSET = (
    "tests/simulator/rtm/test_engine.py::test_an_instruction_computes_what_the_integers_say[1-add]",
    "tests/simulator/rtm/test_engine.py::test_an_instruction_computes_what_the_integers_say[3-sub_across]",
    "tests/simulator/rtm/test_engine.py::test_an_instruction_computes_what_the_integers_say[1-subo_fresh]",
    "tests/simulator/rtm/test_engine.py::test_an_instruction_computes_what_the_integers_say[1-clamp]",
    "tests/simulator/rtm/test_engine.py::test_flips_of_a_short_addition_are_those_counted_by_hand",
    "tests/simulator/rtm/test_micro.py",
)


def test_a_subset_passes_without_compilation() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "not random and not reference_machine and not scheduled",
            *SUBSET,
        ],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
