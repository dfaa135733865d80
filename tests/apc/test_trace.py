"""Chrome traces: what they hold adds up, nothing overlaps, and they are the same however a run is made."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apc.cli import main
from apc.driver import CompileOptions, RunResult, compile_model, run_model
from apc.trace import events, spans, trace_events, write_trace
from ir.isa import Op
from ir.program import Program
from tests.apc.small import images, save, small_model
from tests.programs import tiny_program

Event = dict[str, Any]


@pytest.fixture(scope="module", params=["roomy", "crowded", "tiny"])
def run(request: pytest.FixtureRequest) -> RunResult:
    """A batch on arrays that hold it, on a chip of 6 arrays of 64 rows, and of a program with two tiles a layer."""
    if request.param == "tiny":
        pixels = np.random.default_rng(0).uniform(0, 1.5, (5, 2, 4, 4)).astype(np.float32)
        return run_model(tiny_program(), {"image": pixels})
    overrides = ["arrays=6", "rows=64"] if request.param == "crowded" else []
    program = compile_model(small_model(), CompileOptions(overrides=overrides)).program
    return run_model(program, {"x": images(16)})


def slices(run: RunResult, kind: str) -> list[Event]:
    return [event for event in all_slices(run) if event["cat"] == kind]


def all_slices(run: RunResult) -> list[Event]:
    return [event for event in trace_events(run.accounts, run.cost) if event["ph"] == "X"]


def cycles(run: RunResult, event: Event) -> tuple[int, int]:
    """[start, stop) of a slice, from its microseconds."""
    us = run.accounts.target.timing.cycle_s * 1e6
    start, length = round(event["ts"] / us), round(event["dur"] / us)
    assert length == event["args"].get("cycles", length)
    return start, start + length


def test_layers_follow_one_another_to_the_total(run: RunResult) -> None:
    clock = 0
    plans = run.accounts.plans(run.images)
    for event, plan in zip(slices(run, "layer"), plans, strict=True):
        assert cycles(run, event) == (clock, clock + plan.cycles)
        clock += plan.cycles
    assert clock == run.accounts.cycles(run.images)


def test_waves_fill_their_layers(run: RunResult) -> None:
    found = [cycles(run, event) for event in slices(run, "wave")]
    assert all(before[1] == after[0] for before, after in zip(found, found[1:], strict=False))
    layers = [cycles(run, event) for event in slices(run, "layer")]
    assert (found[0][0], found[-1][1]) == (layers[0][0], layers[-1][1])
    assert {start for start, _ in layers} <= {start for start, _ in found}
    for plan in run.accounts.plans(run.images):
        jobs = [job for wave in spans.waves(plan) for job in wave.jobs]
        assert sum(job.arrays for job in jobs) == len(plan.run_cycles) * plan.row_tiles
        assert all(sum(job.arrays for job in wave.jobs) <= plan.placement.arrays for wave in spans.waves(plan))
        fetched = np.bincount([job.tile for job in jobs], minlength=len(plan.run_cycles))
        np.testing.assert_array_equal(fetched, plan.timetable.fetches)


def test_slices_of_a_track_are_disjoint_or_nested(run: RunResult) -> None:
    tracks: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for event in all_slices(run):
        tracks[event["tid"]].append(cycles(run, event))
    assert len(tracks) > 2
    for of_track in tracks.values():
        open_until: list[int] = []
        for start, stop in sorted(of_track, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or stop <= open_until[-1]
            open_until.append(stop)


def test_what_a_tile_does_sums_to_its_cycles(run: RunResult) -> None:
    for index, plan in enumerate(run.accounts.plans(run.images)):
        layer = run.accounts.program.layers[index]
        for number, (tile, counts) in enumerate(zip(layer.tiles, run.accounts.counts[index], strict=True)):
            found = spans.tile_spans(tile, counts, run.accounts.target, int(plan.export_cycles[number]))
            phases = [span for span in found if span.kind == "phase"]
            assert phases[0].start == 0 and phases[-1].stop == plan.run_cycles[number]
            assert all(before.stop == after.start for before, after in zip(phases, phases[1:], strict=False))
            assert sum(span.figures.get("search_passes", 0) for span in phases) == counts.searches.sum()
            assert sum(span.figures.get("write_passes", 0) for span in phases) == counts.writes.sum()
            for phase in phases:
                runs = [s for s in found if s.kind == "run" and phase.start <= s.start < phase.stop]
                assert not runs or sum(s.stop - s.start for s in runs) == phase.stop - phase.start


def test_counters_add_up(run: RunResult) -> None:
    counters: defaultdict[str, list[Event]] = defaultdict(list)
    for event in trace_events(run.accounts, run.cost):
        if event["ph"] == "C":
            counters[event["name"]].append(event)
    assert set(counters) == {"energy (J)", "power (W)", "arrays of the layer", "powered rows"}
    for of_name in counters.values():
        times = [event["ts"] for event in of_name]
        assert times == sorted(set(times))
    spent = counters["energy (J)"][-1]["args"]
    total = run.cost.energy_J()
    assert spent == pytest.approx({part: run.images * total[part] for part in spent})
    assert integral(counters["power (W)"], *spent) * 1e-6 == pytest.approx(run.images * total["total"])
    plans, us = run.accounts.plans(run.images), run.accounts.target.timing.cycle_s * 1e6
    worked, used = integral(counters["arrays of the layer"], "working"), integral(counters["powered rows"], "used")
    assert worked == pytest.approx(us * sum(int(plan.run_cycles.sum()) * plan.row_tiles for plan in plans))
    assert used == pytest.approx(us * sum(int(plan.run_cycles.sum()) * plan.rows for plan in plans))


def integral(counter: list[Event], *keys: str) -> float:
    """Of the sum of some of a counter's values over time in microseconds."""
    following = zip(counter, counter[1:], strict=False)
    return sum(sum(now["args"][key] for key in keys) * (after["ts"] - now["ts"]) for now, after in following)


