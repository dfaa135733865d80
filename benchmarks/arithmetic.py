"""What the passes save on a ternary ResNet-18: additions, their bits, searches, written bits, shifts, energy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.adder_graphs import Additions, additions, body_of, convolutions_of, naive
from benchmarks.processes import APC, Usage, measure
from benchmarks.results import Limit, Result
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from apc.driver import RunResult
    from ir.adders import AdderDag
    from ir.lower import Layer
    from ir.program import Program

PUBLISHED, PROJECTED = "rtm-ap-published", "rtm-ap-projected"
MOST_ADDITIONS = {8: 0.60, 16: 0.57}
"""Channels of a group, and the limit of their additions to those without sharing."""
DENSE = 0.5
DENSE_CHANNELS = (1, 2, 4, 8, 16)
SEARCHES_A_BIT = 4
"""An addition of one bit on an array without OR-ed searches."""


@dataclass(frozen=True)
class Figures:
    """One program and one image on it. Of its convolutions: ``adds``, ``adds_naive``, ``bit_adds``, ``search_rows``;
    of all layers: the others, but ``stem_J`` and ``classifier_J``. ``mismatches``: of ``elements``, to the reference.
    """

    adds: int
    adds_naive: int
    bit_adds: int
    search_rows: float
    written_bits: float
    shifted_bits: float
    encoded_bits: int
    instructions: int
    energy_J: float
    stem_J: float
    classifier_J: float
    mismatches: int
    elements: int

    @property
    def adds_ratio(self) -> float:
        return self.adds / self.adds_naive


class Programs:
    """The workload's networks compiled in every way that a measure asks for, each once. ``ternary``: with ternary ends;
    ``graphs``: the adder graphs of its convolutions alone, as the compiler shares them with `cse.budget_s=0`."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.ternary = cache(self._ternary)
        self.graphs = cache(self._graphs)

    def _ternary(self, level: str, *options: str, target: str = PUBLISHED, further_pass: str = "") -> Figures:
        """``options``: PASS.OPTION=VALUE; ``further_pass``: beside the level's."""
        return self._figures(compiled(self.workload.ternary_model, level, target, options, further_pass))

    @cached_property
    def layers(self) -> list[Layer]:
        """The convolutions of the network with ternary ends."""
        return convolutions_of(self.workload.ternary_model)

    def _graphs(self, channels: int, *, cluster: bool = False) -> Additions:
        from backends.rtm_ap.sharing import shared

        return additions(self.layers, partial(shared, term_budget_s=0.0), channels, cluster=cluster)

    @cached_property
    def int8_ends(self) -> Figures:
        """-O2 of the network with an int8 stem and classifier."""
        return self._figures(compiled(self.workload.model, "O2"))

    @cached_property
    def command(self) -> Usage:
        """`apc compile -O2` in a process of its own."""
        return measure([APC, "compile", str(self.workload.ternary_model), "-O2", "-o", str(self._artifact)])

    @cached_property
    def best(self) -> Figures:
        """-O2, the program that ``command`` writes."""
        import apc

        self.command  # noqa: B018 - it writes the file
        return self._figures(apc.load(self._artifact))

    @property
    def _artifact(self) -> Path:
        return self.workload.ternary_model.with_suffix(".O2.apc")

    def _figures(self, program: Program) -> Figures:
        from apc.driver import run_model

        inputs = {"input": self.workload.images(1)}
        return figures(program, run_model(program, inputs, threads=self.workload.size.threads, check="reference"))


def compiled(
    model: Path, level: str, target: str = PUBLISHED, options: tuple[str, ...] = (), further_pass: str = ""
) -> Program:
    from apc.driver import CompileOptions, compile_model
    from apc.passes import choose_passes

    passes = ",".join([*choose_passes(level).texts, further_pass]) if further_pass else None
    chosen = CompileOptions(target=target, level=level, passes=passes, pass_options=options)
    return compile_model(str(model), chosen).program


def figures(program: Program, run: RunResult) -> Figures:
    assert run.check is not None
    weighted = [index for index, layer in enumerate(program.layers) if layer.op == "conv"]
    convolutions = [program.layers[index].statistics for index in weighted[:-1]]
    counters, statics = [layer.counters for layer in run.cost.layers], run.accounts.layers()
    energy = [sum(layer.energy_J.values()) for layer in run.cost.layers]
    return Figures(
        adds=sum(statistics["adds"] for statistics in convolutions),
        adds_naive=sum(statistics["adds_naive"] for statistics in convolutions),
        bit_adds=sum(statistics["bit_adds"] for statistics in convolutions),
        search_rows=sum(counters[index]["search_rows"] for index in weighted[:-1]),
        written_bits=sum(layer["written_bits"] for layer in counters),
        shifted_bits=sum(layer["shifted_bits"] for layer in counters),
        encoded_bits=sum(layer.encoded_bits for layer in statics),
        instructions=sum(layer.instructions for layer in statics),
        energy_J=sum(energy),
        stem_J=energy[weighted[0]],
        classifier_J=energy[weighted[-1]],
        mismatches=run.check.mismatches,
        elements=run.check.elements,
    )


