import { type ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";

import { type Cell, copy, csv, download, tsv } from "../model/csv";
import { integer } from "../model/format";
import { announce } from "../state";
import { arranged, type Column, isNumeric, type Order, peak, shownText } from "./columns";
import { CopyButton } from "./CopyButton";
import { Icon } from "./Icon";

export type { Column } from "./columns";

interface Props<Row> {
  /** What the table is, for its caption and the names of its files. */
  caption: string;
  file: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string | number;
  /** The key of the column that says what a row is of: its cells are heads for screen readers, and stay in sight. */
  head?: string;
  current?: (row: Row) => boolean;
  /** A last row, not sorted: a cell for each column, null where it is empty. */
  foot?: Cell[];
  filter?: boolean;
  tools?: ComponentChildren;
  /** No title above it, where a heading or a disclosure says it already. */
  bare?: boolean;
}

/** A table that can be sorted, filtered, copied and saved. */
export function Table<Row>(props: Props<Row>) {
  const { rows, caption } = props;
  const columns = useMemo(() => props.columns.filter(({ fileOnly }) => !fileOnly), [props.columns]);
  const [order, setOrder] = useState<Order | null>(null);
  const [query, setQuery] = useState("");
  const shown = useMemo(() => arranged(rows, columns, order, query), [rows, columns, order, query]);
  const numeric = useMemo(
    () => new Set(columns.filter((column) => isNumeric(column, rows)).map(({ key }) => key)),
    [columns, rows],
  );
  return (
    <figure class="table-block">
      <Tools table={props} shown={shown}>
        {props.filter && (
          <Filter query={query} setQuery={setQuery} caption={caption} found={shown.length} of={rows.length} />
        )}
      </Tools>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={`${caption}, scrollable`}>
        <table onClick={copyNumber}>
          <caption class="hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <Head
                  key={column.key}
                  column={column}
                  numeric={numeric.has(column.key)}
                  order={order}
                  setOrder={setOrder}
                />
              ))}
            </tr>
          </thead>
          <Body table={props} columns={columns} shown={shown} numeric={numeric} />
          {props.foot && <Foot columns={columns} cells={props.foot} numeric={numeric} />}
        </table>
      </div>
      {shown.length === 0 && <p class="empty">{query ? `Nothing matches “${query}”.` : "Nothing to show."}</p>}
    </figure>
  );
}

interface BodyProps<Row> {
  table: Props<Row>;
  columns: Column<Row>[];
  shown: Row[];
  numeric: Set<string>;
}

function Body<Row>({ table, columns, shown, numeric }: BodyProps<Row>) {
  const { rows, rowKey, current, head } = table;
  const peaks = useMemo(() => columns.map((column) => (column.bar ? peak(column, rows) : 0)), [columns, rows]);
  return (
    <tbody>
      {shown.map((row) => (
        <tr key={rowKey(row)} class={current?.(row) ? "current" : undefined}>
          {columns.map((column, place) => (
            <Data
              key={column.key}
              column={column}
              row={row}
              numeric={numeric.has(column.key)}
              peak={peaks[place]!}
              head={column.key === head}
            />
          ))}
        </tr>
      ))}
    </tbody>
  );
}

/** The title, and what takes the rows that are shown elsewhere: exact values, in the order on the screen. */
function Tools<Row>({ table, shown, children }: { table: Props<Row>; shown: Row[]; children: ComponentChildren }) {
  const { caption, columns, file } = table;
  const header = columns.map(({ key }) => key);
  const cells = () => shown.map((row) => columns.map((column) => column.value(row)));
  const save = () => download(`${file}.csv`, "text/csv", csv(header, cells()));
  return (
    <div class={table.bare ? "table-tools bare" : "table-tools"}>
      {!table.bare && <figcaption class="table-title">{caption}</figcaption>}
      {table.tools}
      {children}
      <CopyButton text={() => tsv(header, cells())} label="Copy" title={`Copy “${caption}”`} />
      <button type="button" class="button" title={`Save “${caption}” as CSV`} onClick={save}>
        <Icon name="download" />
        <span>CSV</span>
      </button>
    </div>
  );
}

function Filter({
  query,
  setQuery,
  caption,
  found,
  of,
}: {
  query: string;
  setQuery: (query: string) => void;
  caption: string;
  found: number;
  of: number;
}) {
  return (
    <label class="filter">
      <span class="hidden">Filter “{caption}”</span>
      <input
        type="search"
        placeholder="Filter"
        value={query}
        onInput={(event) => setQuery(event.currentTarget.value)}
      />
      <span class="muted count" aria-live="polite">
        {query && `${integer(found)} of ${integer(of)}`}
      </span>
    </label>
  );
}

interface HeadProps<Row> {
  column: Column<Row>;
  numeric: boolean;
  order: Order | null;
  setOrder: (order: Order | null) => void;
}

/** Numbers sort the largest first; the third press restores the table's own order. */
function Head<Row>({ column, numeric, order, setOrder }: HeadProps<Row>) {
  const mine = order?.key === column.key ? order : null;
  const sorted = mine ? (mine.ascending ? "ascending" : "descending") : undefined;
  const next = () => {
    if (!mine) setOrder({ key: column.key, ascending: !numeric });
    else setOrder(mine.ascending === !numeric ? { key: column.key, ascending: numeric } : null);
  };
  return (
    <th scope="col" class={numeric ? "number" : undefined} aria-sort={sorted}>
      <button type="button" class="sort" title={column.help} onClick={next}>
        {column.title}
        <span class="arrow" aria-hidden="true">
          {mine ? (mine.ascending ? "▲" : "▼") : ""}
        </span>
      </button>
    </th>
  );
}

interface DataProps<Row> {
  column: Column<Row>;
  row: Row;
  numeric: boolean;
  peak: number;
  head: boolean;
}

function Data<Row>({ column, row, numeric, peak: most, head }: DataProps<Row>) {
  const value = column.value(row);
  const content = column.render ? column.render(row) : shownText(column, value);
  const classes = [numeric && "number", column.bar && "barred", column.wrap && "wrap"].filter(Boolean).join(" ");
  const style =
    column.bar && typeof value === "number" && most > 0 ? { "--share": `${(100 * value) / most}%` } : undefined;
  const common = { class: classes || undefined, style, title: typeof value === "number" ? String(value) : undefined };
  return head ? (
    <th scope="row" {...common}>
      {content}
    </th>
  ) : (
    <td {...common}>{content}</td>
  );
}

function Foot<Row>({ columns, cells, numeric }: { columns: Column<Row>[]; cells: Cell[]; numeric: Set<string> }) {
  return (
    <tfoot>
      <tr>
        {columns.map((column, position) => (
          <td
            key={column.key}
            class={numeric.has(column.key) ? "number" : undefined}
            title={typeof cells[position] === "number" ? String(cells[position]) : undefined}
          >
            {shownText(column, cells[position] ?? null)}
          </td>
        ))}
      </tr>
    </tfoot>
  );
}

/** A click on a number copies its exact value, unless the reader is selecting text. */
function copyNumber(event: MouseEvent): void {
  const cell = (event.target as Element).closest<HTMLElement>("td.number[title]");
  if (!cell || (event.target as Element).closest("a, button") || String(window.getSelection()) !== "") return;
  void copy(cell.title).then((done) => {
    if (!done) return;
    announce(`Copied ${cell.title}`);
    cell.classList.add("copied");
    window.setTimeout(() => cell.classList.remove("copied"), 900);
  });
}
