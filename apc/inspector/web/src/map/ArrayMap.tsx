/** The array that a tile runs on: what lives on which column and domain, at a moment or over time. */

import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Segmented } from "../components/pieces";
import { lives, select, selected, shown } from "../listing/state";
import type { Analysis } from "../machine/analysis";
import { box, fieldOf, hex, OPERANDS } from "../machine/records";
import { count } from "../model/format";
import { summary } from "../payload";
import { theme } from "../theme";
import { CellTable } from "./CellTable";
import { livenessPixels, type Mode, occupancyPixels, writePixels } from "./draw";
import { MapLegend } from "./MapLegend";
import { type Liveness } from "./liveness";
import { readout, type Readout } from "./readout";
import { heldAfter, type Held } from "./replay";
import { RowsSketch } from "./RowsSketch";
import { TimePicture } from "./TimePicture";

const MODES: Record<Mode, string> = { occupancy: "now", liveness: "liveness", writes: "writes", time: "time" };
const mode = signal<Mode>("occupancy");
/** The cell under the keyboard's cursor. */
const cursor = signal<{ column: number; domain: number }>({ column: 3, domain: 0 });

export function ArrayMap() {
  const living = lives.value;
  if (living) return <Mapped found={shown.value!} living={living} now={selected.value} />;
  return (
    <section class="panel map" aria-label="Array map">
      <p class="muted">Following the cells …</p>
    </section>
  );
}

function Mapped({ found, living, now }: { found: Analysis; living: Liveness; now: number }) {
  const held = useMemo(() => heldAfter(found, now), [found, now]);
  useEffect(() => followResult(found, now), [found, now]);
  return (
    <section class="panel map" aria-label="Array map">
      <header class="row between">
        <h2>
          Array <span class="muted">at {hex(now)}</span>
        </h2>
        <Segmented
          legend="What the map shows"
          options={MODES}
          value={mode.value}
          onChange={(name) => (mode.value = name)}
        />
      </header>
      {mode.value === "time" ? (
        <TimePicture found={found} living={living} now={now} />
      ) : (
        <CellPicture found={found} living={living} held={held} now={now} />
      )}
      <TimeSlider found={found} living={living} now={now} />
      <MapLegend found={found} living={living} mode={mode.value} held={held} now={now} />
      <RowsSketch layer={found.tables.layer} />
      <CellTable found={found} living={living} held={held} now={now} />
    </section>
  );
}

/** Puts the cursor on the field that an instruction writes, unless it is in it. */
function followResult({ tables }: Analysis, address: number): void {
  const field = fieldOf(tables.code, address, "r");
  const { x, y, width, height } = box(field);
  const { column, domain } = cursor.value;
  if (column >= x && column < x + width && domain >= y && domain < y + height) return;
  cursor.value = { column: field.column, domain: field.domain };
}

/** A slider over the instructions, with how full the array is and a button to the fullest moment. */
function TimeSlider({ found, living, now }: { found: Analysis; living: Liveness; now: number }) {
  const last = found.tables.code.length - 1;
  return (
    <div class="time-slider">
      <label>
        <span class="hidden">Instruction after which the array is shown</span>
        <input
          type="range"
          min={0}
          max={last}
          value={now}
          aria-valuetext={`after ${hex(now)} of ${hex(last)}`}
          onInput={(event) => select(Number(event.currentTarget.value))}
        />
      </label>
      <button
        type="button"
        class="button outlined"
        title={`${count(living.peakCells, "live cell")} after ${hex(living.peak)}`}
        onClick={() => select(living.peak)}
      >
        Fullest
      </button>
    </div>
  );
}

interface PictureProps {
  found: Analysis;
  living: Liveness;
  held: Held;
  now: number;
}

