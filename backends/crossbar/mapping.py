"""Where weights lie: arrays, PEs and tiles of every layer, and how often small layers are copied.

A chip has tiles of PEs of arrays. *Conventional* mapping cuts the unrolled matrix (Cin * kh * kw) x outputs into tiles.
*Novel* mapping (Peng et al., ISCAS 2019) gives every kernel position a PE of Cin x outputs, so that neighbouring
windows share inputs; the network's most common kernel sets the PEs of such a tile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backends.crossbar.conductance import cells_per_weight
from backends.crossbar.target import CrossbarTarget
from backends.workload import LayerWork


@dataclass(frozen=True)
class Placement:
    """One convolution on the chip.

    columns_per_weight  cells a weight takes side by side
    row_parts           arrays an output's column runs through, over all kernel positions
    used_rows           mean rows of an array that hold weights
    column_parts        arrays side by side
    reads_per_vector    array reads for one bit plane of one input position
    columns             columns that current flows through for one bit plane of one input position
    conversions         of them for one bit plane of one input position: half where pairs are subtracted before
    packed              groups that lie on the diagonal of an array: the other cells of their rows hold no weight
    copies              of the layer's tiles, in a pipeline
    duplication         copies of the layer, those inside a tile included
    tiles, pes, arrays  silicon that the layer takes; ``pes`` add their results in a tile
    """

    novel: bool
    columns_per_weight: int
    row_parts: int
    used_rows: float
    column_parts: int
    reads_per_vector: int
    columns: int
    conversions: int
    packed: int
    copies: int
    duplication: int
    tiles: int
    pes: int
    arrays: int


@dataclass(frozen=True)
class Floorplan:
    """The placements of a network's convolutions (in their order) and the sizes they share, in arrays a side."""

    placements: Sequence[Placement]
    pe_side: int
    tile_side: int
    novel_pes: int
    novel_tiles: int
    conventional_tiles: int

    @property
    def arrays(self) -> int:
        return sum(placement.arrays for placement in self.placements)

    @property
    def tiles(self) -> int:
        return self.novel_tiles + self.conventional_tiles


def weight_bits_of(work: LayerWork, target: CrossbarTarget) -> int:
    """Those that the target sets, else the model's: two's complement for offset codes; a sign and magnitude for pairs,
    which is a bit more where the least value has no opposite."""
    if target.workload.weight_bits:
        return target.workload.weight_bits
    if target.array.mapping == "offset" or work.weight_bits == 1 or not work.weight_values:
        return work.weight_bits
    largest = max(abs(work.weight_values[0][0]), abs(work.weight_values[-1][0]))
    return max(2, largest.bit_length() + 1)


def pairs_subtracted(target: CrossbarTarget) -> bool:
    """Whether the currents of a pair of columns are subtracted before their one conversion."""
    return target.array.mapping == "differential" and target.array.subtract_in_analog


