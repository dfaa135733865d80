/** Where the energy goes: by component and layer, and by instruction class where a run has counted. */

import { useMemo, useState } from "preact/hooks";

import { partColour, Segmented, ShareBar } from "../components/pieces";
import { StackedBars } from "../components/StackedBars";
import { type Column, Table } from "../components/Table";
import { counted, energyByClass, networkEnergy, ranked, summed, total } from "../model/costs";
import { integer, si } from "../model/format";
import { type Energy as Joules, type LayerFacts, type Summary, summary } from "../payload";
import { navigate, route } from "../state";
import { EnergySource } from "./Overview";

const SCALES = { absolute: "Energy", share: "Share" } as const;
type Scale = keyof typeof SCALES;

export function Energy() {
  const report = summary();
  const energy = networkEnergy(report);
  const parts = report.energy.components.map((name) => ({
    name,
    value: energy[name] ?? 0,
    text: si(energy[name] ?? 0, "J"),
    colour: partColour(name),
  }));
  return (
    <div class="stack">
      <header class="stack tight">
        <h1>Energy</h1>
        <EnergySource report={report} />
      </header>
      <section class="panel stack">
        <h2>{si(report.energy.total_J, "J")} per image</h2>
        <ShareBar label="Energy by component" parts={parts} />
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

const joules = (value: number) => si(value, "J");

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
          columns={energyColumns<LayerFacts>(
            "layer",
            report.energy.components,
            (layer) => layer.name,
            (layer) => layer.energy_J,
          )}
          rows={report.layers}
          rowKey={(layer) => layer.index}
          head="name"
          bare
        />
      }
    />
  );
}

function energyColumns<Row>(
  title: string,
  parts: string[],
  name: (row: Row) => string,
  energy_J: (row: Row) => Joules,
): Column<Row>[] {
  const part = (key: string): Column<Row> => ({
    key: `${key}_J`,
    title: key,
    value: (row) => energy_J(row)[key] ?? 0,
    text: joules,
  });
  return [
    { key: "name", title, value: name },
    ...parts.map(part),
    {
      key: "total_J",
      title: "total",
      value: (row) => energy_J(row)["total"] ?? total(Object.values(energy_J(row))),
      text: joules,
      bar: true,
    },
  ];
}

const CLASS_PARTS = ["search", "write", "shift"];

/** Energies by class need counters; cycles by class are static. */
function ByClass({ report }: { report: Summary }) {
  const chosen = /^layer(\d+)$/.exec(route.value.item ?? "")?.[1];
  const layer = chosen === undefined ? null : Number(chosen);
  const events = counted(report, layer);
  const stacks = useMemo(
    () => (events ? energyStacks(energyByClass(events)) : cycleStacks(report, layer)),
    [events, report, layer],
  );
  const scope = layer === null ? "" : ` in ${report.layers[layer]?.name ?? layer}`;
  const parts = events
    ? CLASS_PARTS.map((name) => ({ name, colour: partColour(name) }))
    : [{ name: "cycles", colour: "var(--c1)" }];
  const columns = events
    ? energyColumns<Row>(
        "class",
        CLASS_PARTS,
        (row) => row.name,
        (row) => row.parts,
      )
    : [
        { key: "name", title: "class", value: (row: Row) => row.name },
        { key: "cycles", title: "cycles", value: (row: Row) => row.parts["cycles"] ?? 0, bar: true },
      ];
  return (
    <div class="stack tight">
      <StackedBars
        title={events ? `By instruction class${scope}` : `Cycles by instruction class${scope}`}
        label={events ? "Energy by instruction class" : "Cycles by instruction class"}
        unit={events ? "J" : ""}
        stacks={stacks}
        parts={parts}
        text={events ? joules : integer}
        share={false}
        tools={<LayerPicker report={report} layer={layer} />}
        data={
          <Table
            caption="By instruction class"
            file="by-class"
            columns={columns}
            rows={stacks}
            rowKey={(row) => row.name}
            head="name"
            bare
          />
        }
      />
      <p class="muted">
        {events
          ? "Each component is split as the events that it pays for: searched rows, written bits, shifted bits. Control, movement and leakage belong to no class."
          : "Energies by class need counted events: give the report a run (apc report run.json). Cycles are those of the schedule, of the longest tile of every wave."}
      </p>
    </div>
  );
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

function LayerPicker({ report, layer }: { report: Summary; layer: number | null }) {
  return (
    <label>
      <span class="hidden">Layer</span>
      <select
        value={layer ?? ""}
        onChange={(event) => navigate({ item: event.currentTarget.value ? `layer${event.currentTarget.value}` : null })}
      >
        <option value="">All layers</option>
        {report.layers.map(({ index, name }) => (
          <option key={index} value={index}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
