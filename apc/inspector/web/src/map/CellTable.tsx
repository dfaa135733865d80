/** The map as a table, a row a column of the array, for those who do not see it. */

import { useMemo, useState } from "preact/hooks";

import { Table, type Column } from "../components/Table";
import type { Analysis } from "../machine/analysis";
import { FLAG_COLUMNS, FLAGS, hex } from "../machine/records";
import { NONE } from "../machine/values";
import { isLive, type Liveness } from "./liveness";
import type { Held } from "./replay";

interface Row {
  column: number;
  holds: string;
  live: number;
  held: number;
  share: number;
  writes: number;
}

const COLUMNS: Column<Row>[] = [
  { key: "column", title: "column", value: (row) => row.column },
  { key: "holds", title: "holds, from domain 0 up", value: (row) => row.holds, wrap: true },
  { key: "live_cells", title: "live", value: (row) => row.live, help: "Cells with a bit that is needed later" },
  { key: "held_cells", title: "held", value: (row) => row.held, help: "Cells that have been written" },
  {
    key: "mean_live_cells",
    title: "mean live",
    value: (row) => Number(row.share.toFixed(3)),
    help: "Over the tile's time",
  },
  { key: "write_passes", title: "write passes", value: (row) => row.writes, bar: true },
];

interface Props {
  found: Analysis;
  living: Liveness;
  held: Held;
  now: number;
}

export function CellTable(props: Props) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The map as a table</summary>
      {open && <Columns {...props} />}
    </details>
  );
}

function Columns({ found, living, held, now }: Props) {
  const { layer, tile } = found.tables;
  const list = useMemo(() => rows(found, living, held, now), [found, living, held, now]);
  return (
    <Table
      caption={`Columns after ${hex(now)}`}
      file={`array-layer${layer}-tile${tile}-${hex(now)}`}
      columns={COLUMNS}
      rows={list}
      rowKey={(row) => row.column}
      head="column"
    />
  );
}

function rows(
  { values, names }: Analysis,
  { columns, domains, share, writes }: Liveness,
  held: Held,
  now: number,
): Row[] {
  const list: Row[] = [];
  for (let column = 0; column < columns; column++) {
    const row: Row = { column, holds: "", live: 0, held: 0, share: 0, writes: 0 };
    const holds = new Set<string>();
    for (let cell = column * domains; cell < (column + 1) * domains; cell++) {
      const value = held.value[cell]!;
      row.share += share[cell]!;
      row.writes += writes[cell]!;
      if (value === NONE) continue;
      row.held++;
      if (isLive(values, value, now)) row.live++;
      holds.add(names.of(value));
    }
    row.holds = column < FLAG_COLUMNS ? `flag ${FLAGS[column]}` : [...holds].join(", ");
    if (row.held || row.writes) list.push(row);
  }
  return list;
}
