import { type ComponentChildren, type VNode } from "preact";

import { programFile, quoted } from "../model/commands";
import { shapeText, totalOf } from "../model/costs";
import { bytes, count, integer, joules, percent, seconds } from "../model/format";
import { type LayerFacts, type Summary, type TensorFacts } from "../payload";
import { layerItem } from "../state";
import { EnergyBar } from "./EnergyBar";
import { Command, Facts, Go } from "./pieces";

/** What is known of the chosen node of the graph. */
export function NodeFacts({ report, id }: { report: Summary; id: string | null }) {
  const [, kind, number] = /^(t|layer)(\d+)$/.exec(id ?? "") ?? [];
  const layer = kind === "layer" ? report.layers[Number(number)] : undefined;
  const tensor = kind === "t" ? report.tensors[Number(number)] : undefined;
  return (
    <aside class="panel stack side" aria-label="The chosen node" aria-live="polite">
      {layer && <LayerPane report={report} layer={layer} />}
      {tensor && <TensorPane report={report} tensor={tensor} index={Number(number)} />}
      {!layer && !tensor && <p class="muted">Choose a node to see what it is, what it costs and where it goes.</p>}
    </aside>
  );
}

function LayerPane({ report, layer }: { report: Summary; layer: LayerFacts }) {
  const item = layerItem(layer.index);
  return (
    <>
      <h2>{layer.name}</h2>
      <nav class="row" aria-label="This layer elsewhere">
        <Go to={{ view: "microcode", layer: layer.index }}>Microcode</Go>
        <Go to={{ view: "timeline", layer: layer.index, item }}>Timeline</Go>
        <Go to={{ view: "energy", layer: layer.index, item }}>Energy</Go>
      </nav>
      <Facts facts={[...connections(report, layer), ...costs(report, layer), ...statistics(layer)]} />
      <EnergyBar label={`Energy of ${layer.name}`} energy_J={layer.energy_J} components={report.energy.components} />
      <Command line={`apc inspect ${programFile(report)} --layer ${quoted(layer.name)}`} />
    </>
  );
}

type Fact = [string, ComponentChildren];

function connections(report: Summary, layer: LayerFacts): Fact[] {
  const reads = layer.sources.map((index) => <TensorLink report={report} index={index} />);
  return [
    ["Operation", `${layer.op}, layer ${layer.index}`],
    ["Makes", <TensorLink report={report} index={layer.output} />],
    ["Reads", <Linked items={reads} />],
  ];
}

function costs({ layers, energy, target }: Summary, layer: LayerFacts): Fact[] {
  const share = layer.cycles / (totalOf(layers, "cycles") || 1);
  const energy_J = layer.energy_J["total"] ?? 0;
  return [
    ["Cycles", `${integer(layer.cycles)} (${percent(share)})`],
    ["Latency", seconds(layer.latency_s)],
    ["Energy", `${joules(energy_J)} ${energy.estimate ? "(estimate)" : "(counted)"}`],
    [
      "Arrays",
      `${integer(layer.arrays)}: ${count(layer.tiles.length, "tile")} × ${count(layer.row_tiles, "row tile")}`,
    ],
    ["Waves", integer(layer.waves)],
    ["Columns", `${integer(layer.columns)} of ${integer(target.columns)}`],
    ["Instructions", `${integer(layer.instructions)}, ${bytes(layer.encoded_bits / 8)}`],
    ["Passes", `${integer(layer.search_passes)} searches, ${integer(layer.write_passes)} writes`],
    ["Shift steps", integer(layer.shift_steps)],
  ];
}

function statistics(layer: LayerFacts): Fact[] {
  return Object.entries(layer.statistics).map(([name, value]) => [name.replaceAll("_", " "), integer(value)]);
}

function TensorPane({ report, tensor, index }: { report: Summary; tensor: TensorFacts; index: number }) {
  const producer = report.layers[tensor.producer];
  const readers = report.layers.filter((layer) => layer.sources.includes(index));
  const [channels, height, width] = tensor.shape;
  const boundary = [...report.boundaries.inputs, ...report.boundaries.outputs].find((side) => side.tensor === index);
  return (
    <>
      <h2>{tensor.name}</h2>
      <Facts
        facts={[
          ["Tensor", `${index}, ${shapeText(tensor.shape)}`],
          ["Bits", `at most ${tensor.bits} a value, ${bytes((channels * height * width * tensor.bits) / 8)} at most`],
          ["Range", boundary && `[${integer(boundary.lo)}, ${integer(boundary.hi)}]`],
          [
            "Network's",
            tensor.input !== null ? `input ${tensor.input}` : tensor.output !== null ? `output ${tensor.output}` : null,
          ],
          ["Made by", producer ? <LayerLink layer={producer} /> : "the host"],
          [
            "Read by",
            readers.length ? (
              <Linked
                items={readers.map((layer) => (
                  <LayerLink layer={layer} />
                ))}
              />
            ) : (
              "the host"
            ),
          ],
        ]}
      />
    </>
  );
}

function Linked({ items }: { items: VNode[] }) {
  return <>{items.map((item, place) => [place > 0 && ", ", item])}</>;
}

function TensorLink({ report, index }: { report: Summary; index: number }) {
  const tensor = report.tensors[index];
  return (
    <>
      <Go to={{ view: "graph", item: `t${index}` }}>{tensor?.name ?? index}</Go>{" "}
      <span class="muted">{shapeText(tensor?.shape ?? [])}</span>
    </>
  );
}

function LayerLink({ layer }: { layer: LayerFacts }) {
  return <Go to={{ view: "graph", layer: layer.index, item: layerItem(layer.index) }}>{layer.name}</Go>;
}
