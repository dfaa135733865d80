/** Where the reader is: the route, mirrored in the address bar's hash so that a place can be bookmarked and sent. */

import { signal } from "@preact/signals";

import { type Asked, missingIn } from "./model/places";
import { summary } from "./payload";

export const VIEWS = [
  "overview",
  "graph",
  "microcode",
  "timeline",
  "energy",
  "comparison",
  "figures",
  "about",
] as const;

export type ViewName = (typeof VIEWS)[number];

export interface Route {
  view: ViewName;
  layer: number;
  tile: number;
  /** The selected instruction of the tile; null: none. */
  address: number | null;
  /** What is selected within the view, "layer3" or "t5" in the graph and the timeline; null: nothing. */
  item: string | null;
}

/** What `item` says where a layer is selected. */
export function layerItem(layer: number): string {
  return `layer${layer}`;
}

/** The layer that an item names, or null. */
export function layerOf(item: string | null): number | null {
  const number = /^layer(\d+)$/.exec(item ?? "")?.[1];
  return number === undefined ? null : Number(number);
}

const START: Route = { view: "overview", layer: 0, tile: 0, address: null, item: null };

/** How long the address bar may lag behind a slider or an arrow key held down: browsers refuse more than about
 * twenty changes a second. */
const SETTLE_MS = 250;

export const route = signal<Route>(START);

/** One line about a place that was asked for and is not there (Shell.tsx shows it); "" once the reader goes on. */
export const notice = signal("");

/** What screen readers are told (Shell.tsx renders it in a live region). */
export const announcement = signal("");

export function announce(text: string): void {
  announcement.value = text;
}

let pending: number | undefined;
/** The last hash that came from here. Its event arrives late: the reader may have gone on by then. */
let written = "";

/** Goes to a place. Another view, layer or tile begins without what was selected in the one before, unless that is
 * given too. A new view or layer is a step that the browser's back button undoes; a new address is not. */
export function navigate(partial: Partial<Route>): void {
  const before = route.value;
  const next = follow(before, partial);
  notice.value = "";
  if (formatHash(next) === formatHash(before)) return;
  route.value = next;
  window.clearTimeout(pending);
  if (next.view !== before.view || next.layer !== before.layer || next.item !== before.item) {
    location.hash = written = formatHash(next);
  } else {
    pending = window.setTimeout(() => location.replace((written = formatHash(route.value))), SETTLE_MS);
  }
}

/** The address of a place, for links. */
export function href(partial: Partial<Route>): string {
  return formatHash(follow(route.value, partial));
}

function follow(before: Route, partial: Partial<Route>): Route {
  const next = { ...before, ...partial };
  if (next.view !== before.view && partial.item === undefined) next.item = null;
  if (next.layer !== before.layer && partial.tile === undefined) next.tile = 0;
  if ((next.layer !== before.layer || next.tile !== before.tile) && partial.address === undefined) next.address = null;
  return next;
}

function formatHash({ view, layer, tile, address, item }: Route): string {
  const query = new URLSearchParams();
  if (layer) query.set("layer", String(layer));
  if (tile) query.set("tile", String(tile));
  if (address !== null) query.set("address", `0x${address.toString(16)}`);
  if (item !== null) query.set("item", item);
  const text = query.toString();
  return `#/${view}${text ? `?${text}` : ""}`;
}

/** What a hash asks for, and the item that it names. */
function parseHash(hash: string): [Asked, string | null] {
  const [path, text] = hash.replace(/^#\/?/, "").split("?", 2);
  const query = new URLSearchParams(text ?? "");
  const [layer, tile, address] = ["layer", "tile", "address"].map((name) => natural(query.get(name)));
  return [{ view: path || START.view, layer: layer!, tile: tile!, address: address! }, query.get("item")];
}

function natural(text: string | null): number | null {
  if (text === null) return null;
  const value = text.trim() ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
}

/** Goes where the address bar says; what it does not name, or names wrongly, is as at the start. */
function readHash(): void {
  const [asked, item] = parseHash(location.hash);
  const { layers } = summary();
  const layer = layers[asked.layer ?? NaN] ? asked.layer! : START.layer;
  const tile = layers[layer]?.tiles[asked.tile ?? NaN] ? asked.tile! : START.tile;
  const address = Number.isNaN(asked.address) ? START.address : asked.address;
  const next = { view: VIEWS.find((name) => name === asked.view) ?? START.view, layer, tile, address, item };
  if (formatHash(next) !== formatHash(route.value)) route.value = next;
  notice.value = missingIn(asked, VIEWS, summary());
}

/** Begins to follow the address bar, once the summary is open. */
export function followHash(): void {
  written = location.hash;
  readHash();
  window.addEventListener("hashchange", () => {
    if (location.hash === written) return;
    written = location.hash;
    readHash();
  });
}
