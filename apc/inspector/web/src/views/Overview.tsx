/** The first view: what the program is, what it costs, where to look. */

import { EnergyBar } from "../components/EnergyBar";
import { LayersTable } from "../components/LayersTable";
import { Command, Facts, Go, ShareBar } from "../components/pieces";
import { type Run, RunFacts } from "../components/RunFacts";
import { Verdict } from "../components/Verdict";
import { comparison } from "../model/comparison";
import { programFile, quoted } from "../model/commands";
import { biggestCosts, type Cost, leadingLayers, networkEnergy, ranked, shapeText, summed, total, totalOf } from "../model/costs";
import { bytes, count, integer, joules, percent, seconds, si } from "../model/format";
import { type LayerFacts, type Summary, summary } from "../payload";

export function Overview() {
  const report = summary();
  const { program, target, layers } = report;
  const compared = comparison(report);
  return (
    <div class="stack">
      <header class="stack tight">
        <h1>{program.file}</h1>
        <p class="lead">
          The network {program.name}: {count(layers.length, "layer")}, compiled at -{program.level} for {target.name} (
          {target.description}).
        </p>
        <EnergySource report={report} />
      </header>
      <KeyFigures report={report} />
      <div class="columns">
        <WhereTheCostIs report={report} />
        <section class="panel stack">
          <h2>What was compiled</h2>
          <Provenance report={report} />
          <RunFacts report={report} />
          {compared && (
            <>
              <h3>Against crossbars and SRAM arrays</h3>
              <Verdict compared={compared} />
              <Go to={{ view: "comparison" }}>The whole comparison</Go>
            </>
          )}
        </section>
      </div>
      <LayersTable report={report} />
    </div>
  );
}

function WhereTheCostIs({ report }: { report: Summary }) {
  return (
    <section class="panel stack">
      <h2>Where the cost is</h2>
      <Biggest report={report} />
      <h3>Energy by component</h3>
      <EnergyBar label="Energy by component" energy_J={networkEnergy(report)} components={report.energy.components} />
      <h3>Cycles by instruction class</h3>
      <CycleShare report={report} />
      <h3>Where to look next</h3>
      <Next report={report} />
    </section>
  );
}

/** Says on every page that shows energies whether anything was counted. */
export function EnergySource({ report }: { report: Summary }) {
  const { estimate, images } = report.energy;
  if (!estimate) {
    return (
      <p>
        <span class="badge counted">counted</span> Energies are per image, of events counted in a run of{" "}
        {count(images, "image")}; each event costs what <Go to={{ view: "figures" }}>the target's figures</Go> say.
      </p>
    );
  }
  return (
    <p class="note">
      <strong>Energies are estimates</strong>: written bits are those expected of independent bits, not counted. To
      count them: <code>apc run {programFile(report)} --input X.npz --json &gt; run.json</code>, then{" "}
      <code>apc report run.json</code>.
    </p>
  );
}

/** [what, in short, about it, exactly] */
type KeyFigure = [string, string, string, number];

function keyFigures({ layers, energy, run, target }: Summary): KeyFigure[] {
  const [latency_s, cycles, adds] = [totalOf(layers, "latency_s"), totalOf(layers, "cycles"), totalOf(layers, "adds")];
  const instructions = totalOf(layers, "instructions");
  const arrays = Math.max(0, ...layers.map((layer) => layer.arrays));
  const rate = latency_s > 0 ? `${si(1 / latency_s, "")} images/s, one at a time` : "";
  return [
    ["Energy per image", joules(energy.total_J), run ? countedText(run as unknown as Run) : "estimate", energy.total_J],
    ["Latency of an image", seconds(latency_s), rate, latency_s],
    ["Cycles", integer(cycles), `${seconds(target.timing.cycle_s)} each`, cycles],
    ["Instructions", integer(instructions), bytes(totalOf(layers, "encoded_bits") / 8), instructions],
    ["Additions", integer(adds), `${integer(totalOf(layers, "bit_adds"))} bit additions`, adds],
    ["Arrays at most", integer(arrays), `of ${integer(target.arrays)}, ${target.rows}×${target.columns}`, arrays],
  ];
}

