// What the cells hold after any instruction, found from the nearest state that was kept.

import type { Analysis } from "../machine/analysis";
import { fieldOf, type TileTables } from "../machine/records";
import { NONE } from "../machine/values";
import { summary } from "../payload";
import { cells, residents } from "./liveness";

/** By cell: the value that it holds, and the instruction that wrote it last (NONE: none). */
export interface Held {
  value: Int32Array;
  since: Int32Array;
}

/** A state is kept after every so many instructions. */
const KEPT = 8192;

const states = new WeakMap<TileTables, Held[]>();

/** What each cell holds after instruction `moment`. */
export function heldAfter(found: Analysis, moment: number): Held {
  const kept = states.get(found.tables) ?? [start(found)];
  states.set(found.tables, kept);
  const nearest = Math.min(Math.floor((moment + 1) / KEPT), kept.length - 1);
  const held = copy(kept[nearest]!);
  for (let i = nearest * KEPT; i <= moment; i++) {
    if (i === kept.length * KEPT) kept.push(copy(held));
    write(found, held, i);
  }
  return held;
}

function start({ tables }: Analysis): Held {
  const { columns, domains } = summary().target;
  const held = {
    value: new Int32Array(columns * domains).fill(NONE),
    since: new Int32Array(columns * domains).fill(NONE),
  };
  residents(tables, domains, (cell, value) => (held.value[cell] = value));
  return held;
}

function copy({ value, since }: Held): Held {
  return { value: value.slice(), since: since.slice() };
}

function write({ tables: { code }, values }: Analysis, held: Held, i: number): void {
  cells(fieldOf(code, i, "r"), summary().target.domains, (cell) => {
    held.value[cell] = values.made[i]!;
    held.since[cell] = i;
  });
}
