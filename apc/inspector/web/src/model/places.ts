// Whether the page has the place that its address names.

import { type Summary } from "../payload";

/** A place as it is asked for: of numbers NaN where the text is none, null where it is not given. */
export interface Asked {
  view: string;
  layer: number | null;
  tile: number | null;
  address: number | null;
}

/** What the page does not have of a place, in one line that says what is shown instead; "" where it has all. */
export function missingIn(asked: Asked, views: readonly string[], { layers }: Summary): string {
  if (!views.includes(asked.view)) return `There is no view “${asked.view}”: this is the ${views[0]}.`;
  const layer = layers[asked.layer ?? 0];
  if (!layer) return `There is no such layer: they are numbered 0 to ${layers.length - 1}. This is layer 0.`;
  const tile = layer.tiles[asked.tile ?? 0];
  if (!tile) return `There is no such tile: layer ${layer.name} has 0 to ${layer.tiles.length - 1}. This is tile 0.`;
  return asked.address === null ? "" : missingAddress(asked.address, tile.instructions);
}

/** The same of an address in a tile of so many instructions. */
export function missingAddress(address: number, instructions: number): string {
  if (address >= 0 && address < instructions) return "";
  return `There is no such instruction: this tile has 0x0 to 0x${Math.max(0, instructions - 1).toString(16)}.`;
}