def arithmetic(workload: Workload) -> Iterator[Result]:
    """ResNet-18 with ternary ends too: what each level's arithmetic is of the plainer one's, over the convolutions."""
    programs = Programs(workload)
    yield from _additions(programs)
    yield from _bits(programs)
    yield from _dense(workload)
    yield from _whole_network(programs)  # before the timed command: it fills Numba's cache
    yield from _compilation(programs)
    yield from _counted(programs)
    yield from _energy(programs)


def _additions(programs: Programs) -> Iterator[Result]:
    """Additions to those without sharing, at -O1 and in larger groups."""
    one, plain = programs.ternary("O1"), programs.ternary("O0")
    graphs = graph_note(programs.graphs(1), programs.layers)
    note = f"-O0, where nothing is shared: {plain.adds_ratio:.4f}; adder graphs of the pass alone: {graphs}"
    yield Result("-O1: additions to those without sharing", one.adds_ratio, "x", Limit("<=", 0.70), note)
    for channels, limit in MOST_ADDITIONS.items():
        yield from _grouped(programs, channels, limit)


def _grouped(programs: Programs, channels: int, limit: float) -> Iterator[Result]:
    """Of the program, where the outputs of one array share; of the adder graphs, which no array's columns limit."""
    name = f"-O1 cse.channels={channels}: additions to those without sharing"
    program = programs.ternary("O1", f"cse.channels={channels}").adds_ratio
    yield Result(f"{name}, program", program, "x", None, "only the outputs of one array share")
    graphs, clustered = programs.graphs(channels), programs.graphs(channels, cluster=True)
    every = naive(programs.layers)
    note = f"of the pass alone, without an array's limits: {graph_note(graphs, programs.layers)}; "
    note += f"cse.cluster=true: {clustered.count / every:.4f}"
    yield Result(f"{name}, adder graphs", graphs.count / every, "x", Limit("<=", limit), note)


def graph_note(graphs: Additions, layers: list[Layer]) -> str:
    """Both ways to count them: without and with the first term of every output."""
    every = graphs.count + sum(len(np.unique(body_of(layer).outputs)) for layer in layers)
    return f"{graphs.count / naive(layers):.4f} ({every / naive(layers):.4f} if an output's first term counts too)"


def not_shared(dag: AdderDag) -> AdderDag:
    return dag


def _bits(programs: Programs) -> Iterator[Result]:
    """Sums of the additions' result widths: programs, and adder graphs that all sum rows narrowest first."""
    plain, eight = programs.ternary("O0"), programs.ternary("O1", "cse.channels=8", further_pass="row-sums")
    note = f"{eight.bit_adds:,} of {plain.bit_adds:,} bits"
    yield Result(
        "-O1 with row-sums, cse.channels=8: bits of additions to -O0's",
        eight.bit_adds / plain.bit_adds,
        "x",
        None,
        note,
    )
    shared, unshared = programs.graphs(8), additions(programs.layers, not_shared, 1)
    note = f"{shared.bits:,} of {unshared.bits:,}; row sums narrowest first in both, groups of 8 channels and of 1; "
    note += f"to -O0's program, whose accumulators are wide: {shared.bits / plain.bit_adds:.4f}"
    name = "cse.channels=8: bits of additions to those without sharing, adder graphs"
    yield Result(name, shared.bits / unshared.bits, "x", Limit("<=", 0.5), note)


def _dense(workload: Workload) -> Iterator[Result]:
    """Additions of adder graphs at density 0.5, at the best group size; no work on improvements."""
    from backends.rtm_ap.sharing import shared

    layers = convolutions_of(workload.ternary(DENSE))
    ratios = {channels: additions(layers, shared, channels).count / naive(layers) for channels in DENSE_CHANNELS}
    best = min(ratios, key=ratios.__getitem__)
    note = f"groups of {best} channels; " + ", ".join(f"{channels}: {ratio:.4f}" for channels, ratio in ratios.items())
    name = f"density {DENSE}: additions to those without sharing, adder graphs"
    yield Result(name, ratios[best], "x", Limit("<=", 0.41), note)


