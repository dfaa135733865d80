import * as Plot from "@observablehq/plot";

import { count, integer, seconds, tick } from "../model/format";
import { type Summary } from "../payload";
import { Chart } from "./Chart";
import { type Column, Table } from "./Table";

interface Work {
  layer: string;
  start_s: number;
  end_s: number;
  arrays: number;
}

const WORK_COLUMNS: Column<Work>[] = [
  { key: "layer", title: "layer", value: (work) => work.layer },
  { key: "start_s", title: "from", value: (work) => work.start_s, text: seconds },
  { key: "end_s", title: "to", value: (work) => work.end_s, text: seconds },
  { key: "arrays", title: "arrays", value: (work) => work.arrays, bar: true },
];

/** How many arrays work in the course of an image. */
export function ArraysAtWork({ report }: { report: Summary }) {
  const work = workOf(report);
  const most = Math.max(0, ...work.map(({ arrays }) => arrays));
  return (
    <Chart
      title={`Arrays at work: at most ${integer(most)} of ${integer(report.target.arrays)}`}
      label={`How many arrays work in the course of an image; at most ${most} of ${report.target.arrays}`}
      inputs={[report]}
      options={(width) => options(work, most, width)}
      data={
        <Table
          caption="Arrays at work"
          file="arrays"
          columns={WORK_COLUMNS}
          rows={work}
          rowKey={(item) => `${item.layer} ${item.start_s}`}
          head="layer"
          bare
        />
      }
    />
  );
}

function workOf({ timeline, layers, target }: Summary): Work[] {
  const { cycle_s } = target.timing;
  return timeline.flatMap(({ layer, waves }) =>
    waves.map((wave) => ({
      layer: layers[layer]?.name ?? String(layer),
      start_s: wave.start_cycle * cycle_s,
      end_s: (wave.start_cycle + wave.cycles) * cycle_s,
      arrays: wave.arrays,
    })),
  );
}

function options(work: Work[], most: number, width: number): Plot.PlotOptions {
  const bars = { x1: "start_s", x2: "end_s", y: "arrays", fill: "var(--c1)" };
  const tip = { fill: "var(--surface)", stroke: "var(--line-strong)" };
  return {
    height: 170,
    marginLeft: 48,
    x: { label: "time", tickFormat: (value: number) => tick(value, "s"), ticks: Math.min(8, width / 90) },
    y: { label: "arrays", grid: true, ticks: Math.min(5, most), tickFormat: "d", domain: [0, most || 1] },
    marks: [
      Plot.rectY(work, { ...bars, title: (item: Work) => `${item.layer}: ${count(item.arrays, "array")}`, tip }),
      Plot.ruleY([0], { stroke: "var(--line-strong)" }),
    ],
  };
}
