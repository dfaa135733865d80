/** Columns of tables: what their cells are, how they sort and what matches a filter. */

import { type ComponentChildren } from "preact";

import { type Cell } from "../model/csv";
import { number } from "../model/format";

export interface Column<Row> {
  /** Head of the column in exported files: the key of the summary, with its unit. */
  key: string;
  title: string;
  value: (row: Row) => Cell;
  /** How a value reads; numbers are grouped by default. The exact value is in the title and in exports. */
  text?: (value: number) => string;
  /** What the cell shows instead of its text. */
  render?: (row: Row) => ComponentChildren;
  /** A bar behind the number, as long as the value is to the largest of the column. */
  bar?: boolean;
  /** What the column means. */
  help?: string;
  wrap?: boolean;
  /** In exported files only: what another column shows too, a unit for example. */
  fileOnly?: boolean;
  /** Set as numbers are, whatever its cells say. */
  numeric?: boolean;
}

export interface Order {
  key: string;
  ascending: boolean;
}

export function shownText<Row>(column: Column<Row>, value: Cell): string {
  if (typeof value === "number") return (column.text ?? number)(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value ?? "–";
}

export function isNumeric<Row>(column: Column<Row>, rows: Row[]): boolean {
  if (column.numeric) return true;
  return (
    rows.some((row) => typeof column.value(row) === "number") &&
    !rows.some((row) => typeof column.value(row) === "string")
  );
}

export function peak<Row>(column: Column<Row>, rows: Row[]): number {
  return rows.reduce((most, row) => Math.max(most, Number(column.value(row)) || 0), 0);
}

export function arranged<Row>(rows: Row[], columns: Column<Row>[], order: Order | null, query: string): Row[] {
  const wanted = query.trim().toLowerCase();
  const matching = wanted
    ? rows.filter((row) =>
        columns.some((column) =>
          String(column.value(row) ?? "")
            .toLowerCase()
            .includes(wanted),
        ),
      )
    : rows;
  const column = order && columns.find(({ key }) => key === order.key);
  if (!order || !column) return matching;
  const sign = order.ascending ? 1 : -1;
  return [...matching].sort((one, other) => sign * compared(column.value(one), column.value(other)));
}

function compared(one: Cell, other: Cell): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (one === null || other === null) return (one === null ? 0 : 1) - (other === null ? 0 : 1);
  return String(one).localeCompare(String(other), undefined, { numeric: true });
}
