import { hex } from "../machine/records";
import { count, integer, percent, seconds, tick } from "../model/format";
import { type Bar, phaseBars, phaseKind, ticks } from "../model/time";
import { type LayerFacts, type Summary, type TimelineLayer, type TimelinePhase } from "../payload";
import { layerItem } from "../state";
import { Go } from "./pieces";
import { type Column, Table } from "./Table";
import { Axis, Track } from "./Tracks";

/** `address`: of the first instruction; null: it has none, as rewinding and read-out. */
type Phase = TimelinePhase & { address: number | null; layer: number; share: number; time_s: number };

const PHASE_COLUMNS: Column<Phase>[] = [
  { key: "name", title: "phase", value: (phase) => phase.name },
  { key: "what", title: "what", value: (phase) => phaseKind(phase.name).title },
  {
    key: "first_instruction",
    title: "begins at",
    value: (phase) => phase.address,
    render: ({ address, layer, tile }) =>
      address !== null && <Go to={{ view: "microcode", layer, tile, address }}>{hex(address)}</Go>,
  },
  { key: "start_cycle", title: "start cycle", value: (phase) => phase.start_cycle },
  { key: "cycles", title: "cycles", value: (phase) => phase.cycles, bar: true },
  { key: "time_s", title: "time", value: (phase) => phase.time_s, text: seconds },
  { key: "share", title: "share of the layer", value: (phase) => phase.share, text: percent },
];

interface Props {
  report: Summary;
  layer: LayerFacts;
  entry: TimelineLayer;
}

/** One layer on its own axis: waves, and the phases of the tile that its first wave waits for. */
export function LayerTimeline({ report, layer, entry }: Props) {
  const { cycle_s } = report.target.timing;
  const tile = entry.phases[0]?.tile ?? 0;
  const arrays = Math.max(0, ...entry.waves.map((wave) => wave.arrays));
  return (
    <section class="panel stack" aria-label={`Inside ${layer.name}`}>
      <div class="row between">
        <h2>Inside {layer.name}</h2>
        <nav class="row" aria-label="This layer elsewhere">
          <Go to={{ view: "microcode", layer: layer.index, tile }}>Microcode</Go>
          <Go to={{ view: "graph", layer: layer.index, item: layerItem(layer.index) }}>Graph</Go>
        </nav>
      </div>
      <p class="muted">
        {integer(entry.cycles)} cycles, {seconds(entry.cycles * cycle_s)}, in {count(entry.waves.length, "wave")} of at
        most {count(arrays, "array")} ({count(layer.tiles.length, "tile")} × {count(layer.row_tiles, "row tile")}).
      </p>
      <WavesAndPhases entry={entry} tile={tile} cycle_s={cycle_s} />
      <Table
        caption={`Phases of tile ${tile}, the longest of the first wave`}
        file={`${layer.name}-phases`}
        columns={PHASE_COLUMNS}
        rows={phaseRows(layer, entry, tile, cycle_s)}
        rowKey={(phase) => `${phase.name} ${phase.start_cycle}`}
        head="name"
      />
    </section>
  );
}

function phaseRows(layer: LayerFacts, entry: TimelineLayer, tile: number, cycle_s: number): Phase[] {
  const starts = new Map(layer.tiles[tile]?.phases);
  return entry.phases.map((phase) => ({
    ...phase,
    layer: layer.index,
    address: starts.get(phase.name) ?? null,
    share: phase.cycles / (entry.cycles || 1),
    time_s: phase.cycles * cycle_s,
  }));
}

function WavesAndPhases({ entry, tile, cycle_s }: { entry: TimelineLayer; tile: number; cycle_s: number }) {
  const axis = { start: entry.start_cycle, length: entry.cycles, marks: ticks(entry.start_cycle, entry.cycles) };
  const waves: Bar[] = entry.waves.map((wave, place) => ({
    start: wave.start_cycle,
    length: wave.cycles,
    name: `wave ${place}, ${count(wave.arrays, "array")}`,
    colour: place % 2 ? "var(--c8)" : "var(--line-strong)", // the colours are those of phases
  }));
  return (
    <div class="gantt">
      <div class="gantt-row head">
        <span />
        <Axis {...axis} text={(cycles) => tick(cycles * cycle_s, "s")} />
        <span />
      </div>
      <div class="gantt-row">
        <span class="gantt-name">waves</span>
        <Track {...axis} bars={waves} />
        <span class="gantt-figure muted">{integer(entry.waves.length)}</span>
      </div>
      <div class="gantt-row">
        <span class="gantt-name">tile {tile}</span>
        <Track {...axis} bars={phaseBars(entry.phases)} />
        <span class="gantt-figure muted">{count(entry.phases.length, "phase")}</span>
      </div>
    </div>
  );
}