def _whole_network(programs: Programs) -> Iterator[Result]:
    """Where the energy goes when the ends are int8."""
    ends = programs.int8_ends
    note = f"{1e6 * ends.stem_J:.4g} of {1e6 * ends.energy_J:.4g} uJ"
    yield Result("-O2, int8 ends: energy of the stem to all", ends.stem_J / ends.energy_J, "x", None, note)
    note = f"{1e6 * ends.classifier_J:.4g} of {1e6 * ends.energy_J:.4g} uJ"
    yield Result("-O2, int8 ends: energy of the classifier to all", ends.classifier_J / ends.energy_J, "x", None, note)


def _compilation(programs: Programs) -> Iterator[Result]:
    """`apc compile -O2`, and whether its program is right."""
    usage, program = programs.command, programs.best
    yield Result("compile -O2, whole command", usage.wall_s, "s", Limit("<=", 30))
    peak = usage.peak_bytes / 1e9
    yield Result("compile -O2, peak memory", peak, "GB", Limit("<=", 4), "of the largest of its processes")
    note = f"of {program.elements:,}, one image"
    yield Result("-O2: elements that differ from the reference", program.mismatches, "", Limit("==", 0), note)


def _counted(programs: Programs) -> Iterator[Result]:
    """Counts of one image on the -O2 program: searches, written bits, shifts, encoded bits."""
    plain, best = programs.ternary("O1"), programs.best
    exact, fixed = baseline_searches(programs.layers)
    note = (
        f"{SEARCHES_A_BIT} searches a bit of an addition a weight, accumulators as wide as the layer's widest sum; "
        f"wide enough for any ternary weights: {best.search_rows / fixed:.4f}"
    )
    name = "-O2: searches x rows to those without sharing at a fixed width, convolutions"
    yield Result(name, best.search_rows / exact, "x", Limit("<=", 0.30), note)
    narrow = programs.ternary("O2", "row-sums.when=always", "widths.when=always")
    note = f"for {1e6 * narrow.energy_J:.4g} instead of {1e6 * best.energy_J:.4g} uJ an image"
    yield Result(f"{name}, all row sums and offsets", narrow.search_rows / exact, "x", None, note)
    note = f"{best.written_bits:,.0f} to {plain.written_bits:,.0f}"
    yield Result(
        "-O2: written bits of an image to -O1's", best.written_bits / plain.written_bits, "x", Limit("<=", 0.75), note
    )
    along = programs.ternary("O2", "placement.fields=along").shifted_bits
    note = f"{best.shifted_bits:,.0f} to {along:,.0f}; to -O1's: {best.shifted_bits / plain.shifted_bits:.4f}"
    name = "-O2: shift steps x rows to those with fields along nanowires"
    yield Result(name, best.shifted_bits / along, "x", Limit("<=", 0.30), note)
    note = f"{best.instructions:,} instructions; tables, constants and gathers included"
    bits = best.encoded_bits / best.instructions
    yield Result("-O2: encoded bits of an instruction", bits, "bits", Limit("<=", 48), note)


def baseline_searches(layers: list[Layer]) -> tuple[int, int]:
    """Searches x rows of one addition a nonzero weight: at the bits of the layer's widest exact sum, and at those that
    hold any sum of its inputs with ternary weights."""
    from backends.rtm_ap.channels import sum_intervals
    from ir.types import IntType

    exact = fixed = 0
    for layer in layers:
        body, variables = body_of(layer), layer.variables
        low, high = sum_intervals(layer, body)
        most = int(np.maximum(np.abs(variables["lo"]), np.abs(variables["hi"])).sum())
        searches = len(body.weights) * layer.type.positions * SEARCHES_A_BIT
        exact += searches * IntType.containing(int(low.min()), int(high.max())).bits
        fixed += searches * IntType.containing(-most, most).bits
    return exact, fixed


def _energy(programs: Programs) -> Iterator[Result]:
    """Counted energy of one image, all parts, on both targets."""
    published = programs.ternary("O1"), programs.best
    projected = programs.ternary("O1", target=PROJECTED), programs.ternary("O2", target=PROJECTED)
    for target, (plain, best), limit in ((PUBLISHED, published, 0.40), (PROJECTED, projected, 0.65)):
        note = f"{1e6 * best.energy_J:.4g} to {1e6 * plain.energy_J:.4g} uJ"
        name = f"-O2 on {target}: energy of an image to -O1's"
        yield Result(name, best.energy_J / plain.energy_J, "x", Limit("<=", limit), note)
