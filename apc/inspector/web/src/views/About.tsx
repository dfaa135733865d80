/** What this page is, how to read it, and what it is made of. */

import { Fragment } from "preact";

import { Facts, Go } from "../components/pieces";
import { count } from "../model/format";
import { licences, summary } from "../payload";
import { type ViewName } from "../state";

export function About() {
  return (
    <div class="stack about">
      <h1>About this report</h1>
      <Holds />
      <HowToRead />
      <section class="panel stack">
        <h2>Licences</h2>
        <p>The page contains these works of others, under their licences:</p>
        <details>
          <summary>Show the licences</summary>
          <pre class="long-text wrapped" tabIndex={0}>
            {licences()}
          </pre>
        </details>
      </section>
    </div>
  );
}

function Holds() {
  const { program, run, comparison, energy } = summary();
  return (
    <section class="panel stack">
      <p>
        This file was written by <code>apc report</code>. It holds the program, its microcode and its costs, loads
        nothing from any network and sends nothing. It can be kept, mailed and opened in any current browser.
      </p>
      <Facts
        facts={[
          ["Program", <code>{program.file}</code>],
          ["Model (SHA-256)", <code>{program.model_sha256}</code>],
          ["apc", program.apc_version],
          ["Run", run ? `counted, ${count(energy.images, "image")}` : "none: energies are estimates"],
          ["Comparison", comparison ? "with crossbars and SRAM arrays" : "none"],
        ]}
      />
    </section>
  );
}

const VIEWS: [ViewName, string, string][] = [
  ["overview", "Overview", "The program, its totals, where the cost is, every layer."],
  [
    "graph",
    "Graph",
    "Which layer reads what. Wheel or + and − zoom, arrow keys follow edges, Enter shows a node's facts.",
  ],
  [
    "microcode",
    "Microcode",
    "Every instruction with operands by name, place and interval. A place is a column and its domains: " +
      "c30.d2:12x are 12 bits that lie across columns 30 to 41 at domain 2, c30.d2:12 along column 30 from domain 2. " +
      "The map beside it shows what lives where after the chosen instruction.",
  ],
  ["timeline", "Timeline", "The schedule of one image, in cycles of the target's clock."],
  [
    "energy",
    "Energy",
    "By component, layer and instruction class. “Estimate” and “counted” are said wherever energies are shown.",
  ],
  ["comparison", "Comparison", "The program beside crossbars and SRAM arrays, where the report has a comparison."],
  ["figures", "Figures", "What every event costs, who published it, and what is assumed."],
];

function HowToRead() {
  return (
    <section class="panel stack">
      <h2>How to read it</h2>
      <dl class="notes">
        {VIEWS.map(([view, title, about]) => (
          <Fragment key={view}>
            <dt>
              <Go to={{ view }}>{title}</Go>
            </dt>
            <dd>{about}</dd>
          </Fragment>
        ))}
      </dl>
      <p>
        The address bar names the place that you see: copy it to send others there. Numbers in tables are short; the
        pointer shows the exact value, a click copies it, and CSV files hold exact values only. Units are those of the
        keys: <code>energy_J</code> is in joules.
      </p>
    </section>
  );
}
