/** Zooming and panning of the graph: d3 keeps the transform, Preact draws it. */

import { select } from "d3-selection";
import { type ZoomBehavior, type ZoomTransform, zoom, zoomIdentity, zoomTransform } from "d3-zoom";
import { useEffect, useRef, useState } from "preact/hooks";

import { firstLook, revealed, whole } from "../model/framing";
import { type Picture } from "../model/graph";

const SCALES: [number, number] = [0.05, 4];

export type Zoom = ReturnType<typeof useZoom>;

export function useZoom(drawn: Picture, selected: string | null) {
  const box = useRef<SVGSVGElement>(null);
  const behaviour = useRef<ZoomBehavior<SVGSVGElement, unknown> | null>(null);
  const [transform, setTransform] = useState<ZoomTransform>(zoomIdentity);
  const move = (to: (element: SVGSVGElement, size: DOMRect) => ZoomTransform) => {
    const element = box.current;
    if (element) behaviour.current?.transform(select(element), to(element, element.getBoundingClientRect()));
  };
  const reveal = (id: string | null) => {
    const node = drawn.nodes.find((item) => item.id === id);
    if (node) move((element, size) => revealed(zoomTransform(element), node, size));
  };

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    behaviour.current = zoom<SVGSVGElement, unknown>()
      .scaleExtent(SCALES)
      .on("zoom", (event: { transform: ZoomTransform }) => setTransform(event.transform));
    select(element).call(behaviour.current).on("dblclick.zoom", null);
    move((_, size) => firstLook(drawn, size, selected));
    return () => void select(element).on(".zoom", null);
  }, [drawn]);
  useEffect(() => reveal(selected), [selected]);

  return {
    box,
    transform,
    by: (factor: number) => box.current && behaviour.current?.scaleBy(select(box.current), factor),
    fit: () => move((_, size) => whole(drawn, size)),
    reveal,
  };
}