def multiplexer_steps(target: CrossbarTarget) -> int:
    """Conversions that a converter makes one after another for one read of an array."""
    columns = target.adc.columns_per_adc
    return -(-columns // 2) if pairs_subtracted(target) else columns


def floorplan(works: Sequence[LayerWork], target: CrossbarTarget) -> Floorplan:
    """Places the convolutions of ``works`` (all of kind "conv")."""
    novel_pes = _common_kernel(works) if target.hierarchy.novel_mapping else 1
    shapes = [_shape(work, target, novel_pes) for work in works]
    hierarchy = target.hierarchy
    pe_side = _best_side([shape for shape in shapes if shape.novel], hierarchy.pe_side_arrays)
    tile_side = _best_side([shape for shape in shapes if not shape.novel], hierarchy.tile_side_arrays)
    speed_ups = _pipeline_copies(works, target)
    placements = [
        _place(shape, target, pe_side if shape.novel else tile_side, novel_pes, copies)
        for shape, copies in zip(shapes, speed_ups, strict=True)
    ]
    novel_tiles = sum(placement.tiles for placement in placements if placement.novel)
    conventional = sum(placement.tiles for placement in placements if not placement.novel)
    return Floorplan(placements, pe_side, tile_side, novel_pes, novel_tiles, conventional)


@dataclass(frozen=True)
class _Shape:
    """A layer's matrix in arrays: ``rows`` x ``columns`` a block, one block a kernel position (novel) or one."""

    novel: bool
    columns_per_weight: int
    blocks: int
    rows: int
    columns: int
    row_parts: int
    used_rows: float
    columns_read: int
    packed: int = 1


def _shape(work: LayerWork, target: CrossbarTarget, novel_pes: int) -> _Shape:
    array = target.array
    per_weight = cells_per_weight(weight_bits_of(work, target), array.cell_bits, array.mapping == "differential")
    columns = work.outputs * per_weight
    if work.groups > 1:
        return _grouped_shape(work, target, per_weight)
    kernel = work.kernel[0] * work.kernel[1]
    novel = novel_pes > 1 and kernel == novel_pes and work.rows > array.rows
    inputs = work.channels if novel else work.rows
    row_arrays = -(-inputs // array.rows)
    blocks = kernel if novel else 1
    return _Shape(
        novel=novel,
        columns_per_weight=per_weight,
        blocks=blocks,
        rows=row_arrays,
        columns=-(-columns // array.columns),
        row_parts=row_arrays * blocks,
        used_rows=inputs / row_arrays,
        columns_read=row_arrays * blocks * columns,
    )


def _grouped_shape(work: LayerWork, target: CrossbarTarget, per_weight: int) -> _Shape:
    """Groups lie on the diagonals of arrays, as many as fit one; a group that does not fit takes its own arrays."""
    array = target.array
    columns = work.outputs * per_weight
    packed = max(1, min(array.rows // work.rows, array.columns // columns, work.groups))
    row_arrays, column_arrays = -(-work.rows // array.rows), -(-columns // array.columns)
    diagonals = -(-work.groups // packed)
    return _Shape(
        novel=False,
        columns_per_weight=per_weight,
        blocks=1,
        rows=row_arrays * diagonals,
        columns=column_arrays,
        row_parts=row_arrays,
        used_rows=work.rows * packed / row_arrays,
        columns_read=row_arrays * columns * work.groups,
        packed=packed,
    )


def _common_kernel(works: Iterable[LayerWork]) -> int:
    """Kernel positions of most of the layers that have several (the larger of two as common), else 1."""
    counts = Counter(work.kernel[0] * work.kernel[1] for work in works if work.groups == 1)
    del counts[1]
    return max(counts, key=lambda kernel: (counts[kernel], kernel), default=1)


def _best_side(shapes: Sequence[_Shape], least: int) -> int:
    """The side, ``least`` or a power of two times that, with the best use of arrays; the largest of equals."""
    if not shapes:
        return least
    most = max(max(shape.rows, shape.columns) for shape in shapes)
    best, best_arrays, side = least, -1, least
    while True:
        taken = sum(-(-shape.rows // side) * -(-shape.columns // side) * shape.blocks for shape in shapes) * side * side
        if best_arrays < 0 or taken <= best_arrays:
            best, best_arrays = side, taken
        if side >= most:
            return best
        side *= 2


def _pipeline_copies(works: Sequence[LayerWork], target: CrossbarTarget) -> list[int]:
    """Copies of tiles in a pipeline: as many as a layer has positions for each of the last ones', limited."""
    if not target.hierarchy.pipeline:
        return [1] * len(works)
    sizes = [max(1, work.positions) for work in works]
    fewest = min((size for size in sizes if size > 1), default=1)
    return [min(target.hierarchy.pipeline_copies, max(1, size // fewest)) for size in sizes]


def _place(shape: _Shape, target: CrossbarTarget, side: int, novel_pes: int, copies: int) -> Placement:
    tiles = -(-shape.rows // side) * -(-shape.columns // side)
    inside = 1
    if target.hierarchy.duplication:
        inside = max(1, side // shape.rows) * max(1, side // shape.columns)
    pes = novel_pes if shape.novel else 1
    return Placement(
        novel=shape.novel,
        columns_per_weight=shape.columns_per_weight,
        row_parts=shape.row_parts,
        used_rows=shape.used_rows,
        column_parts=shape.columns,
        reads_per_vector=shape.rows * shape.columns * shape.blocks,
        columns=shape.columns_read,
        conversions=shape.columns_read // 2 if pairs_subtracted(target) else shape.columns_read,
        packed=shape.packed,
        copies=copies,
        duplication=inside * copies,
        tiles=tiles * copies,
        pes=pes,
        arrays=tiles * copies * pes * side * side,
    )
