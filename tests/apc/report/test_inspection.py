import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from apc.accounting import Accounts
from apc.report.inspection import (
    Window,
    dag_of,
    find_group,
    find_layer,
    find_phase,
    find_tile,
    graph_of,
    phase_ranges,
    summary,
)
from apc.report.inspection_text import dag_lines, to_dot, to_graphml
from apc.report.listing import macro_records, micro_expansions
from ir.errors import UserError
from ir.expand import Search, SearchOr, Shift, Write, expand_instruction
from ir.isa import Op
from ir.program import Program
from tests.programs import programs, tiny_program


def window(program: Program, layer: int = 0, tile: int = 0, start: int = 0, stop: int | None = None) -> Window:
    chosen = program.layers[layer].tiles[tile]
    stop = len(chosen.instructions) if stop is None else stop
    return Window(layer, program.layers[layer], tile, chosen, start, stop)


def test_graph_is_a_networkx_graph_of_layers_and_tensors() -> None:
    graph = graph_of(tiny_program())
    assert isinstance(graph, nx.DiGraph)
    assert nx.is_directed_acyclic_graph(graph)
    assert list(nx.topological_sort(graph)) == ["t0", "layer0", "t1", "layer1", "t2"]
    assert graph.edges["t0", "layer0"]["gathers"] == 6
    assert graph.nodes["t2"]["output"] == "scores"


@pytest.mark.parametrize(("tile", "signs"), [(0, [1, -1, 1]), (1, [-1, 1, 1])])
def test_the_dag_computes_what_the_tile_computes(tile: int, signs: list[int]) -> None:
    """Summing signs along the paths from each gather to the last sum gives the convolution's weights."""
    dag = dag_of(window(tiny_program(), tile=tile, start=3, stop=7))
    coefficients = {name: {name: 1} for name, node in dag.nodes(data=True) if node["kind"] == "gather"}
    for name in nx.topological_sort(dag):
        if name not in coefficients:
            coefficients[name] = {}
            for source, _, edge in dag.in_edges(name, data=True):
                for leaf, factor in coefficients[source].items():
                    coefficients[name][leaf] = coefficients[name].get(leaf, 0) + factor * edge["sign"]
    (last,) = (name for name in dag if dag.out_degree(name) == 0)
    assert [coefficients[last][f"i{address:04x}"] for address in range(3)] == signs
    assert [dag.nodes[f"i{address:04x}"]["inside"] for address in range(7)] == [False] * 3 + [True] * 4


def test_the_dag_knows_shifts_and_partial_writes() -> None:
    dag = dag_of(window(tiny_program(), layer=1, start=7, stop=10))
    assert dag.edges["i0002", "i0007"] == {"operand": "a", "sign": -1, "low_bit": 1}
    assert dag.edges["i0004", "i0008"]["operand"] == "r"
    later = dag_of(window(tiny_program(), layer=1, start=9, stop=10))
    assert sorted(later.predecessors("i0009")) == ["i0004", "i0007", "i0008"]  # extend wrote the upper bits only


@settings(max_examples=40)
@given(programs())
def test_any_program_can_be_shown(program: Program) -> None:
    graph = graph_of(program)
    assert nx.is_directed_acyclic_graph(graph)
    assert to_dot(graph).count("->") >= graph.number_of_edges()
    for index, layer in enumerate(program.layers):
        for number, tile in enumerate(layer.tiles):
            whole = window(program, index, number)
            dag = dag_of(whole)
            assert nx.is_directed_acyclic_graph(dag)
            assert len(list(dag_lines(dag))) == len(tile.instructions)
            assert len(macro_records(program, whole)) == len(tile.instructions)


def test_graphml_reads_back() -> None:
    dag = dag_of(window(tiny_program(), start=3, stop=7))
    back = nx.parse_graphml(to_graphml(dag))
    assert {name: dict(node) for name, node in back.nodes(data=True)} == dict(dag.nodes(data=True))
    assert set(back.edges) == set(dag.edges)


