"""The suite's own parts: limits, numbers, processes, files. The measures themselves run at a tiny size, and untimed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import __main__ as suite
from benchmarks.groups import GROUPS, description
from benchmarks.processes import CommandError, measure
from benchmarks.report import Origin, to_json, to_markdown
from benchmarks.results import Limit, Result, number
from benchmarks.workload import QUICK, Workload

ORIGIN = Origin("python -m benchmarks", "2026-01-02 03:04 UTC", "a machine", 0.5, {"python": "3.11"})


@pytest.mark.parametrize(
    ("limit", "value", "ok", "to_reach"),
    [
        (Limit("<=", 40), 40.0, True, "at most 40x"),
        (Limit("<=", 40), 40.1, False, "at most 40x"),
        (Limit(">=", 99.9), 99.8, False, "at least 99.9x"),
        (Limit("==", 0), 0, True, "0x"),
        (None, 3.0, None, ""),
    ],
)
def test_a_result_knows_whether_its_limit_holds(
    limit: Limit | None, value: float, ok: bool | None, to_reach: str
) -> None:
    result = Result("ratio", value, "x", limit)
    assert (result.ok, result.to_reach) == (ok, to_reach)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12345, "s", "12,345 s"),
        (7.249, "x", "7.25x"),
        (1234.56, "ms", "1,234.6 ms"),
        (0.0541, "s", "0.0541 s"),
        (0, "", "0"),
    ],
)
def test_numbers_are_short(value: float, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_a_command_is_measured_apart_from_this_process() -> None:
    ours = bytearray(400 * 2**20)
    usage = measure([sys.executable, "-c", "print('one'); print('two'); x = bytearray(100 * 2**20)"])
    assert usage.stdout == "one\ntwo" and usage.wall_s > 0
    assert 100 * 2**20 < usage.peak_bytes < 300 * 2**20 < len(ours)


def test_a_command_that_fails_raises_with_its_stderr() -> None:
    with pytest.raises(CommandError, match="status 3: sorry"):
        measure([sys.executable, "-c", "import sys; print('sorry', file=sys.stderr); sys.exit(3)"])
    with pytest.raises(CommandError, match="could not be started"):
        measure(["/no/such/command"])


def test_the_page_and_the_json_hold_every_result() -> None:
    groups = {"speed": [Result("ratio", 41.5, "x", Limit("<=", 40), "to a peer"), Result("time", 2.5, "s")]}
    page = to_markdown(groups, {"speed": "How fast."}, ORIGIN)
    assert "| ratio | at most 40x | 41.5x | NOT MET | to a peer |\n| time |  | 2.5 s |  |  |\n" in page
    assert "`python -m benchmarks` on 2026-01-02 03:04 UTC" in page and "a machine; load average" in page
    first, second = json.loads(to_json(groups, ORIGIN))["groups"]["speed"]
    assert (first["value"], first["ok"], first["limit"]) == (41.5, False, {"relation": "<=", "value": 40})
    assert second["ok"] is None and second["limit"] is None


def test_exactness_at_a_tiny_size(tmp_path: Path) -> None:
    results = list(GROUPS["exactness"](Workload(QUICK, tmp_path)))
    assert [result.ok for result in results] == [True, True, True]
    assert "31 of 31 layers" in results[0].note


def test_crossbars_at_a_tiny_size(tmp_path: Path) -> None:
    results = list(GROUPS["crossbars"](Workload(QUICK, tmp_path)))
    assert len(results) == 7 and all(result.ok is None and result.value > 0 for result in results)


def test_acim_at_a_tiny_size(tmp_path: Path) -> None:
    results = list(GROUPS["acim"](Workload(QUICK, tmp_path)))
    assert len(results) == 7 and all(result.ok is None and result.value > 0 for result in results)


@pytest.mark.slow
def test_arithmetic_at_a_tiny_size(tmp_path: Path) -> None:
    """Every measure is made; only those that hold for any network are met by this one."""
    results = {result.measure: result for result in GROUPS["arithmetic"](Workload(QUICK, tmp_path))}
    assert len(results) == 19
    assert results["-O2: elements that differ from the reference"].ok
    assert results["-O2: encoded bits of an instruction"].ok


def test_a_failing_group_is_a_result_and_the_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(workload: Workload) -> Iterator[Result]:
        """Breaks."""
        yield Result("before", 1, "s")
        raise CommandError("a command\nended badly")

    def fine(workload: Workload) -> Iterator[Result]:
        """Works."""
        yield Result("after", 2, "s")

    for name in list(GROUPS):
        monkeypatch.delitem(GROUPS, name)
    monkeypatch.setitem(GROUPS, "broken", broken)
    monkeypatch.setitem(GROUPS, "fine", fine)
    assert suite.main(["--output", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "NOT MET" in printed and "ended badly" in printed and "after" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"RESULTS.md", "results.json"}
    assert suite.main(["fine", "--output", str(tmp_path / "other")]) == 0
    assert not (tmp_path / "other").exists()


def test_unknown_groups_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        suite.main(["nonsense"])
    assert "there is no group nonsense" in capsys.readouterr().err


def test_every_group_says_what_it_measures() -> None:
    assert all(description(name).endswith((".", ":")) for name in GROUPS)
