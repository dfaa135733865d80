/** The instructions of a tile, one a row. */

import { useMemo } from "preact/hooks";

import { onListKey, useKeys } from "./keyboard";
import { at, Row, ROW_PX } from "./Row";
import { marked } from "./search";
import { rowOf, rows, selected, shown } from "./state";
import { VirtualList } from "./VirtualList";
import { widths } from "./widths";

const HEADS = [
  "address",
  "op",
  "r, the result",
  "a",
  "b, immediate",
  "interval of r",
  "cycles",
  "search",
  "write",
  "shift",
];
const TITLES: Record<string, string> = {
  cycles: "Of this instruction on one array, with what it waits for in its sources' arrays",
  search: "Search passes; + those in the arrays it gathers from",
  write: "Write passes",
  shift: "Shift steps; + those in the arrays it gathers from",
  "interval of r": "What the integer in r can be afterwards, as it is stored",
};

export function Listing() {
  useKeys();
  const found = shown.value!;
  const list = rows.value;
  const address = selected.value;
  const active = rowOf(address);
  const { facts, layer, tile } = found.tables;
  const hits = marked(layer, tile);
  const layout = useMemo(() => ({ ...widths(found) }), [found]);
  const row = (index: number, top: number) => {
    const entry = list[index]!;
    if (entry < 0) return <PhaseRow key={entry} name={facts.phases[-1 - entry]![0]} index={index} top={top} />;
    return (
      <Row
        key={entry}
        found={found}
        address={entry}
        index={index}
        top={top}
        selected={entry === address}
        hit={hits.has(entry)}
      />
    );
  };
  return (
    <VirtualList
      label={`Instructions of layer ${layer}, tile ${tile}`}
      count={list.length}
      columns={HEADS.length}
      rowHeight={ROW_PX}
      active={active}
      activeId={list[active] === address ? `i${address}` : undefined}
      style={layout}
      header={<Header />}
      row={row}
      onKeyDown={onListKey}
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
