import * as Plot from "@observablehq/plot";
import { type ComponentChildren } from "preact";

import { type Sensitivity, type Swing } from "../model/comparison";
import { fitted, times } from "../model/format";
import { Chart } from "./Chart";
import { Legend } from "./pieces";

const SHOWN = 12;
const ROW = 24;
const NAMES = 0.42;
const CHARACTER = 6.6;
const ENDS = [
  { name: "figure lower", end: "ratio_low", colour: "var(--c1)" },
  { name: "figure higher", end: "ratio_high", colour: "var(--c2)" },
] as const;

interface Props {
  swings: Sensitivity;
  factor: number | null;
  data: ComponentChildren;
}

/** The constants that move the ratio of energies most; the line is a tie. */
export function Tornado({ swings, factor, data }: Props) {
  const rows = swings.rows.slice(0, SHOWN);
  const change = factor === null ? "" : ` each divided and multiplied by ${factor}`;
  return (
    <Chart
      title="Which constant decides"
      label={`Ratio of energies with${change}: ${rows.map((row) => about(row).replace("\n", ", ")).join("; ")}`}
      inputs={[swings]}
      options={(width) => options(rows, swings.ratio, width)}
      tools={
        <span class="muted">
          The {rows.length} largest swings,{change}. ⇄: the winner changes; dashed: a tie.
        </span>
      }
      legend={<Legend parts={ENDS} />}
      data={data}
    />
  );
}

function options(rows: Swing[], ratio: number, width: number): Plot.PlotOptions {
  const labels = new Map(rows.map((row) => [keyOf(row), row.flips ? `${row.key} ⇄` : row.key]));
  const longest = Math.max(...[...labels.values()].map(({ length }) => length)) * CHARACTER + 16;
  const characters = (width * NAMES) / CHARACTER;
  return {
    height: rows.length * ROW + 74,
    marginLeft: Math.min(width * NAMES, longest),
    marginRight: 24,
    marginBottom: 44,
    x: {
      type: "log",
      label: "array's energy over the AP's",
      grid: true,
      tickFormat: (value: number) => times(value),
      ticks: Math.max(2, Math.min(6, width / 140)),
    },
    y: {
      label: null,
      domain: rows.map(keyOf),
      tickSize: 0,
      tickFormat: (key: string) => fitted(labels.get(key) ?? key, characters),
    },
    marks: [
      ...ENDS.map(({ end, colour }) => bars(rows, ratio, end, colour)),
      Plot.ruleX([ratio], { stroke: "var(--text)" }),
      Plot.ruleX([1], { stroke: "var(--muted)", strokeDasharray: "4 3" }),
    ],
  };
}

/** From the ratio as it is to the one with the figure at an end of its range. */
function bars(rows: Swing[], ratio: number, end: "ratio_low" | "ratio_high", fill: string): Plot.Markish {
  const tip = { fill: "var(--surface)", stroke: "var(--line-strong)" };
  const taken = rows.filter((row) => row[end] !== null);
  return Plot.barX(taken, { x1: ratio, x2: end, y: keyOf, fill, insetTop: 3, insetBottom: 3, title: about, tip });
}

function about(row: Swing): string {
  const [low, high] = [row.ratio_low, row.ratio_high].map((ratio) => (ratio === null ? "refused" : times(ratio)));
  return `${row.backend}: ${row.key}\nlow ${low}, high ${high}`;
}

function keyOf({ backend, key }: Swing): string {
  return `${backend} ${key}`;
}
