/** Every figure that a price was computed with, and where it comes from. */

import { Select } from "../components/Select";
import { type Column, Table } from "../components/Table";
import { integer, withUnit } from "../model/format";
import { type Figure, summary } from "../payload";
import { navigate, route } from "../state";

const COLUMNS: Column<Figure>[] = [
  { key: "backend", title: "target", value: (figure) => figure.backend },
  { key: "key", title: "figure", value: (figure) => figure.key },
  {
    key: "value",
    title: "value",
    value: (figure) => figure.value,
    render: valueText,
  },
  { key: "unit", title: "unit", value: (figure) => figure.unit, fileOnly: true },
  { key: "year", title: "year", value: (figure) => figure.year, text: String },
  {
    key: "assumed",
    title: "assumed",
    value: (figure) => figure.assumed,
    render: (figure) =>
      figure.assumed ? <span class="badge assumed">assumed</span> : <span class="muted">published</span>,
  },
  { key: "source", title: "source", value: (figure) => figure.source, wrap: true },
  { key: "note", title: "note", value: (figure) => figure.note, wrap: true },
];

const ALL = "all";

export function Figures() {
  const { figures, target } = summary();
  const backends = [...new Set(figures.map((figure) => figure.backend))];
  const chosen = backends.find((name) => name === route.value.item) ?? (route.value.item === ALL ? ALL : target.name);
  const rows = chosen === ALL ? figures : figures.filter((figure) => figure.backend === chosen);
  const assumed = rows.filter((figure) => figure.assumed).length;
  const choices = [...backends.map((name) => [name, name] as const), [ALL, "All targets"] as const];
  const columns = COLUMNS.filter(
    ({ key }) => (key !== "note" || rows.some((figure) => figure.note)) && (key !== "backend" || chosen === ALL),
  );
  return (
    <div class="stack">
      <header class="stack tight">
        <h1>Figures and their sources</h1>
        <p class="lead">
          Counts are exact; what an event costs is a figure. {integer(assumed)} of these {integer(rows.length)} figures
          are assumed: no publication gives them. Change one with <code>--set KEY=VALUE</code>.
        </p>
      </header>
      <Table
        caption={chosen === ALL ? "All targets" : chosen}
        file={`figures-${chosen}`}
        columns={columns}
        rows={rows}
        rowKey={(figure) => `${figure.backend} ${figure.key}`}
        head="key"
        filter
        tools={
          backends.length > 1 && (
            <Select quiet label="Target" value={chosen} options={choices} onPick={(item) => navigate({ item })} />
          )
        }
      />
    </div>
  );
}

function valueText({ value, unit }: Figure): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? value : withUnit(value, unit);
}