/** A batch shares what is spent once for all its images, so that energies of other batches differ. */
function countedText({ images, batch }: Run): string {
  return images > batch ? `counted in batches of ${integer(batch)}` : `counted in a batch of ${integer(images)}`;
}

function KeyFigures({ report }: { report: Summary }) {
  return (
    <dl class="key-figures">
      {keyFigures(report).map(([name, value, about, exact]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd title={String(exact)}>{value}</dd>
          <dd class="muted about">{about}</dd>
        </div>
      ))}
    </dl>
  );
}

function Biggest({ report }: { report: Summary }) {
  return (
    <ol class="biggest">
      {biggestCosts(report).map(({ share, of, what, layer }) => (
        <li key={of + what}>
          <strong>{percent(share)}</strong> of the {of}: {what || "all"}
          {layer ? " of " : ", "}
          {layer ? (
            <Go to={{ view: "microcode", layer: layer.index }}>{layer.name}</Go>
          ) : (
            <Go to={{ view: "energy" }}>see all classes</Go>
          )}
        </li>
      ))}
    </ol>
  );
}

const CLASS_COLOURS = ["--c1", "--c2", "--c3", "--c5", "--c4"];

/** The largest classes by name, the others together. */
function CycleShare({ report }: { report: Summary }) {
  const classes = ranked(summed(report.layers.map((layer) => layer.cycles_by_class)));
  const named = classes.slice(0, CLASS_COLOURS.length);
  const others = classes.slice(CLASS_COLOURS.length);
  const parts = named.map(([name, value], place) => ({
    name,
    value,
    text: si(value, ""),
    colour: `var(${CLASS_COLOURS[place]})`,
  }));
  const rest = total(others.map(([, value]) => value));
  if (rest > 0) parts.push({ name: `${others.length} others`, value: rest, text: si(rest, ""), colour: "var(--c8)" });
  return <ShareBar label="Cycles by instruction class" parts={parts} />;
}

function Provenance({ report }: { report: Summary }) {
  const { program, target, boundaries, tensors } = report;
  const side = (names: { name: string; tensor: number; lo: number; hi: number }[]) =>
    names
      .map(
        ({ name, tensor, lo, hi }) =>
          `${name}: ${shapeText(tensors[tensor]?.shape ?? [])} in [${integer(lo)}, ${integer(hi)}]`,
      )
      .join("; ");
  return (
    <Facts
      facts={[
        ["File", <code>{program.file}</code>],
        ["Model (SHA-256)", <code>{program.model_sha256}</code>],
        ["Network", program.name],
        ["Level", `-${program.level}`],
        ["Passes", program.passes.join(", ")],
        ["Encoding", program.encoding],
        ["Target", <Go to={{ view: "figures" }}>{target.name}</Go>],
        [
          "Arrays",
          `${integer(target.arrays)} of ${target.rows} rows × ${target.columns} columns × ${target.domains} domains`,
        ],
        ["Input", side(boundaries.inputs)],
        ["Output", side(boundaries.outputs)],
        ["Left to the host", program.host_steps.map((step) => `${step.operator} (${step.name})`).join(", ")],
        ["apc", program.apc_version],
      ]}
    />
  );
}

/** At the layer that leads in energy, then at the one that leads in cycles. */
function Next({ report }: { report: Summary }) {
  const file = programFile(report);
  const leading = leadingLayers(report);
  const named = (layer: LayerFacts) => quoted(layer.name);
  const layers = [...new Set(leading.map(({ layer }) => layer))];
  return (
    <div class="stack tight">
      {layers.map((layer) => (
        <>
          <p class="muted">
            {layer.name}: {leading.filter((cost) => cost.layer === layer).map(shareText).join(", ")}
          </p>
          <Command line={`apc inspect ${file} --layer ${named(layer)} --level histogram`} />
        </>
      ))}
      {layers[0] && <Command line={`apc explain ${file} --layer ${named(layers[0])} --output 0`} />}
      <Command line={`apc targets show ${report.target.name}`} />
    </div>
  );
}

function shareText({ share, of }: Cost): string {
  return `${percent(share)} of the ${of}`;
}
