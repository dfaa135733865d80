"""docs/acim.md: its figures are what the code gives."""

import re
from pathlib import Path

import numpy as np

from apc.acim import AcimConfig, code_error_probability, conversion_error

PAGE = (Path(__file__).parents[2] / "docs" / "acim.md").read_text(encoding="utf-8")


def test_the_probability_beside_the_example() -> None:
    """tests/docs runs the examples."""
    chance = re.search(r"code_error_probability\(0.2\)  # (.*)", PAGE)
    assert chance and chance[1] == f"{code_error_probability(0.2):.4f}"


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
