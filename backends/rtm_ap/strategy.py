"""How a layer is cut, laid out and added up: one point of the space that ``choice`` prices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """One way to compile a layer.

    ``together``: how many inputs are summed together, in columns of their own; 0: the window of one channel;
    ``cluster``: windows that share much form a group, else neighbours do; ``share``: common subexpressions of a group
    are shared, by ``block`` consecutive outputs at a time (0: all of a tile), where they are used ``least_uses`` times;
    ``row_sums``: what a group adds to an output is summed before it meets the accumulator; ``across``: fields across
    columns, else along nanowires; ``outputs``: most output channels of a tile, 0 for as many as fit; ``offset``: values
    are held as unsigned numbers a constant above them, else in two's complement; ``overwrite``: sums out of place
    overwrite their columns, else these are cleared first; ``share_constants``: equal constants are kept once;
    ``term_budget_s``, ``seed``: work to spend on improving a group's sharing, in seconds of a typical core for each of
    its terms (None: none at all, for a price), and the seed of the random draws.
    """

    together: int = 0
    cluster: bool = False
    share: bool = False
    block: int = 0
    least_uses: int = 2
    row_sums: bool = False
    across: bool = False
    outputs: int = 0
    offset: bool = False
    overwrite: bool = False
    share_constants: bool = False
    term_budget_s: float | None = None
    seed: int = 0

    def __str__(self) -> str:
        sharing = "not shared"
        if self.share:
            sharing = "shared" + f" over {self.block} outputs" * (self.block > 0)
            sharing += f" where used {self.least_uses} times" * (self.least_uses > 2)
        parts = [
            f"{self.together or 'one window of'} inputs together" + ", clustered" * self.cluster,
            sharing,
            f"at most {self.outputs} outputs a tile" if self.outputs else "as many outputs as fit",
            "across columns" if self.across else "along nanowires",
            *["row sums first"] * self.row_sums,
            *["all unsigned"] * self.offset,
        ]
        return ", ".join(parts)
