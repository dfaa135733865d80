/** The third dimension: which rows of the arrays an image's positions take. */

import { count, integer, percent } from "../model/format";
import { summary } from "../payload";

const DRAWN = 3;
const SIDE = 36;

/** One square of rows x columns for each array of a tile, its used rows filled. */
export function RowsSketch({ layer }: { layer: number }) {
  const { target, layers } = summary();
  const { positions, row_tiles, columns, waves } = layers[layer]!;
  const drawn = Math.min(row_tiles, DRAWN);
  const used = (k: number) => Math.min(target.rows, positions - k * target.rows) / target.rows;
  const last = positions - (row_tiles - 1) * target.rows;
  return (
    <figure class="rows-sketch">
      <svg width={drawn * (SIDE + 6)} height={SIDE + 2} aria-hidden="true">
        {Array.from({ length: drawn }, (_, k) => (
          <g key={k} transform={`translate(${k * (SIDE + 6) + 1} 1)`}>
            <rect class="frame" width={SIDE} height={SIDE} />
            <rect
              class="used"
              width={Math.max(1, (SIDE * columns) / target.columns)}
              height={Math.max(1, SIDE * used(k))}
            />
          </g>
        ))}
      </svg>
      <figcaption class="muted">
        Each cell above is {target.rows} rows deep. {count(positions, "position")} of an image take{" "}
        {count(row_tiles, "array")}
        {row_tiles > DRAWN && ` (${DRAWN} drawn)`}: {integer(last)} rows of the {row_tiles > 1 ? "last" : "only"} one (
        {percent(last / target.rows)}), at most {integer(columns)} columns
        {waves > 1 && `; the chip’s arrays are filled ${integer(waves)} times`}.
      </figcaption>
    </figure>
  );
}
