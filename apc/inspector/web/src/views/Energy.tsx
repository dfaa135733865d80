/** Where the energy goes: by component and layer, and by instruction class where a run has counted. */

import { useMemo, useState } from "preact/hooks";

import { EnergyBar } from "../components/EnergyBar";
import { partColour, Segmented } from "../components/pieces";
import { Select } from "../components/Select";
import { type Scale, SCALES, StackedBars } from "../components/StackedBars";
import { type Column, Table } from "../components/Table";
import { counted, energyByClass, networkEnergy, ranked, summed, total } from "../model/costs";
import { integer, joules } from "../model/format";
import { type Energy as Joules, type LayerFacts, type Summary, summary } from "../payload";
import { layerItem, layerOf, navigate, route } from "../state";
import { EnergySource } from "./Overview";

export function Energy() {
  const report = summary();
  return (
    <div class="stack">
      <header class="stack tight">
        <h1>Energy</h1>
        <EnergySource report={report} />
      </header>
      <section class="panel stack">
        <h2>{joules(report.energy.total_J)} per image</h2>
        <EnergyBar label="Energy by component" energy_J={networkEnergy(report)} components={report.energy.components} />
      </section>
      <section class="panel">
        <ByLayer report={report} />
      </section>
      <section class="panel">
        <ByClass report={report} />
      </section>
    </div>
  );
}

function ByLayer({ report }: { report: Summary }) {
  const [scale, setScale] = useState<Scale>("absolute");
  const parts = report.energy.components.map((name) => ({ name, colour: partColour(name) }));
  const stacks = useMemo(() => report.layers.map(({ name, energy_J }) => ({ name, parts: energy_J })), [report]);
  return (
    <StackedBars
      title="By layer"
      label="Energy by layer and component"
      unit="J"
      stacks={stacks}
      parts={parts}
      text={joules}
      share={scale === "share"}
      tools={<Segmented legend="Scale of the layers" options={SCALES} value={scale} onChange={setScale} />}
      data={
        <Table
          caption="Energy by layer"
          file="energy-by-layer"
          columns={[
            { key: "name", title: "layer", value: (layer) => layer.name },
            ...energyColumns<LayerFacts>(report.energy.components, (layer) => layer.energy_J),
          ]}
          rows={report.layers}
          rowKey={(layer) => layer.index}
          head="name"
          bare
        />
      }
    />
  );
}

function energyColumns<Item>(parts: string[], energy_J: (item: Item) => Joules): Column<Item>[] {
  const part = (key: string): Column<Item> => ({
    key: `${key}_J`,
    title: key,
    value: (item) => energy_J(item)[key] ?? 0,
    text: joules,
  });
  const whole = (item: Item) => energy_J(item)["total"] ?? total(Object.values(energy_J(item)));
  return [...parts.map(part), { key: "total_J", title: "total", value: whole, text: joules, bar: true }];
}

const CLASS_PARTS = ["search", "write", "shift"];
const NAME: Column<Row> = { key: "name", title: "class", value: (row) => row.name };

/** What the charts of classes have in common, whether they are of energies or of cycles. */
interface Classes {
  title: string;
  unit: string;
  stacks: Row[];
  parts: { name: string; colour: string }[];
  text: (value: number) => string;
  columns: Column<Row>[];
  about: string;
}

/** Energies by class need counters; cycles by class are static. */
function ByClass({ report }: { report: Summary }) {
  const layer = layerOf(route.value.item);
  const classes = useMemo(() => energyClasses(report, layer) ?? cycleClasses(report, layer), [report, layer]);
  const { title, columns, about, ...chart } = classes;
  const scope = layer === null ? "" : ` in ${report.layers[layer]?.name ?? layer}`;
  const layers = report.layers.map(({ index, name }) => [index, name] as const);
  return (
    <div class="stack tight">
      <StackedBars
        {...chart}
        title={`${title}${scope}`}
        label={title}
        share={false}
        tools={
          <Select<number | null>
            quiet
            label="Layer"
            value={layer}
            options={[[null, "All layers"], ...layers]}
            onPick={(index) => navigate({ item: index === null ? null : layerItem(index) })}
          />
        }
        data={
          <Table
            caption="By instruction class"
            file="by-class"
            columns={columns}
            rows={classes.stacks}
            rowKey={(row) => row.name}
            head="name"
            bare
          />
        }
      />
      <p class="muted">{about}</p>
    </div>
  );
}

function energyClasses(report: Summary, layer: number | null): Classes | null {
  const events = counted(report, layer);
  if (!events) return null;
  return {
    title: "Energy by instruction class",
    unit: "J",
    stacks: energyStacks(energyByClass(events)),
    parts: CLASS_PARTS.map((name) => ({ name, colour: partColour(name) })),
    text: joules,
    columns: [NAME, ...energyColumns<Row>(CLASS_PARTS, (row) => row.parts)],
    about:
      "Each component is split as the events that it pays for: searched rows, written bits, shifted bits. Control, " +
      "movement and leakage belong to no class.",
  };
}

function cycleClasses(report: Summary, layer: number | null): Classes {
  return {
    title: "Cycles by instruction class",
    unit: "",
    stacks: cycleStacks(report, layer),
    parts: [{ name: "cycles", colour: "var(--c1)" }],
    text: integer,
    columns: [NAME, { key: "cycles", title: "cycles", value: (row) => row.parts["cycles"] ?? 0, bar: true }],
    about:
      "Energies by class need counted events: give the report a run (apc report run.json). Cycles are those of the " +
      "schedule, of the longest tile of every wave.",
  };
}

type Row = { name: string; parts: Joules };

function energyStacks(classes: Map<string, Joules>): Row[] {
  return [...classes]
    .map(([name, parts]) => ({ name, parts }))
    .sort((one, other) => total(Object.values(other.parts)) - total(Object.values(one.parts)));
}

function cycleStacks(report: Summary, layer: number | null): Row[] {
  const layers = layer === null ? report.layers : report.layers.slice(layer, layer + 1);
  return ranked(summed(layers.map((item) => item.cycles_by_class))).map(([name, cycles]) => ({
    name,
    parts: { cycles },
  }));
}
