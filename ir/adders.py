"""Sums of constant multiples as additions: canonical signed digits and the adder DAG.

A group of input variables (channel x kernel position) contributes to many outputs. ``AdderDag`` says how, with
two-operand additions and subtractions only; a shift costs nothing, because a field is read from a higher bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

TERM = np.dtype([("output", "<i4"), ("operand", "<i4"), ("shift", "<i4"), ("sign", "i1")])
"""output += sign * (operand << shift). Operands below ``inputs`` are inputs, the others temporaries."""

NODE = np.dtype(
    [("left", "<i4"), ("left_shift", "<i4"), ("right", "<i4"), ("right_shift", "<i4"), ("right_sign", "i1")]
)
"""temporary = (left << left_shift) + right_sign * (right << right_shift)."""


@dataclass(frozen=True, eq=False)
class AdderDag:
    """One group of inputs: ``lo``, ``hi`` (int64, exact intervals of the inputs); ``temporaries``: NODE records in
    an order where operands come first; ``terms``: TERM records in the order they are accumulated;
    ``outputs``: how many sums there are."""

    lo: np.ndarray
    hi: np.ndarray
    temporaries: np.ndarray
    terms: np.ndarray
    outputs: int

    @property
    def inputs(self) -> int:
        return len(self.lo)

    def verify(self) -> None:
        """Raise ValueError unless every operand is defined before it is used and every index is in range."""
        operands = np.stack([self.temporaries["left"], self.temporaries["right"]])
        defined = self.inputs + np.arange(len(self.temporaries))
        if operands.size and (operands.min() < 0 or (operands >= defined).any()):
            raise ValueError("a temporary uses an operand that is not defined before it")
        for name, count in (("operand", self.inputs + len(self.temporaries)), ("output", self.outputs)):
            if len(self.terms) and not 0 <= self.terms[name].min() <= self.terms[name].max() < count:
                raise ValueError(f"a term names an {name} that does not exist")
        if not np.isin(self.terms["sign"], (-1, 1)).all() or not np.isin(self.temporaries["right_sign"], (-1, 1)).all():
            raise ValueError("signs are +1 or -1")

    def evaluate(self, inputs: np.ndarray) -> np.ndarray:
        """The sums: inputs int64 (inputs, n) -> int64 (outputs, n). The meaning of the DAG, for tests."""
        values = list(inputs)
        for node in self.temporaries:
            right = values[node["right"]] << node["right_shift"]
            values.append((values[node["left"]] << node["left_shift"]) + int(node["right_sign"]) * right)
        sums = np.zeros((self.outputs, inputs.shape[1]), np.int64)
        for term in self.terms:
            sums[term["output"]] += int(term["sign"]) * (values[term["operand"]] << term["shift"])
        return sums

    def matrix(self) -> np.ndarray:
        """The integer matrix (outputs, inputs) that the DAG computes."""
        return self.evaluate(np.eye(self.inputs, dtype=np.int64))

    def networkx(self) -> nx.DiGraph:
        """A graph with nodes x<i> (inputs), t<j> (temporaries), y<o> (sums); edges carry sign and shift."""
        name = [f"x{i}" for i in range(self.inputs)] + [f"t{j}" for j in range(len(self.temporaries))]
        graph = nx.DiGraph()
        graph.add_nodes_from((f"x{i}", {"kind": "input"}) for i in range(self.inputs))
        for j, node in enumerate(self.temporaries):
            graph.add_node(f"t{j}", kind="temporary")
            graph.add_edge(name[node["left"]], f"t{j}", sign=1, shift=int(node["left_shift"]))
            graph.add_edge(name[node["right"]], f"t{j}", sign=int(node["right_sign"]), shift=int(node["right_shift"]))
        for term in self.terms:
            output = f"y{term['output']}"
            graph.add_node(output, kind="sum")
            graph.add_edge(name[term["operand"]], output, sign=int(term["sign"]), shift=int(term["shift"]))
        return graph


def adds(dag: AdderDag) -> int:
    """Additions: temporaries, the sums of each output's terms, and one accumulation an output that has terms."""
    return len(dag.temporaries) + len(dag.terms)


def without_dead(dag: AdderDag) -> AdderDag:
    """The DAG without the temporaries that no sum needs, in the same order."""
    nodes, terms, inputs = dag.temporaries, dag.terms, dag.inputs
    alive = np.zeros(inputs + len(nodes), bool)
    alive[:inputs] = True
    alive[terms["operand"]] = True
    for k in range(len(nodes) - 1, -1, -1):
        if alive[inputs + k]:
            alive[nodes["left"][k]] = alive[nodes["right"][k]] = True
    renamed = np.cumsum(alive, dtype=np.int32) - 1
    nodes, terms = nodes[alive[inputs:]].copy(), terms.copy()
    nodes["left"], nodes["right"] = renamed[nodes["left"]], renamed[nodes["right"]]
    terms["operand"] = renamed[terms["operand"]]
    return AdderDag(dag.lo, dag.hi, nodes, terms, dag.outputs)


def signed_digits(value: int) -> list[tuple[int, int]]:
    """Canonical signed digits of an integer: (shift, sign) pairs, least significant first.

    No two are adjacent and no other signed-digit form has fewer (Reitwiesner 1960).
    """
    digits = []
    shift = 0
    while value:
        if value & 1:
            sign = 2 - (value & 3)
            digits.append((shift, sign))
            value -= sign
        value >>= 1
        shift += 1
    return digits


def terms_of(outputs: np.ndarray, operands: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """TERM records of sum_i weights[i] * operands[i], one a signed digit, ordered by (i, digit).

    ``outputs``, ``operands``, ``weights``: integer arrays of one length; weights may be any int64 below 2**61.
    """
    rest = np.asarray(weights, np.int64).copy()
    parts = []
    index = np.arange(len(rest))
    shift = 0
    while rest.any():
        odd = (rest & 1).astype(bool)
        sign = np.where(odd, 2 - (rest & 3), 0)
        part = np.zeros(int(odd.sum()), TERM)
        part["output"], part["operand"] = outputs[odd], operands[odd]
        part["shift"], part["sign"] = shift, sign[odd]
        parts.append((index[odd], part))
        rest = (rest - sign) >> 1
        shift += 1
    if not parts:
        return np.zeros(0, TERM)
    order = np.argsort(np.concatenate([i for i, _ in parts]), kind="stable")
    return np.concatenate([p for _, p in parts])[order]
