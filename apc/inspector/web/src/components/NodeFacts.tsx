import { type VNode } from "preact";

import { programFile, shapeText } from "../model/costs";
import { count, integer, percent, si } from "../model/format";
import { type LayerFacts, type Summary, type TensorFacts } from "../payload";
import { Command, Facts, Go, partColour, ShareBar } from "./pieces";

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
  const all = report.layers.reduce((sum, other) => sum + other.cycles, 0) || 1;
  const energy_J = layer.energy_J["total"] ?? 0;
  const parts = report.energy.components.map((name) => ({
    name,
    value: layer.energy_J[name] ?? 0,
    text: si(layer.energy_J[name] ?? 0, "J"),
    colour: partColour(name),
  }));
  return (
    <>
      <h2>{layer.name}</h2>
      <nav class="row" aria-label="This layer elsewhere">
        <Go to={{ view: "microcode", layer: layer.index }}>Microcode</Go>
        <Go to={{ view: "timeline", layer: layer.index, item: `layer${layer.index}` }}>Timeline</Go>
        <Go to={{ view: "energy", layer: layer.index, item: `layer${layer.index}` }}>Energy</Go>
      </nav>
      <Facts
        facts={[
          ["Operation", `${layer.op}, layer ${layer.index}`],
          ["Makes", <TensorLink report={report} index={layer.output} />],
          [
            "Reads",
            <Linked
              items={layer.sources.map((index) => (
                <TensorLink report={report} index={index} />
              ))}
            />,
          ],
          ["Cycles", `${integer(layer.cycles)} (${percent(layer.cycles / all)})`],
          ["Latency", si(layer.latency_s, "s")],
          ["Energy", `${si(energy_J, "J")} ${report.energy.estimate ? "(estimate)" : "(counted)"}`],
          [
            "Arrays",
            `${integer(layer.arrays)}: ${count(layer.tiles.length, "tile")} × ${count(layer.row_tiles, "row tile")}`,
          ],
          ["Waves", integer(layer.waves)],
          ["Columns", `${integer(layer.columns)} of ${integer(report.target.columns)}`],
          ["Instructions", `${integer(layer.instructions)}, ${si(layer.encoded_bits / 8, "B")}`],
          ["Passes", `${integer(layer.search_passes)} searches, ${integer(layer.write_passes)} writes`],
          ["Shift steps", integer(layer.shift_steps)],
          ...Object.entries(layer.statistics).map(([name, value]): [string, string] => [
            name.replaceAll("_", " "),
            integer(value),
          ]),
        ]}
      />
      <ShareBar label={`Energy of ${layer.name}`} parts={parts} />
      <Command line={`apc inspect ${programFile(report)} --layer ${layer.name}`} />
    </>
  );
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
          ["Bits", `at most ${tensor.bits} a value, ${si((channels * height * width * tensor.bits) / 8, "B")} at most`],
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
  return <Go to={{ view: "graph", layer: layer.index, item: `layer${layer.index}` }}>{layer.name}</Go>;
}
