import * as Plot from "@observablehq/plot";

import { type Backend, KINDS } from "../model/comparison";
import { fitted, joules, seconds, tick } from "../model/format";
import { placed } from "../model/labels";
import { Chart } from "./Chart";

interface Point {
  name: string;
  kind: string;
  time_s: number;
  energy_J: number;
  colour: string;
}

/** Shapes and colours of kinds: either alone tells them apart. */
const SHAPES: Record<string, { colour: string; symbol: Plot.SymbolType }> = {
  "rtm-ap": { colour: "var(--c1)", symbol: "circle" },
  crossbar: { colour: "var(--c2)", symbol: "square" },
  "sram-acim": { colour: "var(--c3)", symbol: "triangle" },
};

const MARGINS = { marginLeft: 58, marginRight: 24, marginTop: 26, marginBottom: 40, inset: 18 };

/** Energy against time, both logarithmic: the lower left is the better. */
export function EnergyTime({ backends }: { backends: Backend[] }) {
  const points: Point[] = backends.map(({ name, kind, latency_s, energy_J }) => ({
    name,
    kind,
    time_s: latency_s,
    energy_J: energy_J["total"] ?? 0,
    colour: SHAPES[kind]?.colour ?? "var(--c8)",
  }));
  return (
    <Chart
      title="Energy and time"
      label={`Energy against time of an image: ${points.map((point) => about(point).replace("\n", " ")).join("; ")}`}
      inputs={[backends]}
      options={(width) => options(points, width)}
      legend={<Shapes />}
    />
  );
}

function Shapes() {
  return (
    <ul class="legend">
      {Object.entries(SHAPES).map(([kind, { symbol, colour }]) => (
        <li key={kind}>
          <span class={`shape ${String(symbol)}`} style={{ "--colour": colour }} />
          {KINDS[kind]}
        </li>
      ))}
    </ul>
  );
}

function about(point: Point): string {
  return `${point.name}\n${joules(point.energy_J)}, ${seconds(point.time_s)}`;
}

function options(points: Point[], width: number): Plot.PlotOptions {
  const height = Math.min(420, Math.max(300, width * 0.6));
  const place = { x: "time_s", y: "energy_J" };
  const tip = { fill: "var(--surface)", stroke: "var(--line-strong)" };
  return {
    ...MARGINS,
    height,
    x: { type: "log", label: "time of an image", grid: true, tickFormat: powers("s"), ticks: width / 120 },
    y: { type: "log", label: "energy of an image", grid: true, tickFormat: powers("J"), ticks: 5 },
    marks: [
      ...Object.entries(SHAPES).map(([kind, { symbol, colour }]) =>
        Plot.dot(
          points.filter((point) => point.kind === kind),
          { ...place, symbol, r: 5, fill: colour, stroke: "var(--surface)" },
        ),
      ),
      ...names(points, width, height),
      Plot.tip(points, Plot.pointer({ ...place, title: about, ...tip })),
    ],
  };
}

/** The points' names, laid out in the pixels that Plot's logarithmic scales will give them. */
function names(points: Point[], width: number, height: number): Plot.Markish[] {
  const { marginLeft, marginRight, marginTop, marginBottom, inset } = MARGINS;
  const x = logarithmic(
    points.map(({ time_s }) => time_s),
    marginLeft + inset,
    width - marginRight - inset,
  );
  const y = logarithmic(
    points.map(({ energy_J }) => energy_J),
    height - marginBottom - inset,
    marginTop + inset,
  );
  const spots = points.map(({ name, time_s, energy_J }) => ({ x: x(time_s), y: y(energy_J), text: fitted(name, 26) }));
  const places = placed(spots, { left: 0, right: width, top: 0, bottom: height });
  return points.map((point, place) => {
    const { anchor, dx, dy } = places[place]!;
    return Plot.text([point], {
      x: "time_s",
      y: "energy_J",
      text: () => spots[place]!.text,
      textAnchor: anchor,
      dx,
      dy,
      fontSize: 11,
      stroke: "var(--surface)",
      strokeWidth: 3,
      fill: "var(--text)",
    });
  });
}

function logarithmic(values: number[], from: number, to: number): (value: number) => number {
  const [low, high] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
  return (value) => from + ((Math.log(value) - low) / (high - low || 1)) * (to - from);
}

/** Only powers of ten are labelled. */
function powers(unit: string): (value: number) => string {
  return (value) =>
    Math.abs(Math.log10(value) % 1) < 1e-6 || Math.abs(Math.log10(value) % 1) > 1 - 1e-6 ? tick(value, unit) : "";
}