def test_every_track_has_a_name(run: RunResult) -> None:
    made = list(trace_events(run.accounts, run.cost))
    named = {event["tid"] for event in made if event["name"] == "thread_name"}
    assert {event["tid"] for event in made if event["ph"] == "X"} == named


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    model, data = save(tmp_path)
    program = tmp_path / "m.apc"
    assert main(["compile", str(model), "-o", str(program), "--json"]) == 0
    written = []
    for number, threads in enumerate(["1", "2", "2"]):
        path = tmp_path / f"t{number}.json"
        words = ["--threads", threads, *(["--engine", "reference"] if number == 2 else [])]
        assert main(["run", str(program), "--input", str(data), "--trace", str(path), *words]) == 0
        written.append(path.read_bytes())
    assert written[0] == written[1] == written[2]
    document = json.loads(written[0])
    assert set(document) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert document["otherData"]["images"] == 3


def test_wide_and_long_layers_are_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_TILE_TRACKS", 1)
    monkeypatch.setattr(events, "MAX_WAVES", 2)
    program = compile_model(small_model(), CompileOptions(overrides=["arrays=1", "rows=64"])).program
    run = run_model(program, {"x": images(16)})
    assert {event["tid"] for event in all_slices(run)} == {events.LAYERS, events.WAVES, events.FIRST_TILE}
    first = [event for event in slices(run, "wave") if event["ts"] < slices(run, "layer")[1]["ts"]]
    assert [event["name"] for event in first][2:] == ["waves 2 to 8"]
    assert sum(event["args"]["cycles"] for event in first) == run.accounts.plans(16)[0].cycles
    write_trace(tmp_path / "t.json", run.accounts, run.cost)
    assert len(json.loads((tmp_path / "t.json").read_text())["traceEvents"]) < 200


def test_gathers_and_arithmetic_within_a_phase() -> None:
    run = run_model(tiny_program(), {"image": np.zeros((1, 2, 4, 4), np.float32)})
    program: Program = run.accounts.program
    program.layers[0].tiles[0].phases = [("all", 0)]
    tile, counts = program.layers[0].tiles[0], run.accounts.counts[0][0]
    found = [span for span in spans.tile_spans(tile, counts, run.accounts.target, 0) if span.kind == "run"]
    assert [(span.name, span.figures["instructions"]) for span in found] == [("gather", 3), ("arithmetic", 5)]
    assert (tile.instructions["op"][:3] == Op.GATHER).all()
