import { type RefObject } from "preact";
import { useState } from "preact/hooks";

import { type Direction, type Link, neighbour, type Picture } from "../model/graph";
import { Node } from "./GraphNode";
import { Icon } from "./Icon";
import { useZoom, type Zoom } from "./zooming";

interface Props {
  drawn: Picture;
  /** Of every layer, 0 to 1; empty: not coloured. */
  shares: number[];
  /** What the shares are of. */
  measure: string;
  selected: string | null;
  onSelect: (id: string) => void;
}

const STEP = 1.3;

/** The drawing: one Tab stop, arrow keys follow the edges, Enter chooses, + - 0 zoom. */
export function GraphCanvas({ drawn, shares, measure, selected, onSelect }: Props) {
  const view = useZoom(drawn, selected);
  const [focused, setFocused] = useState(selected ?? drawn.nodes[0]?.id ?? "");
  const stop = drawn.nodes.some((node) => node.id === focused) ? focused : drawn.nodes[0]?.id;
  const peak = Math.max(0, ...shares);
  const onFocus = (id: string) => {
    setFocused(id);
    view.reveal(id);
  };
  return (
    <section
      class="graph-canvas"
      aria-label="Graph; arrow keys follow its edges, Enter shows a node's facts, plus and minus zoom"
      onKeyDown={(event) => onKey(event, drawn, view, onSelect)}
    >
      <svg ref={view.box} role="group" aria-label="Layers and tensors">
        <Arrow />
        <g transform={view.transform.toString()}>
          <Links links={drawn.links} selected={selected} />
          {drawn.nodes.map((node) => (
            <Node
              key={node.id}
              node={node}
              share={node.kind === "layer" ? shares[Number(node.id.slice("layer".length))] : undefined}
              peak={peak}
              measure={measure}
              selected={node.id === selected}
              stop={node.id === stop}
              onSelect={onSelect}
              onFocus={onFocus}
            />
          ))}
        </g>
      </svg>
      <div class="graph-tools" role="group" aria-label="Zoom">
        <Tool name="plus" title="Zoom in" onClick={() => view.by(STEP)} />
        <Tool name="minus" title="Zoom out" onClick={() => view.by(1 / STEP)} />
        <Tool name="fit" title="Show the whole graph" onClick={view.fit} />
      </div>
    </section>
  );
}

/** Keys that zoom, follow edges and choose. */
function onKey(event: KeyboardEvent, drawn: Picture, view: Zoom, onSelect: (id: string) => void): void {
  const id = (event.target as Element).closest<SVGGElement>("[data-node]")?.dataset["node"];
  if (event.key === "+" || event.key === "=") view.by(STEP);
  else if (event.key === "-") view.by(1 / STEP);
  else if (event.key === "0") view.fit();
  else if (id && (event.key === "Enter" || event.key === " ")) onSelect(id);
  else if (id && event.key.startsWith("Arrow")) focusNode(view.box, neighbour(drawn, id, event.key as Direction));
  else return;
  event.preventDefault();
}

function Links({ links, selected }: { links: Link[]; selected: string | null }) {
  return (
    <>
      {links.map(({ source, target, path }) => (
        <path
          key={`${source}-${target}`}
          class={source === selected || target === selected ? "link near" : "link"}
          d={path}
          marker-end="url(#arrow)"
        />
      ))}
    </>
  );
}

function Arrow() {
  return (
    <defs>
      <marker
        id="arrow"
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerUnits="userSpaceOnUse"
        markerWidth="9"
        markerHeight="9"
        orient="auto"
      >
        <path d="M0,0.5L8,4L0,7.5z" fill="var(--line-strong)" />
      </marker>
    </defs>
  );
}

function Tool({ name, title, onClick }: { name: "plus" | "minus" | "fit"; title: string; onClick: () => void }) {
  return (
    <button type="button" class="button outlined" title={title} aria-label={title} onClick={onClick}>
      <Icon name={name} />
    </button>
  );
}

function focusNode(box: RefObject<SVGSVGElement | null>, id: string | undefined): void {
  if (id) box.current?.querySelector<SVGGElement>(`[data-node="${id}"]`)?.focus();
}
