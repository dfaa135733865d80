/** Which part of a picture a window of some size shows, as d3's zoom transforms. */

import { type ZoomTransform, zoomIdentity } from "d3-zoom";

import { type Picture, type Placed } from "./graph";

interface Size {
  width: number;
  height: number;
}

/** The smallest scale at which names are read without effort. */
const READABLE = 0.85;
/** Small graphs are not blown up beyond this. */
const LARGEST = 1.2;
/** Pixels kept free around a node that is brought into sight. */
const PAD = 10;

/** All of it. */
export function whole(drawn: Picture, { width, height }: Size): ZoomTransform {
  const scale = Math.min(width / drawn.width, height / drawn.height, LARGEST);
  const [x, y] = [(width - scale * drawn.width) / 2, (height - scale * drawn.height) / 2];
  return zoomIdentity.translate(x, y).scale(scale);
}

/** What is seen first: all of it if that can be read, else the chosen node, else the beginning. */
export function firstLook(drawn: Picture, size: Size, selected: string | null): ZoomTransform {
  if (whole(drawn, size).k >= READABLE) return whole(drawn, size);
  const start = drawn.nodes.find((node) => node.id === selected);
  const middle = start ?? { x: drawn.nodes[0]?.x ?? drawn.width / 2, y: size.height / 2 / READABLE };
  const [x, y] = [size.width / 2 - READABLE * middle.x, size.height / 2 - READABLE * middle.y];
  return zoomIdentity.translate(x, y).scale(READABLE);
}

/** `now`, moved no farther than brings the node inside. */
export function revealed(now: ZoomTransform, node: Placed, { width, height }: Size): ZoomTransform {
  const [x, y] = now.apply([node.x, node.y]);
  const [half, tall] = [(now.k * node.width) / 2 + PAD, (now.k * node.height) / 2 + PAD];
  const across = Math.max(half - x, 0) - Math.max(x + half - width, 0);
  const down = Math.max(tall - y, 0) - Math.max(y + tall - height, 0);
  return zoomIdentity.translate(now.x + across, now.y + down).scale(now.k);
}
