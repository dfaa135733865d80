/** When everything happens: the layers one after the other, the inside of one of them, how many arrays work. */

import { useState } from "preact/hooks";

import { ArraysAtWork } from "../components/ArraysAtWork";
import { along } from "../components/keys";
import { LayerTimeline } from "../components/LayerTimeline";
import { Legend, Segmented } from "../components/pieces";
import { Axis, Track } from "../components/Tracks";
import { percent, seconds, tick } from "../model/format";
import { chosenLayer, layerBars, PHASE_KINDS, ticks } from "../model/time";
import { type LayerFacts, type Summary, summary, type TimelineLayer } from "../payload";
import { layerItem, navigate, route } from "../state";

export function Timeline() {
  const report = summary();
  const chosen = chosenLayer(report, route.value.item);
  const entry = report.timeline.find(({ layer }) => layer === chosen?.index);
  return (
    <div class="stack">
      <header class="stack tight">
        <h1>Timeline</h1>
        <p class="lead">
          The static schedule of one image: layers follow one another; within a layer, tiles work side by side on their
          arrays, in waves if there are more than arrays.
        </p>
      </header>
      <section class="panel stack" aria-label="Layers in time">
        <Legend parts={Object.values(PHASE_KINDS).map(({ title, colour }) => ({ name: title, colour }))} />
        <Layers report={report} chosen={chosen} />
      </section>
      {chosen && entry && <LayerTimeline report={report} layer={chosen} entry={entry} />}
      <section class="panel">
        <ArraysAtWork report={report} />
      </section>
    </div>
  );
}

const ORDERS = { time: "As they run", cost: "Longest first" } as const;

function Layers({ report, chosen }: { report: Summary; chosen: LayerFacts | undefined }) {
  const [order, setOrder] = useState<keyof typeof ORDERS>("time");
  const { cycle_s } = report.target.timing;
  const length = Math.max(1, ...report.timeline.map((entry) => entry.start_cycle + entry.cycles));
  const axis = { start: 0, length, marks: ticks(0, length) };
  const entries = [...report.timeline];
  if (order === "cost") entries.sort((one, other) => other.cycles - one.cycles);
  return (
    <div class="stack tight">
      <div class="row between">
        <h2>Layers</h2>
        <Segmented legend="Order of the layers" options={ORDERS} value={order} onChange={setOrder} />
      </div>
      <div class="gantt-row head">
        <span />
        <Axis {...axis} text={(cycles) => tick(cycles * cycle_s, "s")} />
        <span />
      </div>
      <div
        class="gantt"
        role="group"
        aria-label="Layers; arrow keys go along them, Enter opens one"
        onKeyDown={(event) => along(event, "button")}
      >
        {entries.map((entry) => (
          <LayerRow key={entry.layer} entry={entry} report={report} chosen={chosen?.index === entry.layer} {...axis} />
        ))}
      </div>
    </div>
  );
}

interface LayerRowProps {
  entry: TimelineLayer;
  report: Summary;
  chosen: boolean;
  start: number;
  length: number;
  marks: number[];
}

function LayerRow({ entry, report, chosen, ...axis }: LayerRowProps) {
  const { layer, cycles } = entry;
  return (
    <button
      type="button"
      class="gantt-row"
      aria-pressed={chosen}
      onClick={() => navigate({ layer, item: layerItem(layer) })}
    >
      <span class="gantt-name">{report.layers[layer]?.name ?? layer}</span>
      <Track bars={layerBars(entry)} {...axis} />
      <span class="gantt-figure">
        {seconds(cycles * report.target.timing.cycle_s)} <span class="muted">{percent(cycles / axis.length)}</span>
      </span>
    </button>
  );
}
