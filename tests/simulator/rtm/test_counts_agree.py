"""What a run counts, against the reference machine's own counting: the engines take every counter but the written bits
from the program, the machine counts what it does."""

from __future__ import annotations

from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.program import Program
from simulator.rtm import machine
from simulator.rtm.counters import LayerCounters, active_rows, tile_counters, tile_events
from simulator.rtm.machine import TileRun
from simulator.rtm.run import run_program
from tests.simulator.rtm.random_programs import random_images, random_program


def counted_by_machine(program: Program, inputs: dict[str, np.ndarray]) -> list[LayerCounters]:
    """Of every layer, from what the reference machine counts while it runs each tile."""
    runs: list[TileRun] = []
    run_tile = machine.run_tile

    def recorded(*arguments: Any, **options: Any) -> TileRun:
        runs.append(run_tile(*arguments, **options))
        return runs[-1]

    with patch.object(machine, "run_tile", recorded):
        batch = run_program(program, inputs, engine="reference").images
    assert len(runs) == sum(len(layer.tiles) for layer in program.layers)
    rows = [active_rows(program, batch * tensor.positions) for tensor in program.tensors]
    layers = []
    for layer in program.layers:
        total = LayerCounters()
        for tile in layer.tiles:
            run = runs.pop(0)
            events = tile_events(tile, run.counts)
            sources = {tensor: rows[tensor] for tensor in events.sources}
            total.add(tile_counters(events, rows[layer.output], sources, run.written_bits, run.moved_bits))
        layers.append(total)
    return layers


@settings(max_examples=60, deadline=None)
@given(random=st.randoms(use_true_random=False), batch=st.integers(1, 7))
def test_engines_report_what_the_reference_machine_counts(random: Random, batch: int) -> None:
    program = random_program(random, layers=3)
    inputs = {"image": random_images(random, program.tensors[0], batch)}
    counted = counted_by_machine(program, inputs)
    assert run_program(program, inputs).layers == counted
    assert run_program(program, inputs, engine="reference").layers == counted
