"""Additions of the adder graphs that sharing makes, before they meet an array's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backends.rtm_ap.choice import INPUTS_OF_A_POINT
from ir.adders import NODE, AdderDag, terms_of
from ir.cse import clusters, intervals, row_sums
from ir.lower import Layer, Linear

Sharing = Callable[[AdderDag], AdderDag]


@dataclass(frozen=True)
class Additions:
    """``count``: temporaries, row sums, and one accumulation for every further group and output: an output's first term
    is no addition, as in ``naive``; ``bits``: the sum of their results' exact widths, row sums narrowest first."""

    count: int
    bits: int


def convolutions_of(model: Path) -> list[Layer]:
    """The layers of the model's convolutions: all layers of weights but the last, which is the classifier."""
    from apc.frontend import load_graph
    from apc.passes import choose_passes
    from ir.lower import lower
    from ir.passes.manager import run_passes

    graph = load_graph(str(model)).graph
    run_passes(graph, choose_passes("O1").graph, None)
    return [layer for layer in lower(graph).layers if layer.op == "conv"][:-1]


def body_of(layer: Layer) -> Linear:
    assert isinstance(layer.body, Linear)
    return layer.body


def naive(layers: Sequence[Layer]) -> int:
    """Additions without sharing: nonzero weights less one for every output that has some."""
    return sum(len(body_of(layer).weights) - len(np.unique(body_of(layer).outputs)) for layer in layers)


def additions(layers: Sequence[Layer], share: Sharing, channels: int, *, cluster: bool = False) -> Additions:
    """Those of all layers in groups of ``channels``: neighbours, or (``cluster``) those that share much."""
    count = bits = 0
    for layer in layers:
        low, high = np.zeros((2, layer.type.channels), np.int64)
        begun = np.zeros(layer.type.channels, bool)
        for dag in groups(layer, channels, cluster=cluster):
            summed = row_sums(share(dag))
            lo, hi = intervals(summed)
            further, further_bits = _accumulate(summed.terms, (lo, hi), begun, low, high)
            count += len(summed.temporaries) + further
            bits += widths(lo[dag.inputs :], hi[dag.inputs :]) + further_bits
            begun[summed.terms["output"]] = True
    return Additions(count, bits)


def groups(layer: Layer, channels: int, *, cluster: bool) -> Iterator[AdderDag]:
    """The sums of a layer, not shared yet, group by group, as the compiler forms them."""
    body, variables = body_of(layer), layer.variables
    terms = terms_of(body.outputs, body.variables, body.weights)
    windows = np.arange(len(variables) // body.taps)
    if body.taps == 1:
        channels *= INPUTS_OF_A_POINT
    chosen = np.split(windows, windows[channels::channels])
    if cluster:
        chosen = clusters(terms, len(variables), layer.type.channels, body.taps, channels)
    group_of = np.empty(len(windows), np.int64)
    for number, members in enumerate(chosen):
        group_of[members] = number
    group = group_of[terms["operand"] // body.taps]
    order = np.lexsort((terms["operand"], terms["output"], group))
    for inside in np.split(terms[order], np.flatnonzero(np.diff(group[order])) + 1):
        used, inside["operand"] = np.unique(inside["operand"], return_inverse=True)
        lo, hi = variables["lo"][used], variables["hi"][used]
        yield AdderDag(lo, hi, np.zeros(0, NODE), inside, layer.type.channels)


def _accumulate(
    terms: np.ndarray, operands: tuple[np.ndarray, np.ndarray], begun: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[int, int]:
    """Add a group's terms, one an output, to the intervals ``low``, ``high`` of the sums; (additions, their bits), of
    those outputs that had terms before."""
    factors = terms["sign"].astype(np.int64) << terms["shift"]
    ends = np.sort(np.stack([factors * end[terms["operand"]] for end in operands]), axis=0)
    low[terms["output"]] += ends[0]
    high[terms["output"]] += ends[1]
    further = terms["output"][begun[terms["output"]]]
    return len(further), widths(low[further], high[further])


def widths(lo: np.ndarray, hi: np.ndarray) -> int:
    """The sum of the bits that hold values from ``lo`` to ``hi``: ``IntType.containing`` of each."""
    magnitude = np.maximum(hi, -lo - 1).astype(np.float64)  # exact: far below 2**53
    bits = np.frexp(magnitude)[1] + (lo < 0)
    return int(np.maximum(bits, 1).sum())
