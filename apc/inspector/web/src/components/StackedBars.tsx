import * as Plot from "@observablehq/plot";
import { type ComponentChildren } from "preact";

import { fitted, percent, tick } from "../model/format";
import { Chart } from "./Chart";
import { Legend } from "./pieces";

interface Stack {
  name: string;
  parts: Record<string, number>;
}

interface Props {
  title: string;
  label: string;
  unit: string;
  stacks: Stack[];
  /** The parts that occur, in order, with their colours. */
  parts: { name: string; colour: string }[];
  /** How the whole of a stack reads. */
  text: (value: number) => string;
  /** Every bar as long as the others, parts as shares. */
  share: boolean;
  tools?: ComponentChildren;
  data?: ComponentChildren;
}

const ROW = 24;
/** The margin of names, at most this share of the width, and pixels of a character. */
const NAMES = 0.34;
const CHARACTER = 6.6;
const TIP = { fill: "var(--surface)", stroke: "var(--line-strong)" };

/** A bar for each name, its parts one after the other, the whole in words at its end. */
export function StackedBars({ title, label, unit, stacks, parts, text, share, tools, data }: Props) {
  const order = parts.map(({ name }) => name);
  const wholes = stacks.map(({ name, parts: values }) => ({
    name,
    whole: order.reduce((sum, part) => sum + (values[part] ?? 0), 0),
  }));
  const pieces = stacks.flatMap((stack, place) => laidOut(stack, parts, share, wholes[place]!.whole, text));
  const options = (width: number): Plot.PlotOptions => {
    const pixels = (texts: string[]) => Math.max(...texts.map(({ length }) => length)) * CHARACTER + 16;
    return {
      height: stacks.length * ROW + 46,
      marginLeft: Math.min(pixels(stacks.map(({ name }) => name)), width * NAMES),
      marginRight: pixels(wholes.map(({ whole }) => text(whole))),
      x: {
        label: null,
        grid: true,
        ticks: Math.max(2, Math.min(8, width / 130)),
        tickFormat: share ? (value: number) => `${Math.round(100 * value)} %` : (value: number) => tick(value, unit),
      },
      y: {
        label: null,
        domain: stacks.map(({ name }) => name),
        tickSize: 0,
        tickFormat: (name: string) => fitted(name, (width * NAMES) / CHARACTER),
      },
      marks: [
        Plot.barX(pieces, {
          x1: "from",
          x2: "to",
          y: "name",
          fill: "colour",
          insetRight: 0.5,
          insetTop: 2,
          insetBottom: 2,
          title: "about",
          tip: TIP,
        }),
        Plot.text(wholes, {
          x: share ? () => 1 : "whole",
          y: "name",
          text: (item: { whole: number }) => text(item.whole),
          textAnchor: "start",
          dx: 6,
        }),
      ],
    };
  };
  return (
    <Chart
      title={title}
      label={`${label}: ${wholes.map(({ name, whole }) => `${name} ${text(whole)}`).join(", ")}`}
      options={options}
      inputs={[stacks, share, unit]}
      tools={tools}
      legend={parts.length > 1 && <Legend parts={parts} />}
      data={data}
    />
  );
}

/** Pieces of a bar one after the other, in the unit of the axis. */
function laidOut(
  { name, parts: values }: Stack,
  parts: Props["parts"],
  share: boolean,
  whole: number,
  text: (value: number) => string,
) {
  let to = 0;
  return parts.map((part) => {
    const value = values[part.name] ?? 0;
    const ratio = value / (whole || 1);
    const from = to;
    to += share ? ratio : value;
    return { name, from, to, colour: part.colour, about: `${name}\n${part.name}: ${text(value)}, ${percent(ratio)}` };
  });
}
