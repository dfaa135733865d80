import { fileStem, shapeText, total } from "../model/costs";
import { integer, joules, seconds } from "../model/format";
import { type LayerFacts, type Summary } from "../payload";
import { route } from "../state";
import { Go } from "./pieces";
import { type Column, Table } from "./Table";

const COLUMNS: Column<LayerFacts>[] = [
  { key: "index", title: "#", value: (layer) => layer.index },
  {
    key: "name",
    title: "layer",
    value: (layer) => layer.name,
    render: (layer) => <Go to={{ view: "microcode", layer: layer.index }}>{layer.name}</Go>,
  },
  { key: "op", title: "operation", value: (layer) => layer.op },
  { key: "shape", title: "shape", value: (layer) => shapeText(layer.shape) },
  {
    key: "cycles",
    title: "cycles",
    value: (layer) => layer.cycles,
    bar: true,
    help: "Of one image's schedule on the target",
  },
  {
    key: "energy_J",
    title: "energy",
    value: (layer) => layer.energy_J["total"] ?? 0,
    text: joules,
    bar: true,
    help: "Per image",
  },
  { key: "latency_s", title: "latency", value: (layer) => layer.latency_s, text: seconds },
  { key: "arrays", title: "arrays", value: (layer) => layer.arrays, help: "Tiles x row tiles, for one image" },
  { key: "waves", title: "waves", value: (layer) => layer.waves, help: "How often the chip's arrays are filled" },
  { key: "tiles", title: "tiles", value: (layer) => layer.tiles.length, help: "Instruction streams" },
  { key: "columns", title: "columns", value: (layer) => layer.columns, help: "Used at most, of an array" },
  { key: "instructions", title: "instr.", value: (layer) => layer.instructions },
  { key: "adds", title: "adds", value: (layer) => layer.adds },
  { key: "bit_adds", title: "bit adds", value: (layer) => layer.bit_adds },
  { key: "search_passes", title: "searches", value: (layer) => layer.search_passes },
  { key: "write_passes", title: "writes", value: (layer) => layer.write_passes },
  { key: "shift_steps", title: "shifts", value: (layer) => layer.shift_steps },
];

/** Of what the whole network has no sum: places, shapes, and what is used at most. */
const NO_SUM = new Set(["index", "op", "shape", "arrays", "waves", "columns"]);

/** Every layer and its costs. */
export function LayersTable({ report }: { report: Summary }) {
  const foot = COLUMNS.map((column) => {
    if (column.key === "name") return `${integer(report.layers.length)} layers`;
    return NO_SUM.has(column.key) ? "" : total(report.layers.map((layer) => Number(column.value(layer))));
  });
  return (
    <Table
      caption="Layers"
      file={`${fileStem(report)}-layers`}
      columns={COLUMNS}
      rows={report.layers}
      rowKey={(layer) => layer.index}
      head="name"
      current={(layer) => layer.index === route.value.layer && route.value.view !== "overview"}
      foot={foot}
      filter
    />
  );
}
