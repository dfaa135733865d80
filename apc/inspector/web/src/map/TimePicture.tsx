import { useEffect, useRef } from "preact/hooks";

import { firstWhere, select } from "../listing/state";
import type { Analysis } from "../machine/analysis";
import { hex } from "../machine/records";
import { integer } from "../model/format";
import { theme } from "../theme";
import { timePixels } from "./draw";
import { BINS, type Liveness } from "./liveness";

/** Time to the right, columns downwards. */
export function TimePicture({ found, living, now }: { found: Analysis; living: Liveness; now: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shade = theme.value;
  useEffect(() => canvas.current!.getContext("2d")!.putImageData(timePixels(living), 0, 0), [living, shade]);
  const { starts, columns } = living;
  const total = starts[starts.length - 1] || 1;
  const x = (BINS * starts[now]!) / total;
  const choose = (event: MouseEvent) => {
    const area = canvas.current!.getBoundingClientRect();
    select(instructionAt(starts, (total * (event.clientX - area.left)) / area.width));
  };
  const label =
    `Live cells of ${columns} columns over ${integer(total)} cycles; ` +
    `at most ${integer(living.peakCells)} in all, after ${hex(living.peak)}`;
  return (
    <>
      <div class="map-picture" role="img" aria-label={label} onClick={choose}>
        <canvas ref={canvas} width={BINS} height={columns} aria-hidden="true" />
        <svg class="overlay" viewBox={`0 0 ${BINS} ${columns}`} preserveAspectRatio="none" aria-hidden="true">
          <PhaseLines found={found} at={(address) => (BINS * starts[address]!) / total} height={columns} />
          <line class="now-line" x1={x} x2={x} y1={0} y2={columns} />
        </svg>
      </div>
      <p class="readout muted">
        Time to the right ({integer(total)} cycles of one array), columns downwards. Phases begin at the thin lines.
        Click to go to a moment.
      </p>
    </>
  );
}

interface PhaseLinesProps {
  found: Analysis;
  at: (address: number) => number;
  height: number;
}

function PhaseLines({ found, at, height }: PhaseLinesProps) {
  return (
    <>
      {found.tables.facts.phases.map(([name, start]) => (
        <line key={name} class="phase-line" x1={at(start)} x2={at(start)} y1={0} y2={height} />
      ))}
    </>
  );
}

/** The instruction that runs at a cycle. */
function instructionAt(starts: Float64Array, cycle: number): number {
  const later = firstWhere(starts.length - 1, (i) => starts[i]! > cycle);
  return Math.max(0, later - 1);
}
