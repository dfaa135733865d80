import numpy as np

import apc
from apc.report.names import Names
from ir.values import Kind, tile_values
from tests.apc.small import small_model
from tests.programs import tiny_program


def test_names_of_every_kind() -> None:
    names = Names(tiny_program(), 0, 1)
    assert [names.of(value) for value in range(len(names.values.first))] == [
        "image[0]@+0,-1",
        "image[0]@+0,+0",
        "image[1]@+0,+1",
        "acc[1]",
        "conv[1]",
    ]
    names = Names(tiny_program(), 1, 0)
    assert [names.of(value) for value in range(len(names.values.first))] == [
        "w[0]",
        "conv[0]@+0,+0",
        "conv[1]@+0,+0",
        "tmp@0002",
        "#0",
        "tmp@0004",
        "tmp@0005",
        "every[0]",
        "every[1]",
    ]
    assert names.of(-1) == ""


def test_names_of_operands() -> None:
    names = Names(tiny_program(), 1, 0)
    assert names.of_operands(4) == {"r": "tmp@0004", "a": "conv[0]@+0,+0", "b": "conv[1]@+0,+0"}
    assert names.of_operands(12) == {"r": "tmp@0005", "a": "w[0]"}
    assert names.of_operands(3) == {"r": "#0"}


def test_an_offset_is_told_where_there_are_others_only() -> None:
    program = tiny_program()
    program.layers[1].row_maps["offset_y"] = program.layers[1].row_maps["offset_x"] = 0
    assert Names(program, 1, 0).of(1) == "conv[0]"
    program.layers[1].row_maps["offset_x"] = (0, -3)
    assert Names(program, 1, 0).of(1) == "conv[0]@+0,+0"


def test_accumulators_of_a_channel_are_numbered_as_they_begin() -> None:
    program = apc.compile(small_model(), level="O2")
    numbered = 0
    for index, layer in enumerate(program.layers):
        for number in range(len(layer.tiles)):
            values = tile_values(program, index, number)
            names = Names(program, index, number, values)
            for channel in range(program.tensors[layer.output].channels):
                mine = np.flatnonzero((values.kind == Kind.ACCUMULATOR) & (values.channel == channel))
                assert (np.diff(values.first[mine]) > 0).all()
                expected = [f"acc[{channel}]", *(f"acc[{channel}].{rank}" for rank in range(2, len(mine) + 1))]
                assert [names.of(value) for value in mine.tolist()] == expected[: len(mine)]
                numbered += len(mine) > 1
    assert numbered
