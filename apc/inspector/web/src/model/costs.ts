/** What the layers cost, in one vocabulary for tables, charts and the sentences of the overview. */

import { type Energy, type LayerFacts, type Summary } from "../payload";

/** Counts by instruction class. */
type ByClass = Record<string, number>;

export function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

export function totalOf(layers: LayerFacts[], key: NumberKey): number {
  return total(layers.map((layer) => layer[key]));
}

type NumberKey = {
  [Key in keyof LayerFacts]: LayerFacts[Key] extends number ? Key : never;
}[keyof LayerFacts];

/** Sums of records, key by key. */
export function summed(records: Iterable<Record<string, number>>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) sums[key] = (sums[key] ?? 0) + value;
  }
  return sums;
}

/** The largest first. */
export function ranked(record: Record<string, number>): [string, number][] {
  return Object.entries(record).sort((one, other) => other[1] - one[1]);
}

export function networkEnergy(report: Summary): Energy {
  return summed(report.layers.map((layer) => layer.energy_J));
}

export interface Cost {
  /** Of the network's. */
  share: number;
  of: "cycles" | "energy";
  /** What takes it: "shift", "ADD instructions"; empty: all that the layer does. */
  what: string;
  /** Where; null: in all layers. */
  layer: LayerFacts | null;
}

/** Costs that stand out, the largest share first: what the leading layers take of the energy and of the cycles, the
 * largest component of the energy in a layer, and the class of instructions with most cycles. */
export function biggestCosts(report: Summary): Cost[] {
  const { layers } = report;
  const cycles = totalOf(layers, "cycles") || 1;
  const energy = networkEnergy(report)["total"] || 1;
  const parts = layers.flatMap((layer) =>
    report.energy.components.map((part) => ({ layer, part, energy_J: layer.energy_J[part] ?? 0 })),
  );
  const hottest = largest(parts, (part) => part.energy_J);
  const [name, spent] = ranked(summed(layers.map((layer) => layer.cycles_by_class)))[0] ?? ["", 0];
  const costs: Cost[] = leadingLayers(report);
  costs.push({ share: spent / cycles, of: "cycles", what: `${name} instructions`, layer: null });
  if (hottest)
    costs.push({ share: hottest.energy_J / energy, of: "energy", what: hottest.part, layer: hottest.layer });
  return costs.sort((one, other) => other.share - one.share);
}

/** A layer's share of the network's energy or cycles. */
export interface LayerCost extends Cost {
  layer: LayerFacts;
}

/** The layer that leads in energy, then the one that leads in cycles. */
export function leadingLayers({ layers }: Summary): LayerCost[] {
  const measures: [Cost["of"], (layer: LayerFacts) => number][] = [
    ["energy", (layer) => layer.energy_J["total"] ?? 0],
    ["cycles", (layer) => layer.cycles],
  ];
  return measures.flatMap(([of, measure]) => {
    const layer = largest(layers, measure);
    return layer ? [{ share: measure(layer) / (total(layers.map(measure)) || 1), of, what: "", layer }] : [];
  });
}

function largest<Item>(items: Item[], of: (item: Item) => number): Item | undefined {
  return items.reduce<Item | undefined>((best, item) => (best && of(best) >= of(item) ? best : item), undefined);
}

interface Counted {
  by_class: Record<string, ByClass>;
  energy_J: Energy;
}

/** Which events a component of the energy is proportional to. */
const EVENTS: Record<string, string[]> = {
  search: ["search_rows", "source_search_rows"],
  write: ["written_bits"],
  shift: ["shifted_bits", "source_shifted_bits"],
};

/** Joules by instruction class and component, of what a run counted: a component is split as its events are. What no
 * instruction class has events of (control, movement, leakage) is left out. */
export function energyByClass({ by_class, energy_J }: Counted): Map<string, Energy> {
  const classes = new Map<string, Energy>();
  for (const [part, counters] of Object.entries(EVENTS)) {
    const events = summed(counters.map((counter) => by_class[counter] ?? {}));
    const all = total(Object.values(events)) || 1;
    for (const [name, happened] of Object.entries(events)) {
      const entry = classes.get(name) ?? {};
      entry[part] = ((energy_J[part] ?? 0) * happened) / all;
      classes.set(name, entry);
    }
  }
  return classes;
}

/** What the run says of a layer or, without one, of the network; null where there was no run. */
export function counted(report: Summary, layer: number | null): Counted | null {
  const run = report.run as (Counted & { layers: Counted[] }) | null;
  return layer === null ? run : (run?.layers[layer] ?? null);
}

/** [c, h, w] -> "16×8×8" */
export function shapeText(shape: readonly number[]): string {
  return shape.join("×");
}

/** The beginning of the names of exported files. */
export function fileStem(report: Summary): string {
  return report.program.file.replace(/\.apc$/, "") || "program";
}
