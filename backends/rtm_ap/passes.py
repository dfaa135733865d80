"""The passes that shrink a layer's arithmetic, and what each level runs.

A pass is a frozen dataclass: its fields are its options, its docstring its documentation (docs/passes.md is made from
it). ``Pipeline`` is the set that is on; a pass that is missing from it is off, which every pass defines as the
plainest thing that is right. ``backends.rtm_ap.choice`` reads the pipeline to list a layer's candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeVar

from ir.passes.options import Range


@dataclass(frozen=True)
class Cse:
    """Common subexpressions of a group of inputs are computed once.

    A group is a few input channels, seen through the layer's window; what several outputs add or subtract alike becomes
    a temporary. Narrow or dense ternary groups go through trit space, where reuse may cancel; the others share their
    most frequent pair of terms, again and again. Weights of several bits share their canonical signed digits. With
    ``tiling`` the price decides how often a sum must be used to be shared, as a temporary costs writes of its own.

    ``channels``: input channels of a group (of 1x1 windows 9 inputs count as one), 0: chosen by price; ``cluster``:
    channels that share much are put into one group; ``budget_s``: work to spend on ruin and recreate over the whole
    network, in seconds of a typical core (work is counted, not time, so results do not depend on the machine), beside
    the 4 us a term that shared pairs always get;
    ``seed``: of its random draws.

    Off: every weight that is not zero is an addition of its own.
    """

    name: ClassVar[str] = "cse"
    channels: Annotated[int, Range(0, 1024)] = 0
    cluster: bool = False
    budget_s: Annotated[float, Range(0, 1_000_000)] = 0.0
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0


@dataclass(frozen=True)
class RowSums:
    """What a group adds to an output is summed in a narrow temporary and meets the wide accumulator once.

    Narrow operands are summed first, so that carries ripple through few bits; only the last addition has the width of
    the accumulator. That saves searches and costs writes, for the temporary is overwritten every time.

    ``when``: "always", or "auto": where the price says so, if ``tiling`` is on.

    Off: every term is added to the accumulator itself.
    """

    name: ClassVar[str] = "row-sums"
    when: Literal["auto", "always"] = "auto"


@dataclass(frozen=True)
class Tiling:
    """A layer is cut by price: candidates are compiled for their first tile, and the one of the least expected energy
    on the target is taken.

    What is decided: which inputs are summed together, how many outputs share an array, and which operand stays in the
    array: the activations (weights are the instructions) or the weights (activation bits are broadcast in the key).

    ``outputs``: most output channels of a tile, 0: chosen by price; ``stationary``: "activations", "weights" where
    a layer allows it, or "auto", by price.

    Off: one channel's window at a time, as many outputs as fit, activations stationary.
    """

    name: ClassVar[str] = "tiling"
    outputs: Annotated[int, Range(0, 65535)] = 0
    stationary: Literal["auto", "activations", "weights"] = "auto"


@dataclass(frozen=True)
class Widths:
    """Signed values are held as unsigned ones, a constant above their value, so that nothing is sign-extended.

    A carry ripples through the upper bits in 2 passes a bit instead of 4. The constants are known to the compiler: they
    are taken off the sum at the end, once. That saves searches and columns, and costs writes where values are often 0.

    ``when``: "always", or "auto": where the price says so, if ``tiling`` is on.

    Off: two's complement.
    """

    name: ClassVar[str] = "widths"
    when: Literal["auto", "always"] = "auto"


@dataclass(frozen=True)
class Selection:
    """A sum out of place overwrites what its columns held, writing only bits that differ.

    Off: the columns are cleared first.
    """

    name: ClassVar[str] = "selection"


@dataclass(frozen=True)
class Placement:
    """Fields lie where few shifts reach them: across columns at one domain, a register file that never shifts, with
    the accumulators one per domain in columns of their own, swept past it.

    ``fields``: "across" columns, "along" nanowires, or "auto", by price.

    Off: along nanowires, one shift a bit.
    """

    name: ClassVar[str] = "placement"
    fields: Literal["auto", "across", "along"] = "auto"


@dataclass(frozen=True)
class ShareRequantise:
    """Channels with equal requantisation constants use one copy of them.

    Off: every channel has its own.
    """

    name: ClassVar[str] = "requantise"


@dataclass(frozen=True)
class Encoding:
    """The instruction stream is encoded with short forms for common instructions (docs/encoding.md): its bits are
    fetched and broadcast for every image.

    Off: plain records of 128 bits.
    """

    name: ClassVar[str] = "encoding"


LayerPass = Cse | RowSums | Tiling | Widths | Selection | Placement | ShareRequantise | Encoding
LAYER_PASSES: dict[str, type[LayerPass]] = {
    item.name: item for item in (Cse, RowSums, Tiling, Widths, Selection, Placement, ShareRequantise, Encoding)
}

P = TypeVar("P", bound=LayerPass)


@dataclass(frozen=True)
class Pipeline:
    """The layer passes that are on, at most one of a kind."""

    passes: tuple[LayerPass, ...] = ()

    def get(self, kind: type[P]) -> P | None:
        """The pass of this kind, or None where it is off."""
        return next((item for item in self.passes if isinstance(item, kind)), None)


_PRICED = (RowSums(), Tiling(), Widths(), Selection(), Placement(), ShareRequantise(), Encoding())
LEVELS: dict[str, Pipeline] = {
    "O0": Pipeline(),
    "O1": Pipeline((Cse(channels=1),)),
    "O2": Pipeline((Cse(cluster=True), *_PRICED)),
    "O3": Pipeline((Cse(cluster=True, budget_s=60.0), *_PRICED)),
}
