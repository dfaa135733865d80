"""What a compiled network is: layer programs made of tiles, the tensors between them, gathers.

A *layer* computes one stored tensor. Rows are output positions: row = (image * height + y) * width + x of
the layer's output. A *tile* is one straight-line instruction stream; the tiles of a layer compute disjoint
output channels on their own arrays, and every tile runs on all the row tiles (ceil(rows / array rows) arrays).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ir.types import IntType

PLAIN, COMPACT = "plain", "compact"
ENCODINGS = (PLAIN, COMPACT)
"""How a program's instruction streams are fetched: tables as they are, or the bits of docs/encoding.md."""

FIELD = np.dtype(
    [("tile", "<u2"), ("column", "<u2"), ("domain", "u1"), ("width", "u1"), ("signed", "u1"), ("across", "u1")]
)
"""Where one channel of a stored tensor lies: tile of the producing layer, and the field in its arrays."""

GATHER = np.dtype([("tensor", "<u4"), ("channel", "<u4"), ("row_map", "<u4"), ("pad_value", "<i4")])
"""One row-mapped channel: index into ``Program.tensors``, channel, index into ``LayerProgram.row_maps``, and
the value that rows without a source receive."""

ROW_MAP = np.dtype([("stride_y", "<i4"), ("stride_x", "<i4"), ("offset_y", "<i4"), ("offset_x", "<i4")])
"""Row (image, y, x) receives source position (image, y*stride_y + offset_y, x*stride_x + offset_x)."""


@dataclass
class StoredTensor:
    """An integer tensor between layers. ``producer``: index of its layer, or -1 for a network input, which
    waits in the global buffer. ``fields``: FIELD records, one a channel (for an input ``tile``, ``column`` and
    ``domain`` are 0 and have no meaning)."""

    name: str
    shape: tuple[int, int, int]
    producer: int
    fields: np.ndarray

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def positions(self) -> int:
        return self.shape[1] * self.shape[2]


@dataclass
class Tile:
    """One instruction stream. ``instructions``: isa.RECORD array; ``constants``: int64 array;
    ``gathers``: GATHER array. ``phases``: (name, first instruction) pairs in order, for people and traces."""

    instructions: np.ndarray
    constants: np.ndarray
    gathers: np.ndarray
    phases: list[tuple[str, int]] = field(default_factory=list)


def gathered_fields(tile: Tile, tensors: list[StoredTensor]) -> np.ndarray:
    """FIELD records, one for each of the tile's gathers: the field of the gathered channel."""
    fields = np.zeros(len(tile.gathers), FIELD)
    for number in np.unique(tile.gathers["tensor"]).tolist():
        mine = tile.gathers["tensor"] == number
        fields[mine] = tensors[number].fields[tile.gathers["channel"][mine]]
    return fields


@dataclass
class LayerProgram:
    """``statistics`` are the compiler's exact counts that cannot be read off the instructions:
    nonzero_weights, adds_naive, adds, bit_adds, groups.

    ``resident_fields``: FIELD records of what the arrays hold before they run, loaded once and never written by the
    program; ``resident_values``: int32 [fields, positions], the integers in them, the same for every image.
    """

    name: str
    op: str
    output: int  # index into Program.tensors; its positions are the rows of an image
    row_maps: np.ndarray  # ROW_MAP records
    tiles: list[Tile]
    statistics: dict[str, int]
    resident_fields: np.ndarray = field(default_factory=lambda: np.zeros(0, FIELD))
    resident_values: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int32))

    def resident(self, tile: int) -> tuple[np.ndarray, np.ndarray]:
        """The resident fields of a tile, and the values in them."""
        chosen = self.resident_fields["tile"] == tile
        return self.resident_fields[chosen], self.resident_values[chosen]

    @property
    def resident_bits(self) -> int:
        """Cells that one copy of the resident fields fills."""
        return int(self.resident_fields["width"].sum(dtype=np.int64)) * self.resident_values.shape[1]


@dataclass(frozen=True, eq=False)
class Boundary:
    """A network input or output as the ONNX graph has it, and its integer tensor.

    ``shape``: the graph's own, with None for a symbolic axis; ``dtype``: numpy name ("float32", "uint8" ...).
    ``scale``/``zero_point``: shape (1,) or (C,). Input: q = clamp(round_half_even(x/scale) + zero_point, lo, hi) in
    float32 as onnxruntime's QuantizeLinear does; output: (q - zero_point) * scale + offset. With ``scale`` None the
    integers themselves cross. ``dtype_int`` is the integer type of the tensor.
    """

    name: str
    tensor: int
    shape: tuple[int | None, ...]
    dtype: str
    dtype_int: IntType
    lo: int
    hi: int
    scale: np.ndarray | None = None
    zero_point: np.ndarray | None = None
    offset: np.ndarray | None = None


@dataclass
class Program:
    """A compiled network. ``target``: the complete target table it was compiled for (plain dict of the TOML)."""

    name: str
    model_sha256: str
    level: str
    passes: list[str]
    target: dict[str, Any]
    tensors: list[StoredTensor]
    layers: list[LayerProgram]
    inputs: list[Boundary]
    outputs: list[Boundary]
    graph_text: str = ""  # the printed integer graph, for inspection
    model: bytes = b""  # the QDQ ONNX file that was compiled, for checks against the reference and onnxruntime
    host_steps: list[dict[str, Any]] = field(default_factory=list)  # {"name", "operator", "bytes_per_image"}
    encoding: str = PLAIN  # one of ENCODINGS
