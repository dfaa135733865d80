/** What this page is, how to read it, and what it is made of. */

import { Facts, Go } from "../components/pieces";
import { licences, summary } from "../payload";

export function About() {
  const { program, run, comparison, energy } = summary();
  return (
    <div class="stack about">
      <h1>About this report</h1>
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
            ["Run", run ? `counted, ${energy.images} images` : "none: energies are estimates"],
            ["Comparison", comparison ? "with crossbars and SRAM arrays" : "none"],
          ]}
        />
      </section>
      <section class="panel stack">
        <h2>How to read it</h2>
        <dl class="notes">
          <dt>
            <Go to={{ view: "overview" }}>Overview</Go>
          </dt>
          <dd>The program, its totals, where the cost is, every layer.</dd>
          <dt>
            <Go to={{ view: "graph" }}>Graph</Go>
          </dt>
          <dd>Which layer reads what. Wheel or + and − zoom, arrow keys follow edges, Enter shows a node's facts.</dd>
          <dt>
            <Go to={{ view: "microcode" }}>Microcode</Go>
          </dt>
          <dd>
            Every instruction with operands by name, place and interval. A place is a column and its domains:{" "}
            <code>c30.d2:12x</code> are 12 bits that lie across columns 30 to 41 at domain 2, <code>c30.d2:12</code>{" "}
            along column 30 from domain 2. The map beside it shows what lives where at the chosen instruction.
          </dd>
          <dt>
            <Go to={{ view: "timeline" }}>Timeline</Go>
          </dt>
          <dd>The schedule of one image, in cycles of the target's clock.</dd>
          <dt>
            <Go to={{ view: "energy" }}>Energy</Go>
          </dt>
          <dd>
            By component, layer and instruction class. “Estimate” and “counted” are said wherever energies are shown.
          </dd>
          <dt>
            <Go to={{ view: "figures" }}>Figures</Go>
          </dt>
          <dd>What every event costs, who published it, and what is assumed.</dd>
        </dl>
        <p>
          The address bar names the place that you see: copy it to send others there. Numbers in tables are short; the
          pointer shows the exact value, a click copies it, and CSV files hold exact values only. Units are those of the
          keys: <code>energy_J</code> is in joules.
        </p>
      </section>
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
