"""An order of a DAG's temporaries that keeps few of them alive."""

from __future__ import annotations

import heapq

import numba
import numpy as np

from ir.adders import AdderDag


@numba.njit(cache=True, nogil=True)
def _ready_first(inputs: int, nodes: np.ndarray) -> np.ndarray:
    """An order of the temporaries: ready ones, those that free most, then those with the newest operand."""
    count = len(nodes)
    users_start = np.zeros(inputs + count + 1, np.int64)
    for node in nodes:
        users_start[node["left"] + 1] += 1
        users_start[node["right"] + 1] += 1
    for v in range(inputs + count):
        users_start[v + 1] += users_start[v]
    fill = users_start[:-1].copy()
    users = np.empty(2 * count, np.int64)
    left_users = np.zeros(inputs + count, np.int64)
    waits = np.zeros(count, np.int64)
    newest = np.full(count, -1, np.int64)
    for k in range(count):
        left, right = nodes[k]["left"], nodes[k]["right"]
        for operand in (left, right):
            users[fill[operand]] = k
            fill[operand] += 1
            if operand >= inputs:
                waits[k] += 1
        left_users[left] += 1
        if right != left:
            left_users[right] += 1
    heap = [(0, 0, 0)]
    heap.pop()
    for k in range(count):
        if waits[k] == 0:
            heapq.heappush(heap, (0, 1, k))
    done = np.zeros(count, np.bool_)
    result = np.empty(count, np.int64)
    placed = 0
    while placed < count:
        _, _, k = heapq.heappop(heap)
        if done[k]:
            continue
        done[k] = True
        result[placed] = k
        left, right = np.int64(nodes[k]["left"]), np.int64(nodes[k]["right"])
        left_users[left] -= 1
        if right != left:
            left_users[right] -= 1
        operand = inputs + k
        for at in range(users_start[operand], users_start[operand + 1]):
            user = users[at]
            waits[user] -= 1
            newest[user] = placed
        # Push again all whose number of freed operands may have changed; outdated entries are skipped above.
        for operand in (left, right, inputs + k):
            if operand < inputs or left_users[operand] > 1 and operand != inputs + k:
                continue
            for at in range(users_start[operand], users_start[operand + 1]):
                user = users[at]
                if not done[user] and waits[user] == 0:
                    freed = 0
                    a, b = nodes[user]["left"], nodes[user]["right"]
                    freed += a >= inputs and left_users[a] == 1
                    freed += b >= inputs and b != a and left_users[b] == 1
                    heapq.heappush(heap, (-freed, -newest[user], user))
        placed += 1
    return result


@numba.njit(cache=True, nogil=True)
def _visit(
    target: int, inputs: int, nodes: np.ndarray, seen: np.ndarray, mark: int, stack: np.ndarray, found: np.ndarray
) -> int:
    """List the temporaries below ``target``, itself included, that are not marked as seen, operands first."""
    n_found, depth = 0, 1
    stack[0] = target
    while depth:
        operand = stack[depth - 1]
        if operand < inputs or seen[operand] >= mark:
            depth -= 1
            continue
        node = nodes[operand - inputs]
        left, right = np.int64(node["left"]), np.int64(node["right"])
        if right >= inputs and seen[right] < mark:
            stack[depth] = right
            depth += 1
        if left >= inputs and seen[left] < mark:
            stack[depth] = left
            depth += 1
        if stack[depth - 1] == operand:
            seen[operand] = mark
            found[n_found] = operand
            n_found += 1
            depth -= 1
    return n_found


@numba.njit(cache=True, nogil=True)
def _growth(
    found: np.ndarray,
    n_found: int,
    inputs: int,
    nodes: np.ndarray,
    done: np.ndarray,
    uses: np.ndarray,
    inner: np.ndarray,
) -> int:
    """How many more temporaries are alive after computing ``found``. ``inner``: int32 zeros, and left so."""
    for k in range(n_found):
        node = nodes[found[k] - inputs]
        inner[node["left"]] += 1
        inner[node["right"]] += 1
    growth = 0
    for k in range(n_found):
        growth += uses[found[k]] > inner[found[k]]
        node = nodes[found[k] - inputs]
        for operand in (np.int64(node["left"]), np.int64(node["right"])):
            if operand >= inputs and done[operand] and inner[operand] == uses[operand]:
                growth -= 1
            if done[operand]:
                inner[operand] = 0
    for k in range(n_found):
        node = nodes[found[k] - inputs]
        inner[node["left"]] = inner[node["right"]] = 0
    return growth


