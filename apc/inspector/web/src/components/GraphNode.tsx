import { percent } from "../model/format";
import { type Placed, shownName } from "../model/graph";

interface Props {
  node: Placed;
  /** Of the network's cycles or energy, 0 to 1; undefined: of a tensor, or not shown. */
  share: number | undefined;
  /** The largest share of any layer, for the lengths of bars. */
  peak: number;
  /** What the share is of. */
  measure: string;
  selected: boolean;
  /** Whether Tab stops here. */
  stop: boolean;
  onSelect: (id: string) => void;
  onFocus: (id: string) => void;
}

const PAD = 10;

/** A layer with its cost, or a tensor. */
export function Node({ node, share, peak, measure, selected, stop, onSelect, onFocus }: Props) {
  return (
    <g
      class={`node ${node.kind}${selected ? " selected" : ""}`}
      transform={`translate(${node.x - node.width / 2},${node.y - node.height / 2})`}
      role="button"
      tabIndex={stop ? 0 : -1}
      data-node={node.id}
      aria-pressed={selected}
      aria-label={spoken(node, share, measure)}
      onClick={() => onSelect(node.id)}
      onFocus={() => onFocus(node.id)}
    >
      <rect class="body" width={node.width} height={node.height} rx={node.kind === "layer" ? 6 : node.height / 2} />
      {node.kind === "layer" ? (
        <>
          <text class="name" x={PAD} y="19">
            {shownName(node)}
          </text>{" "}
          <text class="about" x={PAD} y="36">
            {String(node["op"])}
          </text>{" "}
          {share !== undefined && <Cost node={node} share={share} length={share / (peak || 1)} />}
        </>
      ) : (
        <text class="about" x={node.width / 2} y={node.height / 2 + 4} text-anchor="middle">
          {shownName(node)}
        </text>
      )}
    </g>
  );
}

/** The share in words, as a bar and as a tint. */
function Cost({ node, share, length }: { node: Placed; share: number; length: number }) {
  const bar = { x: PAD, y: node.height - 12, height: 5, rx: 2.5 };
  const rail = node.width - 2 * PAD;
  return (
    <>
      <text class="about" x={node.width - PAD} y="36" text-anchor="end">
        {percent(share)}
      </text>
      <rect class="rail" {...bar} width={rail} />
      <rect class="cost" {...bar} width={Math.max(2, rail * length)} />
      <rect class="heat" width={node.width} height={node.height} rx="6" style={{ opacity: 0.28 * length }} />
    </>
  );
}

/** Begins with what is drawn, so that those who speak to their computer can name it. */
function spoken(node: Placed, share: number | undefined, measure: string): string {
  const shown = shownName(node);
  const name = shown === node.name ? shown : `${shown} (${node.name})`;
  if (node.kind === "tensor") return `${name}, tensor: ${node["shape"]}, ${node["bits"]} bits`;
  const cost = share === undefined ? "" : ` ${percent(share)} of the ${measure}`;
  return `${name} ${node["op"]}${cost}, layer: ${node["instructions"]} instructions`;
}
