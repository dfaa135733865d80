/** The dataflow graph as it is drawn: layers and tensors, placed by dagre. */

import { Graph, layout } from "@dagrejs/dagre";

import { type GraphEdge, type GraphNode, type Summary } from "../payload";
import { fitted } from "./format";

/** `x`, `y`: of its middle. */
interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
}

export type Placed = GraphNode & Place;

export interface Link {
  source: string;
  target: string;
  /** An SVG path. */
  path: string;
}

export interface Picture {
  nodes: Placed[];
  links: Link[];
  width: number;
  height: number;
}

/** Pixels: of a node without its name, and of a character; names longer than `NAME` characters lose their start. */
const LAYER = { least: 150, padding: 24, character: 7.7, height: 56 };
const TENSOR = { least: 90, padding: 28, character: 6.1, height: 26 };
const NAME = 40;

/** `tensors`: whether those between layers are drawn too; what enters and leaves the network always is. */
export function picture(report: Summary, tensors: boolean): Picture {
  const { nodes, edges } = tensors ? report.graph : contracted(report.graph.nodes, report.graph.edges);
  const graph = new Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 28, ranksep: tensors ? 22 : 34, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, sized(node));
  for (const edge of edges) graph.setEdge(edge.source, edge.target, {});
  layout(graph);
  const size = graph.graph() as { width: number; height: number };
  return {
    nodes: nodes.map((node) => ({ ...node, ...(graph.node(node.id) as Place) })),
    links: edges.map(({ source, target }) => ({ source, target, path: curve(graph.edge(source, target).points) })),
    width: Math.max(1, size.width), // -Infinity where there is no node
    height: Math.max(1, size.height),
  };
}

/** What of a name is drawn. */
export function shownName({ name }: GraphNode): string {
  return fitted(name, NAME);
}

function sized(node: GraphNode): { width: number; height: number } {
  const { least, padding, character, height } = node.kind === "layer" ? LAYER : TENSOR;
  return { width: Math.max(least, Math.ceil(shownName(node).length * character) + padding), height };
}

/** Tensors between layers become edges from the layer that makes them to those that read them. */
function contracted(nodes: GraphNode[], edges: GraphEdge[]): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const inner = new Set(
    nodes
      .filter(
        ({ id, kind }) =>
          kind === "tensor" && edges.some((edge) => edge.target === id) && edges.some((edge) => edge.source === id),
      )
      .map(({ id }) => id),
  );
  const direct = edges.filter((edge) => !inner.has(edge.source) && !inner.has(edge.target));
  for (const into of edges) {
    if (!inner.has(into.target)) continue;
    for (const out of edges) if (out.source === into.target) direct.push({ source: into.source, target: out.target });
  }
  return { nodes: nodes.filter(({ id }) => !inner.has(id)), edges: direct };
}

/** A smooth path through dagre's points: straight ends, a quadratic bend at every point between. */
function curve(points: { x: number; y: number }[]): string {
  const [first, ...rest] = points;
  if (!first || rest.length === 0) return "";
  const last = rest.pop()!;
  let path = `M${first.x},${first.y}`;
  rest.forEach((point, place) => {
    const next = rest[place + 1] ?? last;
    const end = place === rest.length - 1 ? last : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    path += `Q${point.x},${point.y} ${end.x},${end.y}`;
  });
  return rest.length ? path : `${path}L${last.x},${last.y}`;
}

export type Direction = "ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight";

/** The node that an arrow key goes to: along an edge up or down, else the nearest beside it. */
export function neighbour({ nodes, links }: Picture, from: string, direction: Direction): string | undefined {
  if (direction === "ArrowDown") return links.find((link) => link.source === from)?.target;
  if (direction === "ArrowUp") return links.find((link) => link.target === from)?.source;
  const here = nodes.find((node) => node.id === from);
  if (!here) return undefined;
  const sign = direction === "ArrowRight" ? 1 : -1;
  const beside = nodes.filter((node) => sign * (node.x - here.x) > 1 && Math.abs(node.y - here.y) < LAYER.height * 2);
  return beside.sort(
    (one, other) => Math.hypot(one.x - here.x, one.y - here.y) - Math.hypot(other.x - here.x, other.y - here.y),
  )[0]?.id;
}
