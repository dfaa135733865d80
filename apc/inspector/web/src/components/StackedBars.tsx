import { barX, type PlotOptions, text as textMark } from "@observablehq/plot";
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

/** Of a choice between lengths and shares. */
export const SCALES = { absolute: "Energy", share: "Share" } as const;
export type Scale = keyof typeof SCALES;

const ROW = 24;
/** The margin of names, at most this share of the width, and pixels of a character. */
const NAMES = 0.34;
const CHARACTER = 6.6;
const TIP = { fill: "var(--surface)", stroke: "var(--line-strong)" };

interface Whole {
  name: string;
  whole: number;
}

/** A bar for each name, its parts one after the other, the whole in words at its end. */
export function StackedBars(props: Props) {
  const { title, label, unit, stacks, parts, text, share, tools, data } = props;
  const wholes = stacks.map(({ name, parts: values }) => ({
    name,
    whole: parts.reduce((sum, part) => sum + (values[part.name] ?? 0), 0),
  }));
  return (
    <Chart
      title={title}
      label={`${label}: ${wholes.map(({ name, whole }) => `${name} ${text(whole)}`).join(", ")}`}
      options={(width) => options(props, wholes, width)}
      inputs={[stacks, share, unit]}
      tools={tools}
      legend={parts.length > 1 && <Legend parts={parts} />}
      data={data}
    />
  );
}

function options({ unit, stacks, parts, text, share }: Props, wholes: Whole[], width: number): PlotOptions {
  const pixels = (texts: string[]) => Math.max(0, ...texts.map(({ length }) => length)) * CHARACTER + 16;
  const pieces = stacks.flatMap((stack, place) => laidOut(stack, parts, share, wholes[place]!.whole, text));
  const insets = { insetRight: 0.5, insetTop: 2, insetBottom: 2 };
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
      barX(pieces, { x1: "from", x2: "to", y: "name", fill: "colour", ...insets, title: "about", tip: TIP }),
      textMark(wholes, {
        x: share ? () => 1 : "whole",
        y: "name",
        text: ({ whole }: Whole) => text(whole),
        textAnchor: "start",
        dx: 6,
      }),
    ],
  };
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
