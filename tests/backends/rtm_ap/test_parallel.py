"""Layers that are compiled side by side give the programs, and the errors, of layers compiled in turn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from apc import artifact
from apc.driver import CompileOptions, compile_model
from backends.rtm_ap import compiler, parallel
from backends.rtm_ap.compiler import Origin, compile_graph
from backends.rtm_ap.layers import CompiledLayer
from backends.rtm_ap.parallel import MOST_WORKERS, automatic_workers
from backends.target import Target, load_target
from ir.errors import UserError
from ir.graph import Graph
from ir.lower import Layer, lower
from ir.ops import Conv, MaxPool
from ir.program import Program
from tests.graphs import NORMAL, add_input, add_output, random_graph


def compiled(graph: Graph, workers: int | None, target: Target = NORMAL, level: str = "O0") -> Program:
    graph.verify()
    return compile_graph(graph, target, Origin("00" * 32, level, ()), workers=workers)


def file_bytes(program: Program, folder: Path) -> bytes:
    artifact.save(program, folder / "program.apc")
    return (folder / "program.apc").read_bytes()


def sums_of_sums() -> Graph:
    """Sums that are stored as they are, read by a sum, by a maximum and by a sum of that."""
    random = np.random.default_rng(0)
    graph = Graph("sums")
    add_input(graph, "x", (4, 6, 6), 4, False)
    graph.add("a", Conv(random.integers(-1, 2, (5, 4, 3, 3)), pads=(1, 1, 1, 1)), ["x"])
    graph.add("b", MaxPool((2, 2)), ["a"])
    graph.add("c", Conv(random.integers(-1, 2, (3, 5, 1, 1))), ["a"])
    graph.add("d", Conv(random.integers(-1, 2, (3, 5, 2, 2))), ["b"])
    for node in ("c", "d"):
        add_output(graph, node)
    return graph


def side_by_side(names: str) -> Graph:
    """Sums of one input, each larger than the one before it."""
    graph = Graph("sums")
    add_input(graph, "x", (8, 3, 3), 8, True)
    for size, name in enumerate(names, 1):
        graph.add(name, Conv(np.ones((4 * size, 8, 3, 3), np.int64)), ["x"])
        add_output(graph, name)
    return graph


@pytest.mark.parametrize("level", ["O0", "O1", "O2"])
@pytest.mark.parametrize("seed", [None, 3, 11])
def test_any_number_of_workers_gives_the_same_file(seed: int | None, level: str, tmp_path: Path) -> None:
    graph = sums_of_sums() if seed is None else random_graph(Random(seed), operations=8)
    in_turn = file_bytes(compiled(graph, 1, level=level), tmp_path)
    assert file_bytes(compiled(graph, 2, level=level), tmp_path) == in_turn


def test_a_narrow_resnet18_is_the_same_from_any_number_of_workers(tmp_path: Path) -> None:
    from examples import drawn, resnet18

    model, crops = resnet18.build(size=32, width=8, num_classes=10)
    proto, _ = drawn.export(model, crops)
    files, reports = [], []
    for workers in (1, 2):
        calls: list[tuple[int, int, str]] = []
        options = CompileOptions(workers=workers)
        program = compile_model(proto, options, progress=lambda *call, calls=calls: calls.append(call)).program
        files.append(file_bytes(program, tmp_path))
        calls = [call for call in calls if call[1]]  # without the steps that are not counted
        assert [done for done, _, _ in calls] == list(range(1, 32)) and {total for _, total, _ in calls} == {31}
        reports.append([name for _, _, name in calls])
    assert files[0] == files[1]
    assert reports[0] == [layer.name for layer in program.layers], "in turn"
    assert sorted(reports[1]) == sorted(reports[0]) and reports[1] != reports[0], "the most work first"


def test_a_layer_that_does_not_fit_is_the_one_that_is_refused_in_turn() -> None:
    short = load_target("rtm-ap-published", ["array.domains=8"])
    messages = []
    for workers in (1, 2):
        with pytest.raises(UserError, match="^layer a: ") as error:
            compiled(side_by_side("ab"), workers, short)
        messages.append((type(error.value), str(error.value)))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("failing", ["c", "bd", "af", "cde"])
def test_the_first_layer_that_fails_is_raised_whichever_ends_first(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compiler.compile_best

    def refuse(layer: Layer, *arguments: Any, **options: Any) -> CompiledLayer:
        if layer.name in failing:
            raise UserError(f"layer {layer.name}: refused")
        return real(layer, *arguments, **options)

    monkeypatch.setattr(parallel, "WorkerPool", ThreadPoolExecutor)  # the largest layers, the last, are started first
    monkeypatch.setattr(compiler, "compile_best", refuse)
    with pytest.raises(UserError, match=f"^layer {failing[0]}: refused$"):
        compiled(side_by_side("abcdef"), 2)


def test_small_networks_are_compiled_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = lower(side_by_side("ab")).layers
    assert automatic_workers(layers) == 1 == automatic_workers([])
    monkeypatch.setattr(parallel, "WORTH_A_WORKER", 100)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 64)
    assert automatic_workers(layers) == 2, "no more than there are layers"
    assert automatic_workers(layers * 10) == MOST_WORKERS
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: None)
    assert automatic_workers(layers * 10) == 1


def test_no_workers_are_refused() -> None:
    with pytest.raises(UserError, match="^--workers 0: at least one worker is needed$"):
        compiled(side_by_side("a"), 0)
