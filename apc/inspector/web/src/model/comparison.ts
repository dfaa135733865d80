/** The apc.compare/1 object (docs/json.md), as far as the page shows it. */

import { type Energy, type Summary } from "../payload";

export interface Backend {
  name: string;
  preset: string;
  kind: string;
  description: string;
  overrides: string[];
  energy_J: Energy;
  energy_source: string;
  latency_s: number;
  area_m2: number;
  energy_delay_Js: number;
  macs: number;
  energy_per_mac_J: number;
  tops_per_W: number;
  movement_share: number;
  accuracy: number | null;
  agreement: number | null;
  ratio_to_ap: number;
  layers: { name: string; energy_J: Energy }[];
  notes: string[];
}

interface Pair {
  ap: string;
  crossbar: string;
  ratio: number;
}

export interface Tie {
  key: string;
  unit: string;
  value: number;
  events_per_image: number;
  tie_value: number | null;
  headline_value: number | null;
  ratio_at_zero: number;
}

export interface BreakEven extends Pair {
  reaches_headline: boolean;
  figures: Tie[];
  devices: { keys: string[]; tie_factor: number | null; headline_factor: number | null; ratio_at_zero: number };
  adc: { energy_per_conversion_J: number; tie_factor: number | null; tie_per_conversion_J: number | null } | null;
}

export interface Swing {
  backend: string;
  key: string;
  unit: string;
  value: number;
  low: number;
  high: number;
  ratio_low: number | null;
  ratio_high: number | null;
  swing: number;
  flips: boolean;
}

export interface Sensitivity extends Pair {
  rows: Swing[];
}

export interface Compared {
  workload: { name: string; macs: number; batch: number };
  images: number | null;
  reference: string;
  backends: Backend[];
  break_even: { headline: { ratio: number; source: string }; pairs: BreakEven[] };
  sensitivity: { factor: number | null; pairs: Sensitivity[] };
  notes: string[];
}

export function comparison(report: Summary): Compared | null {
  return report.comparison as Compared | null;
}

/** The vocabulary that all backends share, in the order in which bars are stacked. */
export const COMPONENTS = ["sense", "compute", "adc", "accumulate", "buffer", "movement", "control", "leakage"];

/** What kinds are, in words. */
export const KINDS: Record<string, string> = {
  "rtm-ap": "associative processor",
  crossbar: "crossbar",
  "sram-acim": "SRAM array",
};

export function isProcessor(backend: Backend): boolean {
  return backend.kind === "rtm-ap";
}

/** How many figures of each backend are assumed, and how many there are. */
export function assumedFigures(report: Summary): Map<string, { assumed: number; all: number }> {
  const found = new Map<string, { assumed: number; all: number }>();
  for (const { backend, assumed } of report.figures) {
    const entry = found.get(backend) ?? { assumed: 0, all: 0 };
    found.set(backend, { assumed: entry.assumed + Number(assumed), all: entry.all + 1 });
  }
  return found;
}
