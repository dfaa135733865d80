// Searching instructions by text or /regular expression/, in slices so that the page stays alive.

import { computed, signal } from "@preact/signals";

import { identify } from "../machine/analysis";
import { summary } from "../payload";
import { announce, navigate, route } from "../state";
import { searchedText } from "./words";

export type Scope = "tile" | "layer" | "program";

interface Hit {
  layer: number;
  tile: number;
  address: number;
}

interface Progress {
  hits: Hit[];
  /** All that were found; `hits` are the first of them. */
  count: number;
  searched: number;
  total: number;
  done: boolean;
}

export const query = signal("");
export const scope = signal<Scope>("layer");
export const problem = signal("");
export const progress = signal<Progress | null>(null);
/** Which hit was gone to last. */
export const current = signal(-1);

/** The addresses found in each tile, by "layer-tile", for marking rows. */
const byTile = computed<Map<string, Set<number>>>(() => {
  const found = new Map<string, Set<number>>();
  for (const { layer, tile, address } of progress.value?.hits ?? []) {
    const key = `${layer}-${tile}`;
    const addresses = found.get(key);
    if (addresses) addresses.add(address);
    else found.set(key, new Set([address]));
  }
  return found;
});

const NOTHING: ReadonlySet<number> = new Set();

/** The addresses found in one tile. */
export function marked(layer: number, tile: number): ReadonlySet<number> {
  return byTile.value.get(`${layer}-${tile}`) ?? NOTHING;
}

const KEPT_HITS = 50_000;
const SLICE_MS = 24;
const BETWEEN_LOOKS = 512;

let run = 0;

/** What a query matches; throws SyntaxError for a wrong expression. "/.../" is one, everything else plain text. */
function matcher(text: string): (line: string) => boolean {
  const expression = /^\/(.+)\/(i?)$/.exec(text);
  if (expression) {
    const pattern = new RegExp(expression[1]!, expression[2]);
    return (line) => pattern.test(line);
  }
  const wanted = text.toLowerCase();
  return (line) => line.toLowerCase().includes(wanted);
}

/** Begins anew; a search that is under way ends. */
export async function search(): Promise<void> {
  const mine = ++run;
  const text = query.value.trim();
  problem.value = "";
  progress.value = null;
  current.value = -1;
  if (!text) return;
  try {
    const matches = matcher(text);
    const tiles = searched();
    const state: Progress = { hits: [], count: 0, searched: 0, total: 0, done: false };
    const { layers } = summary();
    state.total = tiles.reduce((sum, [layer, tile]) => sum + layers[layer]!.tiles[tile]!.instructions, 0);
    for (const [layer, tile] of tiles) if (!(await searchTile(layer, tile, matches, state, () => run === mine))) return;
    progress.value = { ...state, done: true };
    announce(`${state.count} found`);
  } catch (error) {
    if (run === mine) problem.value = error instanceof SyntaxError ? "Not a regular expression" : String(error);
  }
}

/** The tiles of the scope, the one that is shown first. */
function searched(): [number, number][] {
  const { layer, tile } = route.value;
  const { layers } = summary();
  if (scope.value === "tile") return [[layer, tile]];
  const wanted = scope.value === "layer" ? layers.slice(layer, layer + 1) : layers;
  return wanted.flatMap(({ index, tiles }) => tiles.map((_, number): [number, number] => [index, number]));
}

async function searchTile(
  layer: number,
  tile: number,
  matches: (line: string) => boolean,
  state: Progress,
  wanted: () => boolean,
): Promise<boolean> {
  const found = await identify(layer, tile);
  let since = performance.now();
  const { length } = found.tables.code;
  for (let address = 0; address < length; address++) {
    if (matches(searchedText(found, address))) {
      if (state.count++ < KEPT_HITS) state.hits.push({ layer, tile, address });
    }
    state.searched++;
    if (address % BETWEEN_LOOKS || performance.now() - since < SLICE_MS) continue;
    progress.value = { ...state };
    await new Promise((resume) => setTimeout(resume));
    if (!wanted()) return false;
    since = performance.now();
  }
  return wanted();
}

/** Goes to the next hit (`step` 1) or the one before (-1), round the ends; at first from where the reader is. */
export function next(step: 1 | -1): void {
  const hits = progress.value?.hits ?? [];
  if (!hits.length) return;
  const here = current.value >= 0 ? current.value + step : nearest(hits, step);
  current.value = (here + hits.length) % hits.length;
  navigate({ view: "microcode", ...hits[current.value]! });
  announce(`${current.value + 1} of ${hits.length}`);
}

function nearest(hits: Hit[], step: 1 | -1): number {
  const { layer, tile, address } = route.value;
  const here = [layer, tile, address ?? 0];
  const after = hits.findIndex((hit) => compare([hit.layer, hit.tile, hit.address], here) >= 0);
  const first = after < 0 ? hits.length : after;
  return step > 0 ? first : first - 1;
}

function compare(one: number[], other: number[]): number {
  const at = one.findIndex((part, i) => part !== other[i]);
  return at < 0 ? 0 : one[at]! - other[at]!;
}
