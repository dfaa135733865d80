/** Against crossbars and SRAM arrays, where the report has `apc compare --json`. */

import { useState } from "preact/hooks";

import { BackendsTable } from "../components/BackendsTable";
import { EnergyTime } from "../components/EnergyTime";
import { PairPanel } from "../components/PairPanel";
import { Command, partColour, Segmented } from "../components/pieces";
import { type Scale, SCALES, StackedBars } from "../components/StackedBars";
import { Table } from "../components/Table";
import { Verdict } from "../components/Verdict";
import { type Backend, type Compared, comparison, COMPONENTS } from "../model/comparison";
import { programFile } from "../model/commands";
import { count, integer, joules } from "../model/format";
import { summary } from "../payload";

export function Comparison() {
  const report = summary();
  const compared = comparison(report);
  if (!compared) return <HowTo file={programFile(report)} />;
  const { workload, images } = compared;
  return (
    <div class="stack">
      <header class="stack tight">
        <h1>Comparison with crossbars and SRAM arrays</h1>
        <Verdict compared={compared} />
        <p class="lead">
          The same integer network on every backend: {integer(workload.macs)} multiply-accumulates an image.{" "}
          {images === null
            ? "Events that depend on data are expectations; no accuracy was measured."
            : `Accuracy and events of ${count(images, "image")}.`}
        </p>
      </header>
      <BackendsTable report={report} compared={compared} />
      <div class="columns">
        <section class="panel">
          <ByComponent compared={compared} />
        </section>
        <section class="panel">
          <EnergyTime backends={compared.backends} />
        </section>
      </div>
      <PairPanel compared={compared} />
      <LayersOfBackends compared={compared} />
      <Notes compared={compared} />
    </div>
  );
}

function HowTo({ file }: { file: string }) {
  return (
    <div class="stack">
      <h1>Comparison with crossbars and SRAM arrays</h1>
      <section class="panel stack tight how-to">
        <p>This report has no comparison. Two commands make one that has:</p>
        <Command line={`apc compare ${file} --json > compare.json`} />
        <Command line={`apc report ${file} compare.json -o report.html`} />
      </section>
    </div>
  );
}

function ByComponent({ compared }: { compared: Compared }) {
  const [scale, setScale] = useState<Scale>("share");
  const used = COMPONENTS.filter((part) => compared.backends.some(({ energy_J }) => (energy_J[part] ?? 0) > 0));
  return (
    <StackedBars
      title="Energy by component"
      label="Energy by backend and component"
      unit="J"
      stacks={compared.backends.map(({ name, energy_J }) => ({ name, parts: energy_J }))}
      parts={used.map((name) => ({ name, colour: partColour(name) }))}
      text={joules}
      share={scale === "share"}
      tools={<Segmented legend="Scale of the backends" options={SCALES} value={scale} onChange={setScale} />}
      data={
        <Table
          caption="Energy by component"
          file="energy-by-component"
          rows={compared.backends}
          rowKey={(backend) => backend.name}
          head="name"
          columns={[
            { key: "name", title: "backend", value: ({ name }) => name },
            ...[...used, "total"].map((part) => ({
              key: `${part}_J`,
              title: part,
              value: (backend: Backend) => backend.energy_J[part] ?? null,
              text: joules,
            })),
          ]}
          bare
        />
      }
    />
  );
}

/** Energy per image of every layer on every backend. */
function LayersOfBackends({ compared }: { compared: Compared }) {
  const names = [...new Set(compared.backends.flatMap(({ layers }) => layers.map(({ name }) => name)))];
  const energies = compared.backends.map(
    ({ layers }) => new Map(layers.map(({ name, energy_J }) => [name, energy_J["total"] ?? null])),
  );
  return (
    <details>
      <summary>Energy by layer on every backend</summary>
      <Table
        caption="Energy by layer"
        file="layers-by-backend"
        rows={names}
        rowKey={(name) => name}
        head="name"
        columns={[
          { key: "name", title: "layer", value: (name) => name },
          ...compared.backends.map((backend, place) => ({
            key: `${backend.name}_J`,
            title: backend.name,
            value: (name: string) => energies[place]!.get(name) ?? null,
            text: joules,
          })),
        ]}
        bare
      />
    </details>
  );
}

/** Each note once, with the backends that it is of. */
function Notes({ compared }: { compared: Compared }) {
  const of = new Map<string, string[]>(compared.notes.map((note) => [note, ["all"]]));
  for (const { name, notes, energy_source } of compared.backends) {
    for (const note of [...notes, energy_source]) of.set(note, [...(of.get(note) ?? []), name]);
  }
  return (
    <section class="panel stack tight">
      <h2>What a reader must know</h2>
      <ul class="said">
        {[...of].map(([note, names]) => (
          <li key={note}>
            {note} <span class="muted">({names.length === compared.backends.length ? "all" : names.join(", ")})</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