@numba.njit(cache=True, nogil=True)
def _target_by_target(inputs: int, nodes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The temporaries in the order of the targets that need them; next always the one that leaves fewest alive."""
    count = len(nodes)
    operands = inputs + count
    uses = np.zeros(operands, np.int32)
    for node in nodes:
        uses[node["left"]] += 1
        uses[node["right"]] += 1
    seen = np.full(operands, -1, np.int64)
    stack = np.empty(2 * count + 2, np.int64)
    found = np.empty(count, np.int64)
    inner = np.zeros(operands, np.int32)
    done = np.zeros(operands, np.bool_)

    # Which targets need a temporary: needed_by[begins[v]:begins[v + 1]].
    begins = np.zeros(operands + 1, np.int64)
    for t in range(len(targets)):
        for k in range(_visit(targets[t], inputs, nodes, seen, t, stack, found)):
            begins[found[k] + 1] += 1
    for v in range(operands):
        begins[v + 1] += begins[v]
    fill = begins[:-1].copy()
    needed_by = np.empty(begins[-1], np.int64)
    mark = len(targets)
    for t in range(len(targets)):
        for k in range(_visit(targets[t], inputs, nodes, seen, mark, stack, found)):
            needed_by[fill[found[k]]] = t
            fill[found[k]] += 1
        mark += 1

    finished = np.int64(2) ** 62
    growths = np.zeros(len(targets), np.int64)
    missing = np.zeros(len(targets), np.int64)
    outdated = np.ones(len(targets), np.bool_)
    open_targets = np.ones(len(targets), np.bool_)
    result = np.empty(count, np.int64)
    placed = 0
    for _ in range(len(targets)):
        best = -1
        for t in range(len(targets)):
            if not open_targets[t]:
                continue
            if outdated[t]:
                missing[t] = _visit(targets[t], inputs, nodes, seen, mark, stack, found)
                mark += 1
                growths[t] = _growth(found, missing[t], inputs, nodes, done, uses, inner)
                outdated[t] = False
            if best < 0 or (growths[t], missing[t]) < (growths[best], missing[best]):
                best = t
        open_targets[best] = False
        n_found = _visit(targets[best], inputs, nodes, seen, mark, stack, found)
        mark += 1
        for k in range(n_found):
            operand = np.int64(found[k])
            result[placed] = operand - inputs
            placed += 1
            done[operand] = True
            seen[operand] = finished
            node = nodes[operand - inputs]
            uses[node["left"]] -= 1
            uses[node["right"]] -= 1
            for need in (operand, np.int64(node["left"]), np.int64(node["right"])):
                for at in range(begins[need], begins[need + 1]):
                    outdated[needed_by[at]] = True
    return result[:placed]


def order(dag: AdderDag) -> AdderDag:
    """The DAG with its temporaries in an order that keeps few alive, and its terms in the order of their operands.

    Temporaries that no output needs are dropped.
    """
    dag = without_dead(dag)
    sequences = [np.arange(len(dag.temporaries)), _ready_first(dag.inputs, dag.temporaries)]
    if len(dag.terms) <= dag.outputs:
        targets = np.unique(dag.terms["operand"]).astype(np.int64)
        targets = targets[targets >= dag.inputs]
        sequences.append(_target_by_target(dag.inputs, dag.temporaries, targets))
    return min((_reorder(dag, sequence) for sequence in sequences), key=live_temporaries)


def _reorder(dag: AdderDag, sequence: np.ndarray) -> AdderDag:
    renamed = np.arange(dag.inputs + len(sequence), dtype=np.int32)
    renamed[dag.inputs + sequence] = dag.inputs + np.arange(len(sequence))
    nodes, terms = dag.temporaries[sequence], dag.terms.copy()
    nodes["left"], nodes["right"] = renamed[nodes["left"]], renamed[nodes["right"]]
    terms["operand"] = renamed[terms["operand"]]
    return AdderDag(dag.lo, dag.hi, nodes, terms[np.argsort(terms["operand"], kind="stable")], dag.outputs)


def live_temporaries(dag: AdderDag) -> int:
    """The most temporaries that hold a value at once: a result, its operands, and all that are used later.

    Terms are taken as soon as their operand exists; a temporary that nothing uses is live while it is computed.
    """
    count = len(dag.temporaries)
    last = np.arange(count)
    for side in ("left", "right"):
        operand = dag.temporaries[side] - dag.inputs
        np.maximum.at(last, operand[operand >= 0], np.flatnonzero(operand >= 0))
    changes = np.zeros(count + 1, np.int64)
    changes[:-1] = 1
    np.subtract.at(changes, last + 1, 1)
    return int(np.cumsum(changes).max(initial=0))


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
