"""docs/crossbar.md says what the configuration's schema says."""

from pathlib import Path

from apc.report.crossbar_page import renewed
from simulator.analog.config import CrossbarConfig

PAGE = (Path(__file__).parents[3] / "docs" / "crossbar.md").read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    assert renewed(PAGE) == PAGE, "python -m apc.report.crossbar_page docs/crossbar.md"


def test_every_field_has_a_line_with_a_meaning() -> None:
    for name in vars(CrossbarConfig()):
        (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
        assert len(line.replace("\\|", "").split("|")[4].strip()) > 5
