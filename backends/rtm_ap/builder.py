"""Collects the instructions, constants and gathers of one tile."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backends.rtm_ap.arithmetic import HELD
from backends.rtm_ap.layout import CapacityError
from backends.rtm_ap.shared_sums import Emission
from ir.isa import A_ACROSS, A_SIGNED, B_SIGNED, MAX_CONSTANTS, R_ACROSS, R_FRESH, R_SIGNED, RECORD, Field, Op
from ir.program import FIELD, GATHER, Tile
from ir.types import IntType


@dataclass(frozen=True, eq=False)
class Source:
    """A stored tensor that a layer reads: its index in ``Program.tensors``, and FIELD records of its channels."""

    tensor: int
    fields: np.ndarray


def variable_types(sources: list[Source], variables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths (int64) and signedness (bool) of VARIABLE records, as they are stored."""
    widths, signed = np.zeros(len(variables), np.int64), np.zeros(len(variables), bool)
    for index, source in enumerate(sources):
        here = variables["source"] == index
        fields = source.fields[variables["channel"][here]]
        widths[here], signed[here] = fields["width"], fields["signed"]
    return widths, signed


@dataclass
class TileBuilder:
    """``sources``: the layer's. ``share_constants``: equal constants are kept once. ``adds`` and ``bit_adds`` count the
    additions and subtractions of sums (not of requantisation), and their result widths, ``groups`` how often inputs are
    loaded."""

    sources: list[Source]
    share_constants: bool = True
    adds: int = 0
    bit_adds: int = 0
    groups: int = 0
    _blocks: list[np.ndarray] = field(default_factory=list)
    _pending: list[tuple[int, ...]] = field(default_factory=list)
    _emitted: int = 0
    _constants: list[int] = field(default_factory=list)
    _constant_index: dict[tuple[int, ...], int] = field(default_factory=dict)
    _gathers: list[np.ndarray] = field(default_factory=list)
    _gather_count: int = 0
    _phases: list[tuple[str, int]] = field(default_factory=list)

    def phase(self, name: str) -> None:
        """What follows belongs to a phase of this name."""
        self._phases.append((name, self._emitted + len(self._pending)))

    def emit(self, op: Op, r: Field, a: Field | None = None, constants: tuple[int, ...] = ()) -> None:
        """One instruction other than GATHER, MAC and EXTEND."""
        flags = (R_SIGNED if r.signed else 0) | (R_ACROSS if r.across else 0)
        width = domain = column = 0
        if a is not None:
            flags |= (A_SIGNED if a.signed else 0) | (A_ACROSS if a.across else 0)
            width, domain, column = a.width, a.domain, a.column
        imm = self.constant(*constants) if constants else 0
        self._pending.append((op, flags, width, 0, r.width, domain, 0, r.domain, column, 0, r.column, imm))

    def extend(self, r: Field, width: int) -> None:
        """Fill the bits of the signed field r from ``width`` upwards with the sign."""
        flags = R_SIGNED | (R_ACROSS if r.across else 0)
        self._pending.append((Op.EXTEND, flags, width, 0, r.width, 0, 0, r.domain, 0, 0, r.column, 0))

    def gather(
        self, variables: np.ndarray, columns: np.ndarray, domains: np.ndarray, across: bool, offset: bool = False
    ) -> np.ndarray:
        """Load lower.VARIABLE records into fields as wide as they are stored: HELD records. ``offset``: signed channels
        are held as unsigned numbers."""
        places = np.zeros(len(variables), HELD)
        places["across"], places["sign"] = across, 1
        places["column"], places["domain"] = columns, domains
        places["lo"], places["hi"] = variables["lo"], variables["hi"]
        places["width"], signed = variable_types(self.sources, variables)
        fresh = signed & offset
        places["signed"] = signed & ~fresh
        places["offset"] = np.where(fresh, 1 << (places["width"] - 1), 0)
        places["lo"] += places["offset"]
        places["hi"] += places["offset"]
        index = self._gather_count + np.arange(len(variables))
        records = np.zeros(len(variables), RECORD)
        records["op"] = Op.GATHER
        records["flags"] = signed * R_SIGNED + places["across"] * R_ACROSS + fresh * R_FRESH
        records["r_width"], records["r_column"], records["r_domain"] = places["width"], columns, domains
        records["imm"], records["a_column"] = index & 0xFFFF, index >> 16
        self._gathers.append(self._entries(variables))
        self._gather_count += len(variables)
        self.append(records)
        return places

    def _entries(self, variables: np.ndarray) -> np.ndarray:
        """GATHER records of VARIABLE records."""
        entries = np.zeros(len(variables), GATHER)
        entries["tensor"] = np.array([source.tensor for source in self.sources])[variables["source"]]
        for name in ("channel", "row_map", "pad_value"):
            entries[name] = variables[name]
        return entries

    def gather_one(self, variable: np.ndarray, column: int, domain: int, across: bool) -> Field:
        """Load a single variable (a VARIABLE array of length 1)."""
        return field_of(self.gather(variable, np.array([column]), np.array([domain]), across)[0])

    def multiply(self, r: Field, a: Field, variable: np.ndarray, kind: IntType) -> None:
        """r <- r + a * x, x a VARIABLE (an array of length 1) whose values are of this type, the same for all rows."""
        self._gathers.append(self._entries(variable))
        number, self._gather_count = self._gather_count, self._gather_count + 1
        flags = (R_SIGNED if r.signed else 0) | (R_ACROSS if r.across else 0) | (B_SIGNED if kind.signed else 0)
        flags |= (A_SIGNED if a.signed else 0) | (A_ACROSS if a.across else 0)
        self._pending.append(
            (Op.MAC, flags, a.width, kind.bits, r.width, a.domain, 0, r.domain, a.column, number >> 16, r.column,
             number & 0xFFFF)
        )  # fmt: skip
        self.adds += kind.bits
        self.bit_adds += sum(r.width - shift for shift in range(kind.bits))

    def add_group(self, emission: Emission) -> None:
        """A group's sums."""
        self.append(emission.records)
        self.adds += emission.adds
        self.bit_adds += emission.bit_adds

    def constant(self, *values: int) -> int:
        """Index of consecutive constants. Raises CapacityError where ``imm`` would not reach them."""
        if values not in self._constant_index or not self.share_constants:
            if len(self._constants) + len(values) > MAX_CONSTANTS:
                raise CapacityError(f"a tile needs more than {MAX_CONSTANTS} constants")
            self._constant_index[values] = len(self._constants)
            self._constants.extend(values)
        return self._constant_index[values]

    def append(self, records: np.ndarray) -> None:
        """RECORDs made elsewhere."""
        self._flush()
        self._blocks.append(records)
        self._emitted += len(records)

    def tile(self) -> Tile:
        self._flush()
        instructions = np.concatenate([np.zeros(0, RECORD), *self._blocks])
        gathers = np.concatenate([np.zeros(0, GATHER), *self._gathers])
        return Tile(instructions, np.array(self._constants, np.int64), gathers, self._phases)

    def _flush(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            self.append(np.array(pending, RECORD))


def interval_types(lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths (int64) and signedness (bool) of the narrowest types that hold intervals."""
    types = [IntType.containing(int(a), int(b)) for a, b in zip(lo, hi, strict=True)]
    return np.array([t.bits for t in types], np.int64), np.array([t.signed for t in types], bool)


def field_of(place: np.void) -> Field:
    """Where a HELD record lies."""
    column, domain, width, signed, across, *_ = place.item()
    return Field(column, domain, width, bool(signed), bool(across))


def stored_fields(fields: list[Field], tile: int) -> np.ndarray:
    """FIELD records of a tile's outputs."""
    return np.array([(tile, f.column, f.domain, f.width, f.signed, f.across) for f in fields], FIELD)