/** Columns to the right, domains downwards. */
function CellPicture({ found, living, held, now }: PictureProps) {
  const [hover, setHover] = useState<number | null>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { columns, domains } = living;
  const what = mode.value;
  const shade = theme.value;
  useEffect(() => {
    canvas.current!.getContext("2d")!.putImageData(pixels(what, found, living, held, now), 0, 0);
  }, [found, held, now, what, shade]);
  const under = cursor.value.column * domains + cursor.value.domain;
  const cellAt = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    const domain = Math.floor(((event.clientY - box.top) / box.height) * domains);
    return inside(column, columns) * domains + inside(domain, domains);
  };
  const choose = (cell: number) => {
    cursor.value = { column: Math.floor(cell / domains), domain: cell % domains };
    const { maker } = readout(found, held, living, cell, now);
    if (maker >= 0) select(maker);
  };
  const label =
    `${columns} columns by ${domains} domains. The arrow keys move over the cells, with Shift by ${STRIDE}; ` +
    "Enter goes to the instruction that wrote one.";
  return (
    <>
      <div
        class="map-picture"
        role="application"
        tabIndex={0}
        aria-roledescription="array map"
        aria-label={label}
        aria-describedby="map-readout"
        onKeyDown={(event) => onKeyDown(event, columns, domains, () => choose(under))}
        onPointerMove={(event) => setHover(cellAt(event))}
        onPointerLeave={() => setHover(null)}
        // The cell that was read out: a click's coordinates are whole pixels, and a cell may be as small as one.
        onClick={(event) => choose(hover ?? cellAt(event))}
      >
        <canvas ref={canvas} width={columns} height={domains} aria-hidden="true" />
        <Overlay found={found} living={living} now={now} />
      </div>
      <ReadoutLine said={readout(found, held, living, hover ?? under, now)} />
    </>
  );
}

function pixels(what: Mode, found: Analysis, living: Liveness, held: Held, now: number): ImageData {
  if (what === "liveness") return livenessPixels(living);
  return what === "writes" ? writePixels(living) : occupancyPixels(found, held.value, now, living);
}

function ReadoutLine({ said }: { said: Readout }) {
  return (
    <p id="map-readout" class="readout" aria-live="polite">
      <span class="mono place">{said.place}</span>
      <i class="swatch" style={{ "--colour": `var(--kind-${said.kind})` }} />
      <strong class="mono">{said.title}</strong>
      <span class="muted">{[...(said.kind === "empty" ? [] : [said.kind]), ...said.facts].join(" · ")}</span>
    </p>
  );
}

function inside(value: number, size: number): number {
  return Math.max(0, Math.min(size - 1, value));
}

const MOVES: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const STRIDE = 8;

function onKeyDown(event: KeyboardEvent, columns: number, domains: number, choose: () => void): void {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    return choose();
  }
  const step = MOVES[event.key];
  if (!step || event.altKey || event.metaKey) return;
  event.preventDefault();
  const stride = event.shiftKey ? STRIDE : 1;
  const { column, domain } = cursor.value;
  cursor.value = {
    column: inside(column + stride * step[0], columns),
    domain: inside(domain + stride * step[1], domains),
  };
}

/** The operands of the selected instruction, the cursor, and the most written cell of a run. */
function Overlay({ found, living: { columns, domains }, now }: Pick<PictureProps, "found" | "living" | "now">) {
  const { code, layer, tile } = found.tables;
  const wear = summary().layers[layer]!.wear;
  const { column, domain } = cursor.value;
  return (
    <svg class="overlay" viewBox={`0 0 ${columns} ${domains}`} preserveAspectRatio="none" aria-hidden="true">
      {OPERANDS[code.op[now]!]!.map((operand) => (
        <rect key={operand} class={`operand-${operand}`} {...box(fieldOf(code, now, operand))} />
      ))}
      {mode.value === "writes" && wear && wear.tile === tile && (
        <circle class="hottest" cx={wear.column + 0.5} cy={wear.domain + 0.5} r={2.5} />
      )}
      <rect class="cursor" x={column} y={domain} width={1} height={1} />
    </svg>
  );
}
