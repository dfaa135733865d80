// All that is known of one tile: its tables, what each instruction costs, what lives where, and the names.

import { microLines, rewindLines } from "./micro";
import { Names } from "./names";
import { openTile, type TileTables } from "./records";
import { signatures, type Signatures } from "./signatures";
import { trace, type Trace } from "./trace";
import { storedFields, tileValues, type TileValues } from "./values";

export interface Analysis {
  tables: TileTables;
  counts: Trace;
  values: TileValues;
  names: Names;
  book: Signatures;
}

/** Instructions of the tiles that are kept analysed, the least recently used going first. */
const KEPT_INSTRUCTIONS = 1 << 20;

const known = new Map<string, { size: number; found: Promise<Analysis> }>();

/** The analysis of a tile, from the cache where it is there. */
export function analyse(layer: number, tile: number): Promise<Analysis> {
  const key = `${layer}-${tile}`;
  const entry = known.get(key) ?? { size: 0, found: compute(layer, tile) };
  known.delete(key);
  known.set(key, entry);
  entry.found.then(
    ({ tables }) => {
      entry.size = tables.code.length;
      evict();
    },
    () => known.delete(key),
  );
  return entry.found;
}

async function compute(layer: number, tile: number): Promise<Analysis> {
  const [identified, book] = await Promise.all([open(layer, tile), signatures()]);
  await breathe();
  return { ...identified, book, counts: trace(identified.tables, book) };
}

/** What searching needs: the values of a tile and their names. */
export type Identified = Pick<Analysis, "tables" | "values" | "names">;

/** The same as `analyse` without counts; tiles that are not in the cache do not enter it. */
export function identify(layer: number, tile: number): Promise<Identified> {
  return known.get(`${layer}-${tile}`)?.found ?? open(layer, tile);
}

async function open(layer: number, tile: number): Promise<Identified> {
  const [tables, fields] = await Promise.all([openTile(layer, tile), storedFields()]);
  await breathe();
  const values = tileValues(tables, fields);
  return { tables, values, names: new Names(tables, values) };
}

/** Lets the page react between two parts of the work. */
function breathe(): Promise<void> {
  return new Promise((resume) => setTimeout(resume));
}

function evict(): void {
  let total = 0;
  for (const { size } of known.values()) total += size;
  for (const [key, { size }] of known) {
    if (total <= KEPT_INSTRUCTIONS || known.size <= 1) return;
    known.delete(key);
    total -= size;
  }
}

/** The micro-operations of an instruction; those of the rewinding at the address after the last one. */
export function microOf({ tables, counts, book }: Analysis, address: number): string[] {
  if (address === tables.code.length) return rewindLines(tables, counts, book);
  return microLines(tables, counts, book, address);
}
