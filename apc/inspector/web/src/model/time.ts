/** The static schedule as tracks of bars. */

import { type LayerFacts, type Summary, type TimelineLayer, type TimelinePhase } from "../payload";
import { layerOf } from "../state";

export interface Bar {
  start: number;
  length: number;
  name: string;
  colour: string;
}

/** What tiles do, by the first word of a phase's name. */
export const PHASE_KINDS: Record<string, { title: string; colour: string }> = {
  load: { title: "gathering inputs", colour: "var(--c1)" },
  sum: { title: "summing", colour: "var(--c2)" },
  requantise: { title: "requantising", colour: "var(--c3)" },
  "read-out": { title: "read-out", colour: "var(--c5)" },
  rewind: { title: "rewinding", colour: "var(--c8)" },
};
const OTHER = { title: "other work", colour: "var(--c4)" };

export function phaseKind(name: string): { title: string; colour: string } {
  return PHASE_KINDS[name.split(" ")[0] ?? ""] ?? OTHER;
}

/** Phases of the longest tile of a layer's first wave; runs of the same kind as one bar. */
export function phaseBars(phases: TimelinePhase[]): Bar[] {
  const bars: Bar[] = [];
  for (const { name, start_cycle, cycles } of phases) {
    const { title, colour } = phaseKind(name);
    const last = bars[bars.length - 1];
    if (last?.name === title) last.length = start_cycle + cycles - last.start;
    else bars.push({ start: start_cycle, length: cycles, name: title, colour });
  }
  return bars;
}

/** What happens in a layer: the phases of its first wave, and the waves that follow as one bar. */
export function layerBars({ start_cycle, cycles, waves, phases }: TimelineLayer): Bar[] {
  const first = waves[0];
  if (waves.length < 2 || !first) return phaseBars(phases);
  const later = {
    start: first.start_cycle + first.cycles,
    name: `${waves.length - 1} more waves`,
    colour: "var(--line-strong)",
  };
  return [...phaseBars(phases), { ...later, length: start_cycle + cycles - later.start }];
}

/** Round numbers of cycles, three to seven steps, counted from `start`. */
export function ticks(start: number, length: number): number[] {
  const rough = length / 6 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const marks: number[] = [];
  for (let mark = 0; mark <= length; mark += step) marks.push(start + mark);
  return marks;
}

/** The layer that a route's item names, "layer3"; else the one that takes longest. */
export function chosenLayer(report: Summary, item: string | null): LayerFacts | undefined {
  const named = report.layers[layerOf(item) ?? -1];
  return named ?? [...report.layers].sort((one, other) => other.cycles - one.cycles)[0];
}
