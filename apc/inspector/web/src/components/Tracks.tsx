import { percent } from "../model/format";
import { type Bar } from "../model/time";

/** Bars on a common axis from `start`, `length` cycles long. */
export function Track({ bars, start, length, marks }: { bars: Bar[]; start: number; length: number; marks: number[] }) {
  const place = (cycle: number) => `${(100 * (cycle - start)) / (length || 1)}%`;
  return (
    <span class="track">
      {marks.map((mark) => (
        <span key={mark} class="mark" style={{ left: place(mark) }} />
      ))}
      {bars.map((bar) => (
        <span
          key={bar.start + bar.name}
          class="track-bar"
          title={`${bar.name}: ${percent(bar.length / (length || 1))}`}
          style={{ left: place(bar.start), width: `${(100 * bar.length) / (length || 1)}%`, "--colour": bar.colour }}
        />
      ))}
    </span>
  );
}

/** The axis of tracks below or above it. */
export function Axis({
  start,
  length,
  marks,
  text,
}: {
  start: number;
  length: number;
  marks: number[];
  text: (cycles: number) => string;
}) {
  return (
    <span class="track axis" aria-hidden="true">
      {marks.map((mark) => (
        <span key={mark} class="tick" style={{ left: `${(100 * (mark - start)) / (length || 1)}%` }}>
          {text(mark - start)}
        </span>
      ))}
    </span>
  );
}
