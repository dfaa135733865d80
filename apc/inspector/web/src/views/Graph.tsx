/** The dataflow between layers: zoom with wheel, buttons or keys, follow edges with the arrow keys, choose a node. */

import { useMemo, useState } from "preact/hooks";

import { CopyButton } from "../components/CopyButton";
import { GraphCanvas } from "../components/GraphCanvas";
import { NodeFacts } from "../components/NodeFacts";
import { Segmented } from "../components/pieces";
import { total } from "../model/costs";
import { picture } from "../model/graph";
import { type LayerFacts, summary } from "../payload";
import { layerOf, navigate, route } from "../state";

const MEASURES = { cycles: "Cycles", energy: "Energy", plain: "None" } as const;
const DETAIL = { layers: "Layers", tensors: "Layers and tensors" } as const;
/** Above so many nodes the first look is at layers only. */
const MANY_NODES = 40;

type Measure = keyof typeof MEASURES;

export function Graph() {
  const report = summary();
  const [measure, setMeasure] = useState<Measure>("cycles");
  const [detail, setDetail] = useState<keyof typeof DETAIL>(
    report.graph.nodes.length > MANY_NODES ? "layers" : "tensors",
  );
  const drawn = useMemo(() => picture(report, detail === "tensors"), [report, detail]);
  const shares = useMemo(() => layerShares(report.layers, measure), [report, measure]);
  const selected = route.value.item;
  return (
    <div class="graph-view">
      <header class="row between">
        <h1>Dataflow graph</h1>
        <div class="row">
          <span class="muted">Colour by</span>
          <Segmented legend="Colour by" options={MEASURES} value={measure} onChange={setMeasure} />
          <Segmented legend="Show" options={DETAIL} value={detail} onChange={setDetail} />
        </div>
      </header>
      <div class="graph-body">
        <GraphCanvas
          key={detail}
          drawn={drawn}
          shares={shares}
          measure={measure}
          selected={selected}
          onSelect={select}
        />
        <NodeFacts report={report} id={selected} />
      </div>
      <details>
        <summary>Show the graph of integer operations as text</summary>
        <div class="stack tight">
          <CopyButton text={report.graph_text} label="Copy" title="Copy the graph's text" />
          <pre class="long-text" tabIndex={0}>
            {report.graph_text}
          </pre>
        </div>
      </details>
    </div>
  );
}

function select(id: string): void {
  const layer = layerOf(id);
  navigate({ item: id, ...(layer !== null && { layer }) });
}

/** Each layer's share of the network's cycles or energy. */
function layerShares(layers: LayerFacts[], measure: Measure): number[] {
  if (measure === "plain") return [];
  const costs = layers.map((layer) => (measure === "cycles" ? layer.cycles : (layer.energy_J["total"] ?? 0)));
  const all = total(costs) || 1;
  return costs.map((cost) => cost / all);
}
