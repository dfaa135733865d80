/** When everything happens: the layers one after the other, what happens inside one of them, and how many arrays work. */

import { useState } from "preact/hooks";

import { ArraysAtWork } from "../components/ArraysAtWork";
import { along } from "../components/keys";
import { LayerTimeline } from "../components/LayerTimeline";
import { Legend, Segmented } from "../components/pieces";
import { Axis, Track } from "../components/Tracks";
import { percent, si, tick } from "../model/format";
import { chosenLayer, layerBars, PHASE_KINDS, ticks } from "../model/time";
import { type LayerFacts, type Summary, summary } from "../payload";
import { navigate, route } from "../state";

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

function Layers({ report, chosen }: { report: Summary; chosen: LayerFacts | undefined }) {
  const [order, setOrder] = useState<"time" | "cost">("time");
  const end = Math.max(1, ...report.timeline.map((entry) => entry.start_cycle + entry.cycles));
  const marks = ticks(0, end);
  const seconds = (cycles: number) => si(cycles * report.target.timing.cycle_s, "s");
  const entries =
    order === "time" ? report.timeline : [...report.timeline].sort((one, other) => other.cycles - one.cycles);
  return (
    <div class="stack tight">
      <div class="row between">
        <h2>Layers</h2>
        <Segmented
          legend="Order of the layers"
          options={{ time: "As they run", cost: "Longest first" }}
          value={order}
          onChange={setOrder}
        />
      </div>
      <div class="gantt-row head">
        <span />
        <Axis
          start={0}
          length={end}
          marks={marks}
          text={(cycles) => tick(cycles * report.target.timing.cycle_s, "s")}
        />
        <span />
      </div>
      <div
        class="gantt"
        role="group"
        aria-label="Layers; arrow keys go along them, Enter opens one"
        onKeyDown={(event) => along(event, "button")}
      >
        {entries.map((entry) => {
          const layer = report.layers[entry.layer]!;
          return (
            <button
              key={entry.layer}
              type="button"
              class="gantt-row"
              aria-pressed={layer === chosen}
              onClick={() => navigate({ layer: layer.index, item: `layer${layer.index}` })}
            >
              <span class="gantt-name">{layer.name}</span>
              <Track bars={layerBars(entry)} start={0} length={end} marks={marks} />
              <span class="gantt-figure">
                {seconds(entry.cycles)} <span class="muted">{percent(entry.cycles / end)}</span>
              </span>
            </button>
          );
        })}
      </div>
    </div>
  );
}
