"""How one output channel is computed, read off the microcode: its blocks of instructions, what they share, what they
cost (`apc explain`; ``explanation_text`` prints it)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from apc.report.linear_forms import Form, LinearForms
from apc.report.requantised_sums import find_sum
from apc.report.tile_facts import TileFacts, tile_facts
from ir.cells import NONE, OPERAND_A, OPERAND_B, OPERAND_R
from ir.disassembler import field_text
from ir.errors import UserError
from ir.expand import operand_fields
from ir.isa import GATHERING, R_FRESH, SUMMING, Field, Op
from ir.operand_text import PAIRS, SINGLES
from ir.program import Program, StoredTensor, Tile
from ir.values import Kind
from ir.values_kernels import wrap

_LEAVES = (Kind.ACTIVATION, Kind.CONSTANT, Kind.RESIDENT)
_LETTERS = {OPERAND_R: "r", OPERAND_A: "a", OPERAND_B: "b"}


def explain(program: Program, layer_index: int, channel: int, depth: int | None = None) -> dict[str, Any]:
    """The payload of `apc explain --json` (docs/json.md). ``depth``: values so many steps from the output are expanded
    (None: all). Raises UserError for a channel that the layer does not have."""
    layer = program.layers[layer_index]
    tensor = program.tensors[layer.output]
    if not 0 <= channel < tensor.channels:
        raise UserError(f"--output {channel}: layer {layer.name} computes {_channels(tensor)}")
    facts = tile_facts(program, layer_index, int(tensor.fields["tile"][channel]))
    return _Explainer(facts, channel).payload(layer_index, depth)


class _Explainer:
    def __init__(self, facts: TileFacts, channel: int) -> None:
        self.facts, self.channel = facts, channel
        self.number = int(np.searchsorted(facts.channels, channel))
        self.slice = np.flatnonzero(facts.serves[:, self.number]).tolist()
        self.linear = LinearForms(facts.tile, facts.reads, self.slice)
        self.index = len(facts.tile.instructions) + self.number

    def payload(self, layer_index: int, depth: int | None) -> dict[str, Any]:
        facts = self.facts
        tensor = facts.program.tensors[facts.layer.output]
        found = find_sum(facts, self.linear, self.index)
        blocks = list(self._blocks(found))
        return {
            "layer": facts.layer.name,
            "layer_index": layer_index,
            "op": facts.layer.op,
            "tile": facts.tile_index,
            "channel": self.channel,
            "output": f"{tensor.name}[{self.channel}]",
            "place": field_text(_stored(tensor.fields[self.channel])),
            "sum": None if found == NONE else self._sum_payload(found),
            "blocks": [block for block in blocks if depth is None or block["depth"] <= depth],
            "deeper_blocks": sum(depth is not None and block["depth"] > depth for block in blocks),
            "totals": self._totals(found),
        }

    def _sum_payload(self, version: int) -> dict[str, Any]:
        facts, form = self.facts, self.linear.forms[version]
        return {
            "name": facts.names.of(int(facts.values.made[version])),
            "address": version,
            "constant": form.constant,
            "products": [self._product(*leaf, factor) for leaf, factor in sorted(form.factors.items())],
        }

    def _product(self, gather: int, resident: int, factor: int) -> dict[str, Any]:
        product: dict[str, Any] = {"factor": factor, "resident": None if resident == NONE else resident}
        if gather == NONE:
            return {**product, "tensor": None, "channel": None, "row_map": None}
        entry = self.facts.tile.gathers[gather]
        name = self.facts.program.tensors[int(entry["tensor"])].name
        return {**product, "tensor": name, "channel": int(entry["channel"]), "row_map": int(entry["row_map"])}

    # --- blocks: values and the instructions that write them ----------------------------------------------------------

    def _blocks(self, found: int) -> Iterator[dict[str, Any]]:
        """The values that the output is computed from, those next to it first."""
        facts = self.facts
        writers: dict[int, list[int]] = {}
        for address in self.slice:
            writers.setdefault(int(facts.values.made[address]), []).append(address)
        level = self._expanded(facts.reads.of(self.index)["value"].tolist(), set())
        seen, depth = set(level), 0
        while level:
            following: list[int] = []
            for value in level:
                steps = [self._step(address) for address in writers[value]]
                role = "output" if depth == 0 else _role(writers[value], found)
                place = field_text(self._place(writers[value]))
                yield {"name": facts.names.of(value), "role": role, "depth": depth, "place": place, "steps": steps}
                for address in writers[value]:
                    following += self._expanded(facts.reads.of(address)["value"].tolist(), seen)
            level, depth = following, depth + 1

    def _place(self, addresses: list[int]) -> Field:
        """Where a whole value lies once its instructions, ``addresses``, have written it: later ones may have left its
        lowest bits alone, and earlier ones not have reached its highest."""
        shifts = self.facts.reads.shift
        written = [(int(shifts[i]), operand_fields(self.facts.tile.instructions[i])["r"]) for i in addresses]
        _, lowest = min(written, key=lambda item: item[0])
        shift, highest = max(reversed(written), key=lambda item: item[0] + item[1].width)  # the last of those
        return Field(lowest.column, lowest.domain, shift + highest.width, highest.signed, lowest.across)

    def _expanded(self, values: list[int], seen: set[int]) -> list[int]:
        """Those that have a block of their own and have none yet."""
        new = [value for value in dict.fromkeys(values) if value not in seen]
        new = [value for value in new if Kind(int(self.facts.values.kind[value])) not in _LEAVES]
        seen.update(new)
        return new

    def _step(self, address: int) -> dict[str, Any]:
        facts = self.facts
        record = facts.tile.instructions[address]
        op = Op(int(record["op"]))
        return {
            "address": address,
            "phase": next((name for name, first in reversed(facts.tile.phases) if first <= address), ""),
            "opcode": op.name.lower(),
            "shift": int(facts.reads.shift[address]),
            "terms": [*self._terms(address, op)],
            "gathered": facts.names.gathered(record) if op in GATHERING else None,
            "constants": _constants(facts.tile, record, op),
            "width": int(record["r_width"]),
            "place": field_text(operand_fields(record)["r"]),
            "interval": self._whole_interval(address),
            "search_passes": int(facts.counts.searches[address] + facts.counts.source_searches[address]),
            "write_passes": int(facts.counts.writes[address]),
            "cycles": int(facts.cycles[address]),
            "outputs": facts.outputs(address),
        }

    def _terms(self, address: int, op: Op) -> Iterator[dict[str, Any]]:
        """What an instruction reads: a and b, and what lies within r above the value that it updates; without zeros
        that only fill up other stretches."""
        facts = self.facts
        record = facts.tile.instructions[address]
        fields = operand_fields(record)
        own = int(facts.values.made[address])
        reads = facts.reads.of(address)
        stretches = Counter(reads["operand"].tolist())
        for read in reads:
            operand = int(read["operand"])
            if operand == OPERAND_R and read["value"] == own:
                continue
            if (operand == OPERAND_R or stretches[operand] > 1) and self._is_nothing(read):
                continue
            negative = (op == Op.SUB and operand == OPERAND_A) or (op == Op.SUBO and operand == OPERAND_B)
            version = int(read["version"])
            compared = op == Op.STEP and operand == OPERAND_A  # and not moved to where r lies
            yield {
                "operand": _LETTERS[operand],
                "sign": -1 if negative else 1,
                "name": facts.names.of(int(read["value"])),
                "shift": int(read["place"]) + (0 if compared else int(facts.reads.shift[address])),
                "low_bit": int(read["first_bit"]),
                "address": None if version == NONE else version,
                "place": field_text(fields[_LETTERS[operand]]),
                "interval": self._interval(read, fields[_LETTERS[operand]]),
                "outputs": facts.outputs(version),
            }

    def _is_nothing(self, read: np.void) -> bool:
        form = self.linear.forms.get(int(read["version"]))
        return form == Form()

    def _interval(self, read: np.void, field: Field) -> list[int]:
        """Of the bits of a version that an operand, ``field``, reads; signed where they are the top ones of a signed
        field."""
        version, first, bits = int(read["version"]), int(read["first_bit"]), int(read["bits"])
        if version == NONE:
            held = self.facts.layer.resident(self.facts.tile_index)[1][int(read["value"])]
            low, high = int(held.min()), int(held.max())
        else:
            low, high = self._whole_interval(version)
        return [*wrap(low >> first, high >> first, bits, field.signed and int(read["place"]) + bits == field.width)]

    def _whole_interval(self, version: int) -> list[int]:
        """Of the whole value that an instruction leaves: what it knows of r, with any bits below r."""
        values, below = self.facts.values, int(self.facts.reads.shift[version])
        return [int(values.low[version]) << below, (int(values.high[version]) + 1 << below) - 1]

    # --- costs ----------------------------------------------------------------------------------------------------

    def _totals(self, found: int) -> dict[str, Any]:
        """Counts of the output's instructions; ``own``: those of shared instructions divided by the outputs served."""
        facts, mine = self.facts, np.array(self.slice, np.int64)
        users = facts.users[mine]
        before = mine <= (found if found != NONE else len(facts.tile.instructions))
        adding = np.isin(facts.tile.instructions["op"][mine], SUMMING) & before
        costs = {
            "instructions": np.ones(len(mine), np.int64),
            "search_passes": (facts.counts.searches + facts.counts.source_searches)[mine],
            "write_passes": facts.counts.writes[mine],
            "shift_steps": (facts.counts.shift_steps + facts.counts.source_shift_steps)[mine],
            "cycles": facts.cycles[mine],
        }
        return {
            "additions": int(adding.sum()),
            "shared_additions": int((adding & (users > 1)).sum()),
            **{key: int(cost.sum()) for key, cost in costs.items()},
            "own": {"additions": float((adding / users).sum())}
            | {key: float((cost / users).sum()) for key, cost in costs.items()},
        }


def _channels(tensor: StoredTensor) -> str:
    """Those of a layer's output, in words."""
    if tensor.channels > 1:
        return f"the channels 0 to {tensor.channels - 1}"
    if tensor.positions == 1:
        return "channel 0 alone"
    return f"its {tensor.positions} outputs in as many rows, all by the instructions of channel 0: --output 0"


def _role(addresses: list[int], found: int) -> str:
    """Of a value beside the output; ``found``: the sum's last instruction, or NONE."""
    if found in addresses:
        return "sum"
    return "scaling" if found != NONE and addresses[0] > found else "temporary"


def _stored(record: np.void) -> Field:
    _, column, domain, width, signed, across = record.tolist()
    return Field(column, domain, width, bool(signed), bool(across))


def _constants(tile: Tile, record: np.void, op: Op) -> list[int]:
    """The numbers that an instruction adds, sets or compares with; of R_FRESH what it adds beside the operands."""
    first = int(record["imm"])
    if op in (*SINGLES, *PAIRS):
        return [int(item) for item in tile.constants[first : first + (2 if op in PAIRS else 1)]]
    if op in (Op.SUB, Op.SUBO) and record["flags"] & R_FRESH:
        return [1 << (int(record["r_width"]) - 1)]
    return []
