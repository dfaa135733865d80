// What the cells of an array hold, when, and how much they are written. A cell is numbered column * domains + domain.

import type { Analysis } from "../machine/analysis";
import { fieldOf, type Field, type TileTables } from "../machine/records";
import { NONE, type TileValues } from "../machine/values";
import { summary } from "../payload";
import { writePasses } from "./wear";

/** How finely the picture of columns over time is cut. */
export const BINS = 512;

/** Of one tile. Time is in cycles of its instructions. */
export interface Liveness {
  columns: number;
  domains: number;
  /** By cell: the share of the tile's time in which it holds what is needed later. */
  share: Float32Array;
  /** By cell: write passes that include it. */
  writes: Uint32Array;
  /** By column and bin: mean number of live cells. */
  overTime: Float32Array;
  /** The instruction after which most cells are live, and how many those are. */
  peak: number;
  peakCells: number;
  /** Cycles before each instruction, and in total. */
  starts: Float64Array;
}

/** The last instruction at which a value matters; one beyond the last of the tile for what remains at its end. */
export function lastUse({ last, lastRead, output, made }: TileValues, value: number): number {
  return output[value] !== NONE ? made.length : Math.max(last[value]!, lastRead[value]!);
}

/** Visits the cells of a field. */
export function cells({ column, domain, width, across }: Field, domains: number, visit: (cell: number) => void): void {
  const stride = across ? domains : 1;
  for (let bit = 0, cell = column * domains + domain; bit < width; bit++, cell += stride) visit(cell);
}

/** Visits the cells of what is there before the first instruction. */
export function residents({ facts }: TileTables, domains: number, visit: (cell: number, value: number) => void): void {
  facts.resident.forEach(([column, domain, width, signed, across], value) => {
    cells({ column, domain, width, signed: !!signed, across: !!across }, domains, (cell) => visit(cell, value));
  });
}

const known = new WeakMap<TileTables, Liveness>();

export function liveness(found: Analysis): Liveness {
  let result = known.get(found.tables);
  if (!result) known.set(found.tables, (result = compute(found)));
  return result;
}

function compute(found: Analysis): Liveness {
  const { columns, domains } = summary().target;
  const { length } = found.tables.code;
  const starts = new Float64Array(length + 1);
  for (let i = 0; i < length; i++) starts[i + 1] = starts[i]! + found.counts.cycles[i]!;
  const ledger = new Ledger(columns, domains, starts);
  follow(found, domains, ledger);
  const [peak, peakCells] = ledger.peak();
  const { share, overTime } = ledger;
  return { columns, domains, share, overTime, peak, peakCells, starts, writes: writePasses(found, domains) };
}

/** Adds up spans of instructions in which cells are live. */
class Ledger {
  readonly share: Float32Array;
  readonly overTime: Float32Array;
  private readonly change: Int32Array;
  private readonly total: number;

  constructor(
    columns: number,
    private readonly domains: number,
    private readonly starts: Float64Array,
  ) {
    this.share = new Float32Array(columns * domains);
    this.overTime = new Float32Array(columns * BINS);
    this.change = new Int32Array(starts.length + 1);
    this.total = starts[starts.length - 1] || 1;
  }

  /**
   * A cell holds a value from instruction `from`, which writes it, until `until` puts another one there; `use` is the
   * last instruction that the value matters to. It is live from the start of `from` to the end of `use`.
   */
  add(cell: number, from: number, until: number, use: number): void {
    if (use <= from) return;
    const first = Math.max(0, from);
    const start = (this.starts[first]! / this.total) * BINS;
    const stop = (this.starts[Math.min(until, use + 1)]! / this.total) * BINS;
    this.share[cell] = this.share[cell]! + (stop - start) / BINS;
    this.change[first]!++;
    this.change[Math.min(until, use)]!--;
    const row = Math.floor(cell / this.domains) * BINS;
    for (let bin = Math.floor(start); bin < stop && bin < BINS; bin++) {
      const overlap = Math.min(stop, bin + 1) - Math.max(start, bin);
      this.overTime[row + bin] = this.overTime[row + bin]! + overlap;
    }
  }

  /** [instruction, cells] of the fullest moment. */
  peak(): [number, number] {
    let [live, most, at] = [0, 0, 0];
    this.change.forEach((change, i) => {
      live += change;
      if (live > most) [most, at] = [live, i];
    });
    return [at, most];
  }
}

function follow({ tables, values }: Analysis, domains: number, ledger: Ledger): void {
  const { code } = tables;
  const held = new Int32Array(ledger.share.length).fill(NONE);
  const since = new Int32Array(ledger.share.length).fill(NONE);
  const close = (cell: number, until: number) => {
    const value = held[cell]!;
    if (value !== NONE) ledger.add(cell, since[cell]!, until, lastUse(values, value));
  };
  residents(tables, domains, (cell, value) => (held[cell] = value));
  for (let i = 0; i < code.length; i++) {
    const made = values.made[i]!;
    cells(fieldOf(code, i, "r"), domains, (cell) => {
      if (held[cell] === made) return;
      close(cell, i);
      held[cell] = made;
      since[cell] = i;
    });
  }
  held.forEach((_, cell) => close(cell, code.length));
}

/** Whether a value that is held after instruction `moment` is needed later. */
export function isLive(values: TileValues, value: number, moment: number): boolean {
  return lastUse(values, value) > moment;
}
