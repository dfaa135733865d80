// Pictures of an array as pixels: a colour a cell, or a colour a column and moment.

import type { Analysis } from "../machine/analysis";
import { KIND_NAMES, NONE } from "../machine/values";
import { colour } from "../theme";
import { BINS, isLive, type Liveness } from "./liveness";

export type Mode = "occupancy" | "liveness" | "writes" | "time";
type Rgb = readonly [number, number, number];

/** How much of its colour a value keeps that is no longer needed. */
const DEAD = 0.22;

/** What each cell holds after `moment`; values that are not needed any more are faint. */
export function occupancyPixels({ values }: Analysis, held: Int32Array, moment: number, lives: Liveness): ImageData {
  const empty = rgb("--kind-empty");
  const kinds = KIND_NAMES.map((name) => rgb(`--kind-${name}`));
  return byCell(lives, (cell) => {
    const value = held[cell]!;
    if (value === NONE) return empty;
    const full = kinds[values.kind[value]!]!;
    return isLive(values, value, moment) ? full : mix(empty, full, DEAD);
  });
}

/** The share of the time that every cell is live, from nothing to the most of any. */
export function livenessPixels(lives: Liveness): ImageData {
  const most = greatest(lives.share);
  const ramp = heatRamp();
  return byCell(lives, (cell) => ramp(lives.share[cell]! / most));
}

/** Write passes of every cell, on a logarithmic scale: those of the carry are far more than any other. */
export function writePixels(lives: Liveness): ImageData {
  const most = Math.log1p(greatest(lives.writes));
  const ramp = heatRamp();
  return byCell(lives, (cell) => ramp(Math.log1p(lives.writes[cell]!) / most));
}

/** Live cells by column (downwards) and time (to the right). */
export function timePixels(lives: Liveness): ImageData {
  const ramp = heatRamp();
  const image = new ImageData(BINS, lives.columns);
  for (let i = 0; i < lives.overTime.length; i++) put(image, i, ramp(lives.overTime[i]! / lives.domains));
  return image;
}

export function greatest(quantity: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < quantity.length; i++) most = Math.max(most, quantity[i]!);
  return most || 1;
}

/** An image of columns (to the right) and domains (downwards). */
function byCell({ columns, domains }: Liveness, paint: (cell: number) => Rgb): ImageData {
  const image = new ImageData(columns, domains);
  for (let column = 0; column < columns; column++) {
    for (let domain = 0; domain < domains; domain++)
      put(image, domain * columns + column, paint(column * domains + domain));
  }
  return image;
}

function put({ data }: ImageData, pixel: number, [red, green, blue]: Rgb): void {
  data.set([red, green, blue, 255], 4 * pixel);
}

/** Nothing is empty; the least of something is already told apart from it. */
function heatRamp(): (share: number) => Rgb {
  const [empty, low, high] = [rgb("--kind-empty"), rgb("--heat-low"), rgb("--heat-high")];
  return (share) => (share <= 0 ? empty : mix(low, high, 0.12 + 0.88 * Math.min(1, share)));
}

function mix(one: Rgb, other: Rgb, share: number): Rgb {
  const between = (i: 0 | 1 | 2) => Math.round(one[i] + (other[i] - one[i]) * share);
  return [between(0), between(1), between(2)];
}

/** A colour "#rrggbb" of the style sheet. */
function rgb(property: string): Rgb {
  const value = Number.parseInt(colour(property).slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