@settings(max_examples=40)
@given(programs())
def test_macro_counts_are_those_of_the_expansion(program: Program) -> None:
    """Passes and shifts of every instruction, counted from the micro-operations one by one."""
    tile = program.layers[0].tiles[0]
    offsets = [0] * program.target["array"]["columns"]
    records = macro_records(program, window(program))
    for record, instruction in zip(records, tile.instructions, strict=True):
        steps = expand_instruction(instruction, tile, program.target["features"]["search_or"], offsets)
        assert record["search_passes"] == sum(isinstance(step, Search | SearchOr) for step in steps)
        assert record["write_passes"] == sum(isinstance(step, Write) for step in steps)
        assert record["shift_steps"] == sum(abs(step.steps) for step in steps if isinstance(step, Shift))


def test_cycles_follow_the_target() -> None:
    """The const: 8 searches at 1 cycle, 8 writes at 4, 7 shifts at 2."""
    record = macro_records(tiny_program(), window(tiny_program(), start=3, stop=4))[0]
    assert (record["opcode"], record["cycles"]) == ("const", 8 + 8 * 4 + 7 * 2)
    assert record["constants"] == [-3]
    assert record["phase"] == "sum 0"


@settings(max_examples=40)
@given(programs())
def test_a_window_of_micro_operations_is_a_part_of_the_whole(program: Program) -> None:
    count = len(program.layers[0].tiles[0].instructions)
    whole = micro_expansions(program, window(program))
    for start in range(0, count, 3):
        assert micro_expansions(program, window(program, start=start)) == whole[start:]
    assert [expansion.address for expansion in whole] == list(range(count + 1))


def test_rewinding_brings_every_column_back() -> None:
    program = tiny_program()
    offsets = np.zeros(16, int)
    for expansion in micro_expansions(program, window(program, layer=1)):
        for step in expansion.steps:
            if isinstance(step, Shift):
                offsets[step.column] += step.steps
    assert not offsets.any()


def test_summary_counts() -> None:
    rows = summary(Accounts(tiny_program()))
    assert [(row["index"], row["name"], row["instructions"], row["adds"]) for row in rows] == [
        (0, "conv", 16, 6),
        (1, "every", 13, 3),
    ]
    assert [row["shape"] for row in rows] == [[2, 4, 4], [2, 4, 4]]


def test_finding_layers_tiles_and_phases() -> None:
    program = tiny_program()
    assert (find_layer(program, "every"), find_layer(program, "1")) == (1, 1)
    layer = program.layers[0]
    assert phase_ranges(layer.tiles[0]) == [("gather", 0, 3), ("sum 0", 3, 7), ("requantise", 7, 8)]
    assert find_phase(layer, layer.tiles[0], "sum 0") == (3, 7)
    assert find_tile(layer, 1) is layer.tiles[1]
    with pytest.raises(UserError, match="no layer '2'"):
        find_layer(program, "2")
    with pytest.raises(UserError, match="tiles 0 to 1"):
        find_tile(layer, 2)
    with pytest.raises(UserError, match="'gather', 'sum 0', 'requantise'"):
        find_phase(layer, layer.tiles[0], "none")


def test_a_group_is_what_loads_and_sums_its_inputs() -> None:
    layer = tiny_program().layers[0]
    tile = layer.tiles[0]
    tile.phases = [("clear", 0), ("load 0", 1), ("sum 0", 2), ("load 1", 4), ("sum 1", 5), ("requantise", 7)]
    assert [find_group(layer, tile, group) for group in (0, 1)] == [(1, 4), (4, 7)]
    tile.phases = [("sum 0", 3)]
    assert find_group(layer, tile, 0) == (3, 8)
    with pytest.raises(UserError, match="layer conv has no group 1 in this tile"):
        find_group(layer, tile, 1)


def test_every_opcode_is_in_the_tiny_program() -> None:
    code = np.concatenate([tile.instructions for layer in tiny_program().layers for tile in layer.tiles])
    assert set(code["op"].tolist()) == {int(op) for op in Op}
