"""Random small integer graphs, drawn through hypothesis' Random so that failures shrink, and what to run them on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np

from backends.rtm_ap.compiler import Origin, compile_graph
from backends.rtm_ap.passes import LEVELS as PASSES
from backends.rtm_ap.passes import Cse, Pipeline
from backends.target import Target, load_target
from ir.graph import Graph, GraphError, GraphInput, GraphOutput
from ir.ops import Concat, Conv, Flatten, Input, MaxPool, Op, Pad, Requantise, SumPool
from ir.program import Program
from ir.rounding import Rounding
from ir.types import IntType, QuantParams, TensorType

LEVELS = ("O0", "O1", "O2", "O3")
UNIT = QuantParams(np.ones(1, np.float32), np.zeros(1, np.int64))
NORMAL = load_target("rtm-ap-published")
TINY = load_target("rtm-ap-published", ["array.rows=64", "array.columns=24", "array.domains=26"])


def add_input(graph: Graph, name: str, shape: tuple[int, int, int], bits: int, signed: bool) -> str:
    """An input node that takes its integers as they are, over the whole range of its type."""
    kind = IntType(bits, signed)
    graph.add(name, Input(shape, kind, None, kind.min, kind.max))
    onnx_shape = (None, *shape)
    graph.graph_inputs.append(GraphInput(name, name, onnx_shape, "int64", None, None, kind.min, kind.max))
    return name


def add_output(graph: Graph, node: str) -> None:
    shape = (None, *graph.type(node).shape)
    graph.outputs.append(GraphOutput(f"y{len(graph.outputs)}", node, shape, "int64", None, None, None))


def requantise(
    multipliers: list[list[Fraction]],
    offset: list[Fraction],
    kind: IntType,
    *,
    zero_point: int = 0,
    rounding: Rounding = Rounding.HALF_EVEN,
    bipolar: bool = False,
    lo: int | None = None,
    hi: int | None = None,
) -> Requantise:
    lo, hi = kind.min if lo is None else lo, kind.max if hi is None else hi
    factors = tuple(tuple(row) for row in multipliers)
    return Requantise(factors, tuple(offset), zero_point, lo, hi, kind, rounding, UNIT, bipolar)


def program_of(graph: Graph, target: Target = NORMAL, level: str = "O0") -> Program:
    """Compiled as a level does, with 0.3 s of ``cse.budget_s`` at most."""
    graph.verify()
    passes = (replace(p, budget_s=min(p.budget_s, 0.3)) if isinstance(p, Cse) else p for p in PASSES[level].passes)
    return compile_graph(graph, target, Origin("00" * 32, level, ("dead-code",)), pipeline=Pipeline(tuple(passes)))


def random_inputs(graph: Graph, batch: int, seed: int) -> dict[str, np.ndarray]:
    """Values of every graph input, its extremes often among them."""
    random = np.random.default_rng(seed)
    arrays = {}
    for entry in graph.graph_inputs:
        shape = (batch, *graph.type(entry.node).shape)
        values = random.integers(entry.lo, entry.hi + 1, shape)
        extreme = random.random(shape) < 0.2
        values[extreme] = random.choice([entry.lo, entry.hi], shape)[extreme]
        arrays[entry.name] = values
    return arrays


class GraphMaker:
    """Draws a graph node by node; nodes that get too wide are requantised before they are used again."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.graph = Graph("random")
        self.nodes: list[str] = []

    def make(self, operations: int = 6) -> Graph:
        random, graph = self.random, self.graph
        flat = random.random() < 0.15
        for index in range(random.choice([1, 1, 1, 2])):
            size = (1, random.randint(1, 7)) if flat else (random.randint(1, 6), random.randint(1, 6))
            if index:
                size = graph.type(self.nodes[0]).shape[1:]
            shape = (random.randint(1, 4), *size)
            self.nodes.append(add_input(graph, f"x{index}", shape, random.randint(1, 8), random.random() < 0.5))
        makers = [
            self.conv, self.conv, self.conv, self.requantise, self.requantise, self.residual, self.max_pool,
            self.sum_pool, self.concat, self.pad, self.flatten,
        ]  # fmt: skip
        for _ in range(random.randint(1, operations)):
            random.choice(makers)()
        read = {source for node in graph.nx for source in graph.inputs(node)}
        for node in self.nodes:
            if node not in read or random.random() < 0.15:
                add_output(graph, node)
        return graph

    def add(self, op: Op, *inputs: str) -> str | None:
        """The new node, or None where the operation does not fit its operands."""
        name = f"{op.kind}{len(self.nodes)}"
        try:
            self.graph.add(name, op, inputs)
        except GraphError:
            return None
        kind = self.graph.type(name)
        if kind.dtype.bits > 20 or kind.channels > 40 or kind.positions > 100:
            self.graph.remove(name)
            return None
        self.nodes.append(name)
        return name

    def pick(self, most_bits: int = 12) -> str:
        """A node of at most this width, the newest more often."""
        narrow = [node for node in self.nodes if self.graph.type(node).dtype.bits <= most_bits]
        return self.random.choice([narrow[-1], self.random.choice(narrow)])

    def fraction(self, kind: TensorType | None = None) -> Fraction:
        """A multiplier: a float32, a power of two, a small ratio or 0."""
        random = self.random
        style = random.choice(["float", "float", "power", "ratio", "zero"])
        if style == "zero":
            return Fraction(0) if random.random() < 0.3 else Fraction(1)
        sign = random.choice([-1, 1])
        scale = 16 / max(1, int(np.abs([kind.lo, kind.hi]).max())) if kind is not None else 1.0
        if style == "power":
            return Fraction(sign * Fraction(2) ** round(np.log2(scale)))
        if style == "ratio":
            return Fraction(sign * random.randint(1, 7), random.randint(1, 7)) * Fraction(scale).limit_denominator(64)
        return Fraction(sign * float(np.float32(scale * random.uniform(0.2, 2.0))))

    def pads(self) -> tuple[int, int, int, int]:
        random = self.random
        if random.random() < 0.4:
            return 0, 0, 0, 0
        top, left, bottom, right = (random.randint(0, 2) for _ in range(4))
        return top, left, bottom, right

    def pair(self, most: int) -> tuple[int, int]:
        return self.random.randint(1, most), self.random.randint(1, most)

    def conv(self) -> None:
        random, source = self.random, self.pick()
        channels = self.graph.type(source).channels
        groups = random.choice([g for g in range(1, channels + 1) if channels % g == 0])
        outputs = (
            groups * random.randint(1, 3) if random.random() < 0.5 else groups * random.randint(1, 8 // groups + 1)
        )
        limit = random.choice([1, 1, 1, 3, 127])
        shape = (outputs, channels // groups, *self.pair(3))
        weights = np.array([random.randint(-limit, limit) for _ in range(int(np.prod(shape)))], np.int64).reshape(shape)
        if random.random() < 0.2:
            weights[random.randrange(outputs)] = 0
        kind = self.graph.type(source).dtype
        zero_point = random.choice([0, 0, random.randint(max(kind.min, -300), min(kind.max, 300))])
        dilations = self.pair(2) if random.random() < 0.3 else (1, 1)
        name = self.add(Conv(weights, self.pair(2), self.pads(), dilations, groups, zero_point), source)
        if name is not None and random.random() < 0.75:
            self.requantise(name)

    def requantise(self, source: str | None = None) -> None:
        source = source or self.pick(20)
        self._requantise([source])

    def residual(self) -> None:
        source = self.pick(20)
        shape = self.graph.type(source).shape
        others = [
            node
            for node in self.nodes
            if self.graph.type(node).shape == shape and self.graph.type(node).dtype.bits <= 6
        ]
        if others:
            operands = [source, self.random.choice(others)]
            self.random.shuffle(operands)
            self._requantise(operands)

    def _requantise(self, sources: list[str]) -> None:
        random = self.random
        types = [self.graph.type(source) for source in sources]
        channels = types[0].channels
        if len(sources) == 1:
            multipliers = [[self.fraction(types[0]) for _ in range(channels)]]
        else:  # ratios that a few bits hold: the general case may have no plan of few enough digits
            multipliers = []
            for operand in types:
                scale = Fraction(1, 1 << max(0, operand.dtype.bits - 4))
                multipliers.append(
                    [random.choice([-1, 1]) * Fraction(random.randint(1, 7), 4) * scale for _ in range(channels)]
                )
        offset = [Fraction(float(np.float32(random.uniform(-4, 4)))).limit_denominator(64) for _ in range(channels)]
        bipolar = len(sources) == 1 and random.random() < 0.1
        kind = IntType(2, True) if bipolar else IntType(random.randint(1, 6), random.random() < 0.5)
        lo = -1 if bipolar else random.choice([kind.min, kind.min, random.randint(kind.min, kind.max)])
        op = requantise(
            multipliers,
            offset,
            kind,
            zero_point=random.choice([0, 0, random.randint(kind.min, kind.max)]),
            rounding=random.choice(list(Rounding)) if len(sources) == 1 else Rounding.HALF_EVEN,
            bipolar=bipolar,
            lo=lo,
            hi=1 if bipolar else random.choice([kind.max, random.randint(lo, kind.max)]),
        )
        self.add(op, *sources)

    def max_pool(self) -> None:
        dilations = self.pair(2) if self.random.random() < 0.3 else (1, 1)
        self.add(MaxPool(self.pair(3), self.pair(2), self.pads(), dilations), self.pick())

    def sum_pool(self) -> None:
        source = self.pick()
        kind = self.graph.type(source).dtype
        zero_point = self.random.choice([0, self.random.randint(max(kind.min, -300), min(kind.max, 300))])
        self.add(SumPool(self.pair(3), self.pair(2), self.pads(), zero_point), source)

    def concat(self) -> None:
        first = self.pick()
        size = self.graph.type(first).shape[1:]
        fitting = [
            n for n in self.nodes if self.graph.type(n).shape[1:] == size and self.graph.type(n).dtype.bits <= 12
        ]
        self.add(Concat(), first, *self.random.choices(fitting, k=self.random.randint(0, 2)))

    def pad(self) -> None:
        source = self.pick()
        kind = self.graph.type(source).dtype
        value = self.random.choice([0, self.random.randint(max(kind.min, -300), min(kind.max, 300))])
        self.add(Pad(self.pads(), value), source)

    def flatten(self) -> None:
        self.add(Flatten(), self.pick())


def random_graph(random: Random, operations: int = 6) -> Graph:
    return GraphMaker(random).make(operations)
