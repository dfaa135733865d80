"""The sum behind an output: the last of what is requantised, found in the microcode."""

from __future__ import annotations

from apc.report.linear_forms import LinearForms
from apc.report.tile_facts import TileFacts
from ir.cells import NONE, OPERAND_A
from ir.isa import Op

REQUANTISE = "requantise"
"""The phase in which the compiler's tiles turn sums into outputs."""


def find_sum(facts: TileFacts, linear: LinearForms, index: int) -> int:
    """The version that holds an output's sum before it is requantised; NONE where there is no such sum. ``linear``: the
    forms of all that the output is computed from; ``index``: its own among ``facts.reads``."""
    version = _read_version(facts, linear, index)
    while version != NONE and version not in linear.forms:
        match Op(int(facts.tile.instructions["op"][version])):
            case Op.CLAMP | Op.STEP | Op.COPY:
                version = _read_version(facts, linear, version)
            case Op.ADD | Op.SUB | Op.ADDC:
                version = int(facts.reads.previous[version])
            case _:
                return NONE
    inner = NONE if version == NONE else _before_scaling(facts, linear, version)
    return version if inner == NONE else inner


def _read_version(facts: TileFacts, linear: LinearForms, index: int) -> int:
    """The lowest version that operand a reads, but for constants, which may fill up the bits below."""
    reads = facts.reads.of(index)
    versions = reads["version"][reads["operand"] == OPERAND_A].tolist()
    return next((version for version in versions if not _is_constant(linear, version)), [*versions, NONE][0])


def _is_constant(linear: LinearForms, version: int) -> bool:
    form = linear.forms.get(version)
    return form is not None and not form.factors


def _before_scaling(facts: TileFacts, linear: LinearForms, version: int) -> int:
    """What the requantisation multiplies: from a linear version, the longest sum that was made before it."""
    start = next((first for name, first in facts.tile.phases if name == REQUANTISE), 0)
    while version >= start:
        read = [*facts.reads.of(version)["version"].tolist(), int(facts.reads.previous[version])]
        sums = [item for item in read if item in linear.forms and linear.forms[item].factors]
        if not sums:
            return NONE
        version = max(sums, key=lambda item: len(linear.forms[item].factors))
    return version if facts.tile.instructions["op"][version] != Op.GATHER else NONE
