/** The instructions of a tile, the array that they run on, and the selected one's details. */

import { useEffect } from "preact/hooks";

import { Details } from "../listing/Details";
import { Listing } from "../listing/Listing";
import { SearchBox } from "../listing/SearchBox";
import { open, problem, shown } from "../listing/state";
import { Toolbar } from "../listing/Toolbar";
import { ArrayMap } from "../map/ArrayMap";
import { summary } from "../payload";
import { route } from "../state";

export function Microcode() {
  const { layer, tile } = route.value;
  useEffect(() => void open(layer, tile), [layer, tile]);
  const name = summary().layers[layer]?.name ?? "";
  const tables = shown.value?.tables;
  const ready = tables !== undefined && tables.layer === layer && tables.tile === tile;
  return (
    <div class="microcode">
      <header class="microcode-head">
        <h1>
          Microcode <span class="muted">{name}</span>
        </h1>
        <Toolbar />
        <SearchBox />
      </header>
      {problem.value ? (
        <p class="note" role="alert">
          {problem.value}
        </p>
      ) : ready && tables.code.length === 0 ? (
        <p class="muted">This tile has no instructions.</p>
      ) : ready ? (
        <div class="microcode-body">
          <Listing key={`${layer}-${tile}`} />
          <div class="microcode-side">
            <ArrayMap />
            <Details />
          </div>
        </div>
      ) : (
        <p class="muted">Opening layer {layer} …</p>
      )}
    </div>
  );
}
