"""docs/acim.md: its examples run, its figures are what the code gives."""

import re
from pathlib import Path

import numpy as np
import pytest

from apc.acim import AcimConfig, conversion_error
from tests.apc.small import images, save

PAGE = (Path(__file__).parents[2] / "docs" / "acim.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path)
    (tmp_path / "m.onnx").rename(tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    names = {"images": images(2)}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, names)
    array, x, error = names["array"], np.ones((600, 32), int), names["error"]
    assert array.mvm(x).shape == (10, 32) and array.codes(x).shape == array.macs(x).shape == (3, 4, 4, 10, 32)
    assert names["layer"](names["x"]).shape == (2, 16, 8, 8)
    assert 0 < error.noise_variance < error.variance
    chance = re.search(r"code_error_probability\(0.2\)  # (.*)", PAGE)
    assert chance and chance[1] == f"{names['apc'].acim.code_error_probability(0.2):.4f}"


def test_the_table_of_votes() -> None:
    histogram = np.zeros((8, 8, 256))
    histogram[..., 128] = 1
    rows = re.findall(r"^\| (\d\.\d+) \| (.*) \|$", PAGE, re.M)
    assert len(rows) == 6
    for noise, shown in rows:
        for cell, (votes, rule) in zip(
            shown.split(" | "), [(1, "mode"), (3, "mode"), (3, "median"), (5, "mode"), (5, "median")], strict=True
        ):
            config = AcimConfig(noise_lsb=float(noise), voting=votes, voting_level=15, voting_rule=rule)
            error = conversion_error(config, histogram)
            assert cell == f"{error.code_error[0, 0]:.2g}"
            if (noise, votes, rule) == ("0.5", 3, "mode"):
                assert f"by {error.mean[0, 0]:.2f} LSB at a noise of 0.5 LSB" in PAGE
