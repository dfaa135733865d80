import { plot, type PlotOptions } from "@observablehq/plot";
import { type ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  title: string;
  /** What the picture shows, for those who do not see it. */
  label: string;
  /** The plot for a width in pixels; drawn again when the width changes. */
  options: (width: number) => PlotOptions;
  /** Whatever else the drawing depends on. */
  inputs: unknown[];
  tools?: ComponentChildren;
  legend?: ComponentChildren;
  /** The same as a table, behind a disclosure. */
  data?: ComponentChildren;
}

/** A plot in the page's colours, with its data as a table beside it. */
export function Chart({ title, label, options, inputs, tools, legend, data }: Props) {
  const [box, width] = useWidth();
  useEffect(() => {
    const element = box.current;
    if (!element || width === 0) return;
    const drawn = plot({
      ...options(width),
      width,
      style: { background: "transparent", color: "var(--text)", fontSize: "12px" },
    });
    for (const part of drawn.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", label);
    element.replaceChildren(drawn);
  }, [width, label, ...inputs]);
  return (
    <figure class="chart">
      <figcaption class="chart-title">
        <h2>{title}</h2>
        {tools}
      </figcaption>
      {legend}
      <div class="plot" ref={box} />
      {data && (
        <details>
          <summary>Show the data</summary>
          {data}
        </details>
      )}
    </figure>
  );
}

/** The width of an element as the page lays it out, in whole pixels. */
function useWidth() {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return [box, width] as const;
}
