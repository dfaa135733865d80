"""Resistor networks by their node equations: the oracle of the parasitics' tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

GROUND = 0


@dataclass
class Network:
    """Node 0 is at 0 V, nodes 1 .. sources are at the sources' voltages."""

    sources: int
    nodes: int = field(init=False)
    wires: list[tuple[int, int, float]] = field(default_factory=list)
    cells: list[tuple[int, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = self.sources + 1

    def node(self) -> int:
        self.nodes += 1
        return self.nodes - 1

    def wire(self, a: int, b: int, resistance: float) -> int:
        self.wires.append((a, b, resistance))
        return b

    def cell_currents(self) -> np.ndarray:
        """Current of every cell for 1 V at each source: float64[cells, sources].

        Unknowns are the voltages of nodes and the currents of wires (Ho, Ruehli, Brennan, The modified nodal approach
        to network analysis, IEEE Trans. Circuits Syst. 22, 1975), which may have no resistance then.
        """
        a, b, g = _columns(self.cells)
        incidence = _incidence(a, b, self.nodes)
        wire_a, wire_b, resistance = _columns(self.wires)
        wire = _incidence(wire_a, wire_b, self.nodes)
        free = slice(self.sources + 1, None)
        conductance = incidence.T @ scipy.sparse.diags_array(g) @ incidence
        matrix = scipy.sparse.block_array(
            [[conductance[free, free], wire[:, free].T], [wire[:, free], -scipy.sparse.diags_array(resistance)]]
        )
        fixed = np.zeros((self.nodes, self.sources))
        fixed[np.arange(self.sources) + 1, np.arange(self.sources)] = 1.0
        known = -np.concatenate([(conductance @ fixed)[free], wire @ fixed])
        voltage = fixed.copy()
        voltage[free] = scipy.sparse.linalg.splu(matrix.tocsc()).solve(known)[: self.nodes - self.sources - 1]
        return g[:, None] * (incidence @ voltage)


def _columns(edges: list[tuple[int, int, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b, value = zip(*edges, strict=True)
    return np.array(a), np.array(b), np.array(value)


def _incidence(a: np.ndarray, b: np.ndarray, nodes: int) -> scipy.sparse.csr_array:
    """[edges, nodes]: 1 where an edge begins, -1 where it ends."""
    edge = np.arange(len(a))
    ones = np.ones(len(a))
    return scipy.sparse.csr_array(
        (np.concatenate([ones, -ones]), (np.concatenate([edge, edge]), np.concatenate([a, b]))), (len(a), nodes)
    )


@dataclass(frozen=True)
class Wires:
    """The resistances of an array, in Rmin."""

    row_resistance: float = 0.0
    column_resistance: float = 0.0
    row_terminal: float = 0.0
    column_terminal: float = 0.0


def _column_nodes(network: Network, rows: int, columns: int, wires: Wires) -> np.ndarray:
    nodes = np.array([[network.node() for _ in range(columns)] for _ in range(rows)])
    for j in range(columns):
        for i in range(rows - 1):
            network.wire(nodes[i, j], nodes[i + 1, j], wires.column_resistance)
        network.wire(nodes[-1, j], GROUND, wires.column_resistance + wires.column_terminal)
    return nodes


def crossbar(cells: list[np.ndarray], wires: Wires) -> np.ndarray:
    """Sense currents for 1 V at each source: float64[sources, columns]. ``cells``: one array (topology input) or two
    that share the columns (interleaved); the sources are the rows of the first array, then those of the second."""
    rows, columns = cells[0].shape
    network = Network(rows * len(cells))
    column_nodes = _column_nodes(network, rows, columns, wires)
    for which, g in enumerate(cells):
        for i in range(rows):
            before, resistance = 1 + which * rows + i, wires.row_resistance + wires.row_terminal
            for j in range(columns):
                before, resistance = network.wire(before, network.node(), resistance), wires.row_resistance
                network.cells.append((before, column_nodes[i, j], g[i, j]))
    currents = network.cell_currents().reshape(len(cells) * rows, columns, -1)
    return currents.sum(axis=0).T


def separate_source(g: np.ndarray, bits: np.ndarray, wires: Wires) -> np.ndarray:
    """Sense currents, float64[columns, n], of arrays fed along their columns, each input and column by itself."""
    rows, columns = g.shape
    out = np.zeros((columns, bits.shape[1]))
    for j, k in np.ndindex(out.shape):
        network = Network(1)
        column_nodes = _column_nodes(network, rows, 1, wires)[:, 0]
        before, resistance = 1, wires.row_resistance + wires.row_terminal
        for i in range(rows):
            before, resistance = network.wire(before, network.node(), resistance), wires.row_resistance
            network.cells.append((before, column_nodes[i], g[i, j] * bits[i, k]))
        out[j, k] = network.cell_currents().sum()
    return out
