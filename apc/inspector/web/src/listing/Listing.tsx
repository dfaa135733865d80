/** The instructions of a tile, one a row. */

import type { CSSProperties } from "preact";
import { memo } from "preact/compat";

import type { Analysis } from "../machine/analysis";
import { fieldOf, hex, immediateText, Op, OP_NAMES, OPERANDS, placeText, type Operand } from "../machine/records";
import { KIND_NAMES, NONE } from "../machine/values";
import { integer } from "../model/format";
import { route } from "../state";
import { marked, next } from "./search";
import { move, phaseOf, rowOf, rows, select, shown } from "./state";
import { VirtualList } from "./VirtualList";
import { intervalText, valueOf } from "./words";

const ROW_PX = 24;
const HEADS = ["address", "opcode", "r (result)", "a", "b or immediate", "interval of r", "cycles", "search", "write", "shift"];
const TITLES: Record<string, string> = {
  cycles: "Of this instruction on one array, with what it waits for in its sources' arrays",
  search: "Search passes; + those in the arrays it gathers from",
  write: "Write passes",
  shift: "Shift steps; + those in the arrays it gathers from",
  "interval of r": "What the integer in r can be afterwards, as it is stored",
};

export function Listing() {
  const found = shown.value!;
  const list = rows.value;
  const { address } = route.value;
  const active = address === null ? -1 : rowOf(address);
  const { facts, layer, tile } = found.tables;
  const hits = marked(layer, tile);
  const row = (index: number, top: number) => {
    const entry = list[index]!;
    if (entry < 0) return <PhaseRow key={entry} name={facts.phases[-1 - entry]![0]} index={index} top={top} />;
    return (
      <Row key={entry} found={found} address={entry} index={index} top={top} selected={entry === address} hit={hits.has(entry)} />
    );
  };
  return (
    <VirtualList
      label={`Instructions of layer ${layer}, tile ${tile}`}
      count={list.length}
      columns={HEADS.length}
      rowHeight={ROW_PX}
      active={active}
      activeId={address === null ? undefined : `i${address}`}
      header={<Header />}
      row={row}
      onKeyDown={onKeyDown}
    />
  );
}

function Header() {
  return (
    <div role="row" class="line heads" aria-rowindex={1}>
      {HEADS.map((name, i) => (
        <span key={name} role="columnheader" title={TITLES[name]} class={i > 5 ? "number" : undefined}>
          {name}
        </span>
      ))}
    </div>
  );
}

function PhaseRow({ name, index, top }: { name: string; index: number; top: number }) {
  return (
    <div role="row" class="line phase" aria-rowindex={index + 2} style={at(top)}>
      <span role="gridcell" aria-colspan={HEADS.length}>
        {name}
      </span>
    </div>
  );
}

interface RowProps {
  found: Analysis;
  address: number;
  index: number;
  top: number;
  selected: boolean;
  hit: boolean;
}

const Row = memo(function Row({ found, address, index, top, selected, hit }: RowProps) {
  const { tables, values } = found;
  const op = tables.code.op[address]!;
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
      {op !== Op.GATHER && <Place found={found} address={address} operand="a" />}
      {OPERANDS[op]!.includes("b") ? (
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

function at(top: number): CSSProperties {
  return { transform: `translateY(${top}px)`, height: `${ROW_PX}px` };
}

interface PlaceProps {
  found: Analysis;
  address: number;
  operand: Operand;
  immediate?: string;
  /** Takes the next column as well. */
  wide?: boolean;
}

function Place({ found, address, operand, immediate, wide }: PlaceProps) {
  const { code } = found.tables;
  const value = valueOf(found, address, operand);
  const name = found.names.of(value);
  const place = placeText(fieldOf(code, address, operand));
  const kind = value === NONE ? "empty" : KIND_NAMES[found.values.kind[value]!]!;
  return (
    <span role="gridcell" class={wide ? "operand wide" : "operand"} aria-colspan={wide ? 2 : undefined} title={`${name} in ${place} (${kind})${immediate ? ` ${immediate}` : ""}`}>
      <i class="swatch" style={{ "--colour": `var(--kind-${kind})` }} />
      <span class="name">
        <bdi>{name}</bdi>
      </span>
      <span class="place">{place}</span>
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
    <span role="gridcell" class="number" title={more ? `${value} here, ${more} in the arrays it gathers from` : undefined}>
      {more ? `${value}+${more}` : integer(value)}
    </span>
  );
}

function onKeyDown(event: KeyboardEvent, page: number): void {
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  const far = rows.value.length;
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -far, End: far };
  const step = steps[event.key];
  if (step !== undefined) move(step);
  else if (event.key === "g") document.getElementById("go-to")?.focus();
  else if (event.key === "/") document.getElementById("search")?.focus();
  else if (event.key === "n" || event.key === "N") next(event.key === "n" ? 1 : -1);
  else if (event.key === "[" || event.key === "]") toPhase(event.key === "]" ? 1 : -1);
  else return;
  event.preventDefault();
}

/** To where the next phase begins, or this one, or the one before. */
function toPhase(step: 1 | -1): void {
  const found = shown.value!;
  const { phases } = found.tables.facts;
  const here = route.value.address ?? 0;
  const phase = phaseOf(found, here);
  const back = phases[phase]?.[1] === here ? phase - 1 : phase;
  const target = phases[step > 0 ? phase + 1 : back];
  if (target) select(target[1]);
}
