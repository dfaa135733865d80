"""The example on faults, on a network that is hardly trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from examples import faults
from examples.digits import Settings


def test_a_line_for_each_rate_and_strategy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, data = faults.compiled(Settings(epochs=1, width=4), tmp_path)
    data = replace(data, test_images=data.test_images[:40], test_labels=data.test_labels[:40])
    faults.table(program, data, [1e-3], trials=2)
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["rate", "against"] and len(lines) == len(faults.STRATEGIES)
    assert lines[0].endswith("+0.0%    +0.0%") and not lines[1].endswith("+0.0%")
    corrected = faults.measure(program, data, 1e-3, faults.STRATEGIES["correct 1"], 2)
    left = faults.measure(program, data, 1e-3, faults.STRATEGIES["nothing"], 2)
    assert corrected.agreement.mean > left.agreement.mean
