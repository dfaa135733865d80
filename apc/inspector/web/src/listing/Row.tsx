/** A row of the listing: an instruction with the names, places and costs of its operands. */

import type { CSSProperties } from "preact";
import { memo } from "preact/compat";

import type { Analysis } from "../machine/analysis";
import { fieldOf, hex, immediateText, Op, OP_NAMES, OPERANDS, placeText, type Operand } from "../machine/records";
import { KIND_NAMES, NONE } from "../machine/values";
import { select } from "./state";
import { countText } from "./widths";
import { intervalText, valueOf } from "./words";

export const ROW_PX = 24;

interface RowProps {
  found: Analysis;
  address: number;
  index: number;
  top: number;
  selected: boolean;
  hit: boolean;
}

export const Row = memo(function Row({ found, address, index, top, selected, hit }: RowProps) {
  const { tables, values } = found;
  const op = tables.code.op[address]!;
  const operands = OPERANDS[op]!;
  const immediate = immediateText(tables, address);
  const interval = intervalText(values.low[address]!, values.high[address]!);
  const classes = `line${selected ? " selected" : ""}${hit ? " hit" : ""}${index % 2 ? " odd" : ""}`;
  return (
    <div
      id={`i${address}`}
      role="row"
      class={classes}
      aria-rowindex={index + 2}
      aria-selected={selected}
      style={at(top)}
      onClick={() => select(address)}
    >
      <span role="gridcell" class="address">
        {hex(address)}
      </span>
      <span role="gridcell" class="opcode">
        {OP_NAMES[op]!.toLowerCase()}
      </span>
      <Place found={found} address={address} operand="r" wide={op === Op.GATHER} />
      {operands.includes("a") && <Place found={found} address={address} operand="a" />}
      {!operands.includes("a") && op !== Op.GATHER && <span role="gridcell" />}
      {operands.includes("b") ? (
        <Place found={found} address={address} operand="b" immediate={immediate} />
      ) : (
        <span role="gridcell" class="immediate" title={immediate}>
          {immediate}
        </span>
      )}
      <span role="gridcell" class="interval" title={interval}>
        {interval}
      </span>
      <Costs found={found} address={address} />
    </div>
  );
});

/** Where a row is put. */
export function at(top: number): CSSProperties {
  return { transform: `translateY(${top}px)`, height: `${ROW_PX}px` };
}

interface PlaceProps {
  found: Analysis;
  address: number;
  operand: Operand;
  immediate?: string;
  /** Takes the next column as well: names of activations are long. */
  wide?: boolean;
}

function Place({ found, address, operand, immediate, wide }: PlaceProps) {
  const { code } = found.tables;
  const value = valueOf(found, address, operand);
  const name = found.names.of(value);
  const place = placeText(fieldOf(code, address, operand));
  const tail = Math.max(0, name.lastIndexOf("["));
  const kind = value === NONE ? "empty" : KIND_NAMES[found.values.kind[value]!]!;
  return (
    <span
      role="gridcell"
      class={wide ? "operand wide" : "operand"}
      aria-colspan={wide ? 2 : undefined}
      title={`${name} in ${place} (${kind})${immediate ? ` ${immediate}` : ""}`}
    >
      <i class="swatch" style={{ "--colour": `var(--kind-${kind})` }} />
      <span class="name">
        <span class="stem">{name.slice(0, tail)}</span>
        <span>{name.slice(tail)}</span>
      </span>
      <span class={`place place-${operand}`}>{place}</span>
    </span>
  );
}

function Costs({ found: { counts }, address }: { found: Analysis; address: number }) {
  return (
    <>
      <Count value={counts.cycles[address]!} />
      <Count value={counts.searches[address]!} more={counts.sourceSearches[address]!} />
      <Count value={counts.writes[address]!} />
      <Count value={counts.shifts[address]!} more={counts.sourceShifts[address]!} />
    </>
  );
}

function Count({ value, more = 0 }: { value: number; more?: number }) {
  return (
    <span
      role="gridcell"
      class="number"
      title={more ? `${value} here, ${more} in the arrays it gathers from` : undefined}
    >
      {countText(value, more)}
    </span>
  );
}
