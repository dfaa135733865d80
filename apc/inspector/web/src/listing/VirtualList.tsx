/** A list of any length of which only the rows in sight are in the document. */

import type { ComponentChildren, CSSProperties, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  label: string;
  count: number;
  columns: number;
  rowHeight: number;
  header: ComponentChildren;
  /** A row; `top` is where to put it, in pixels. */
  row: (index: number, top: number) => ComponentChildren;
  /** The row to keep in sight, -1 for none; `activeId` is its element's id. */
  active: number;
  activeId: string | undefined;
  style?: CSSProperties;
  onKeyDown: (event: KeyboardEvent, page: number) => void;
}

/** Browsers cap the height of elements: beyond this many pixels the scroll position is scaled. */
const TALLEST = 12_000_000;
const OVERSCAN = 8;

export function VirtualList(props: Props) {
  const { count, rowHeight } = props;
  const { box, head, scroll, height, look } = useWindow();
  const full = count * rowHeight;
  const tall = Math.min(full, TALLEST);
  const scale = full > tall ? (full - height) / (tall - height) : 1;
  const offset = scroll * scale;
  const first = Math.max(0, Math.floor(offset / rowHeight) - OVERSCAN);
  const last = Math.min(count, Math.ceil((offset + height) / rowHeight) + OVERSCAN);

  useLayoutEffect(() => {
    if (props.active < 0) return;
    const top = props.active * rowHeight;
    if (top >= offset && top + rowHeight <= offset + height) return;
    const near = top > offset - 3 * rowHeight && top < offset + height + 3 * rowHeight;
    const target = !near ? top - height / 2 : top < offset ? top - rowHeight : top + rowHeight - height;
    box.current!.scrollTop = Math.max(0, target / scale);
    look();
  }, [props.active, count]);

  useWheel(box, scale);
  const rows = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
  return (
    <div
      ref={box}
      class="virtual"
      style={props.style}
      role="grid"
      tabIndex={0}
      aria-label={props.label}
      aria-rowcount={count + 1}
      aria-colcount={props.columns}
      aria-readonly="true"
      aria-activedescendant={props.active >= first && props.active < last ? props.activeId : undefined}
      onScroll={look}
      onKeyDown={(event) => props.onKeyDown(event, Math.max(1, Math.floor(height / rowHeight) - 1))}
    >
      <div ref={head} role="rowgroup" class="virtual-head">
        {props.header}
      </div>
      <div role="rowgroup" class="virtual-body" style={{ height: `${tall}px` }}>
        {rows.map((index) => props.row(index, scroll + index * rowHeight - offset))}
      </div>
    </div>
  );
}

/** What of the list is in sight: where it is scrolled to, and how high it is below its head. */
function useWindow() {
  const box = useRef<HTMLDivElement>(null);
  const head = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scroll: 0, height: 600 });
  const look = () => {
    const element = box.current!;
    setView({ scroll: element.scrollTop, height: element.clientHeight - (head.current?.offsetHeight ?? 0) });
  };
  useLayoutEffect(() => {
    const watch = new ResizeObserver(look);
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  return { box, head, look, ...view };
}

/** Where the scroll position is scaled, the wheel still moves by as many rows as elsewhere. */
function useWheel(box: RefObject<HTMLDivElement | null>, scale: number): void {
  useEffect(() => {
    const element = box.current!;
    const onWheel = (event: WheelEvent) => {
      if (scale === 1 || event.ctrlKey || event.deltaX !== 0) return;
      event.preventDefault();
      element.scrollTop += event.deltaY / scale;
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [scale]);
}
