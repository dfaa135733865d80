// Passes, shift steps and cycles of every instruction: a port of ir.counts._trace and apc.cycles.instruction_cycles.

import { summary, type Timing } from "../payload";
import { A_ACROSS, B_ACROSS, gathers, Op, R_ACROSS, type Code, type TileTables } from "./records";
import type { Signatures } from "./signatures";

/** The columns' offsets are kept before every so many instructions, so that expanding one does not start at 0. */
const CHECKPOINT = 4096;

/** One entry an instruction. `searches`, `writes`, `shifts` happen in the tile's own arrays. */
export interface Trace {
  signature: Int32Array;
  cycles: Uint32Array;
  searches: Uint16Array;
  writes: Uint16Array;
  shifts: Uint16Array;
  sourceSearches: Uint32Array;
  sourceShifts: Uint32Array;
  /** Steps that bring all columns back to offset 0 at the end. */
  rewindSteps: number;
  /** The domain at the port of each column before instruction k * CHECKPOINT. */
  checkpoints: Uint8Array[];
}

export function trace(tile: TileTables, book: Signatures): Trace {
  const { code } = tile;
  const signature = book.of(tile);
  const paths = packPaths(book);
  const offsets = new Uint8Array(summary().target.columns);
  const shifts = new Uint16Array(code.length);
  const checkpoints: Uint8Array[] = [];
  for (let i = 0; i < code.length; i++) {
    if (i % CHECKPOINT === 0) checkpoints.push(offsets.slice());
    shifts[i] = follow(code, i, paths, signature[i]! * PATH, offsets);
  }
  const searches = new Uint16Array(code.length);
  const writes = new Uint16Array(code.length);
  for (let i = 0; i < code.length; i++) {
    const facts = book.all[signature[i]!]!;
    searches[i] = facts.searches;
    writes[i] = facts.writes;
  }
  const counts = { signature, searches, writes, shifts, ...spread(tile) };
  const rewindSteps = offsets.reduce((total, offset) => total + offset, 0);
  return { ...counts, cycles: cycles(code, counts), rewindSteps, checkpoints };
}

/** The offsets of all columns before instruction `i`. */
export function offsetsBefore(code: Code, { signature, checkpoints }: Trace, i: number, book: Signatures): Uint8Array {
  const start = Math.min(Math.floor(i / CHECKPOINT), checkpoints.length - 1);
  const offsets = checkpoints[start]?.slice() ?? new Uint8Array(summary().target.columns);
  const paths = packPaths(book);
  for (let k = Math.max(0, start * CHECKPOINT); k < i; k++) follow(code, k, paths, signature[k]! * PATH, offsets);
  return offsets;
}

const PATH = 12;
const packed = new WeakMap<Signatures, Float64Array>();

/** (mask, first, last, inner) of a, b, r, of one signature after another. */
function packPaths(book: Signatures): Float64Array {
  let paths = packed.get(book);
  if (!paths) packed.set(book, (paths = Float64Array.from(book.all.flatMap(({ path }) => path.flat()))));
  return paths;
}

/** Steps that instruction `i` shifts; `offsets` follow. */
function follow(code: Code, i: number, paths: Float64Array, start: number, offsets: Uint8Array): number {
  const flags = code.flags[i]!;
  let total = 0;
  if (paths[start]) {
    total += move(code.aColumn[i]!, code.aDomain[i]!, flags & A_ACROSS, paths, start, offsets);
  }
  if (paths[start + 4]) {
    total += move(code.bColumn[i]!, code.bDomain[i]!, flags & B_ACROSS, paths, start + 4, offsets);
  }
  if (paths[start + 8]) {
    total += move(code.rColumn[i]!, code.rDomain[i]!, flags & R_ACROSS, paths, start + 8, offsets);
  }
  return total;
}

function move(
  column: number,
  domain: number,
  across: number,
  paths: Float64Array,
  start: number,
  offsets: Uint8Array,
): number {
  if (!across) {
    const steps = Math.abs(domain + paths[start + 1]! - offsets[column]!) + paths[start + 3]!;
    offsets[column] = domain + paths[start + 2]!;
    return steps;
  }
  let total = 0;
  for (let mask = paths[start]!; mask; mask = Math.floor(mask / 2), column++) {
    if (mask % 2) {
      total += Math.abs(domain - offsets[column]!);
      offsets[column] = domain;
    }
  }
  return total;
}

/** What gathering instructions cost in their sources' arrays, by instruction. */
function spread({ code, sourceSearches, sourceShifts }: TileTables): Pick<Trace, "sourceSearches" | "sourceShifts"> {
  const all = { sourceSearches: new Uint32Array(code.length), sourceShifts: new Uint32Array(code.length) };
  let number = 0;
  for (let i = 0; i < code.length; i++) {
    if (!gathers(code.op[i]!)) continue;
    all.sourceSearches[i] = sourceSearches[number]!;
    all.sourceShifts[i] = sourceShifts[number++]!;
  }
  return all;
}

type Counts = Pick<Trace, "searches" | "writes" | "shifts" | "sourceSearches" | "sourceShifts">;

function cycles(code: Code, counts: Counts): Uint32Array {
  const { timing } = summary().target;
  const total = new Uint32Array(code.length);
  for (let i = 0; i < code.length; i++) {
    total[i] =
      (counts.searches[i]! + counts.sourceSearches[i]!) * timing.search_cycles +
      counts.writes[i]! * timing.write_cycles +
      (counts.shifts[i]! + counts.sourceShifts[i]!) * timing.shift_cycles +
      transferred(code, i, timing);
  }
  return total;
}

function transferred(code: Code, i: number, timing: Timing): number {
  if (code.op[i] === Op.GATHER) return code.rWidth[i]! * timing.transfer_cycles_per_gathered_bit;
  return code.op[i] === Op.MAC ? code.bWidth[i]! * timing.broadcast_cycles : 0;
}
