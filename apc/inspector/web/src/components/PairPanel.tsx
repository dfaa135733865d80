import { useState } from "preact/hooks";

import { type BreakEven, type Compared, type Sensitivity, type Swing, type Tie } from "../model/comparison";
import { joules, si, times, withUnit } from "../model/format";
import { Facts } from "./pieces";
import { Select } from "./Select";
import { type Column, Table } from "./Table";
import { Tornado } from "./Tornado";

/** One associative processor against one array: where they tie, and which constant decides. */
export function PairPanel({ compared }: { compared: Compared }) {
  const { pairs } = compared.break_even;
  const [ap, setAp] = useState(compared.reference);
  const [array, setArray] = useState(pairs[0]?.crossbar ?? "");
  const named = (of: (pair: BreakEven) => string) => [...new Set(pairs.map(of))].map((name) => [name, name] as const);
  const same = (pair: { ap: string; crossbar: string }) => pair.ap === ap && pair.crossbar === array;
  const ties = pairs.find(same);
  const swings = compared.sensitivity.pairs.find(same);
  return (
    <section class="panel stack" aria-label="One pair">
      <div class="row between">
        <h2>Where the balance tips</h2>
        <div class="row">
          <Select quiet label="Associative processor" value={ap} options={named(({ ap }) => ap)} onPick={setAp} />
          <span class="muted">against</span>
          <Select quiet label="Array" value={array} options={named(({ crossbar }) => crossbar)} onPick={setArray} />
        </div>
      </div>
      {ties ? (
        <Ties ties={ties} headline={compared.break_even.headline} />
      ) : (
        <p class="muted">These two were not compared.</p>
      )}
      {swings && swings.rows.length > 0 && <Swings swings={swings} factor={compared.sensitivity.factor} />}
    </section>
  );
}

const never = (value: number | null, text: (value: number) => string) => (value === null ? "never" : text(value));

function tieColumns(headline: number): Column<Tie>[] {
  const solved = (of: (tie: Tie) => number | null) => ({
    value: of,
    numeric: true,
    render: (tie: Tie) => never(of(tie), (value) => si(value, tie.unit)),
  });
  return [
    { key: "key", title: "figure of the AP", value: (tie) => tie.key },
    { key: "value", title: "now", value: (tie) => tie.value, render: (tie) => si(tie.value, tie.unit) },
    {
      key: "tie_value",
      title: "at a tie",
      ...solved((tie) => tie.tie_value),
      help: "The value, alone, at which both take the same energy",
    },
    {
      key: "headline_value",
      title: `at ${headline}×`,
      ...solved((tie) => tie.headline_value),
      help: "The value at which the array takes the published ratio",
    },
    {
      key: "ratio_at_zero",
      title: "ratio at 0",
      value: (tie) => tie.ratio_at_zero,
      text: times,
      help: "Energy of the array over that of the AP if this cost nothing",
    },
    { key: "events_per_image", title: "events an image", value: (tie) => tie.events_per_image },
  ];
}

function Ties({ ties, headline }: { ties: BreakEven; headline: Compared["break_even"]["headline"] }) {
  const published = `the ${headline.ratio}× of ${headline.source}`;
  return (
    <div class="stack tight">
      <Facts
        facts={[
          ["Ratio", `the array takes ${times(ties.ratio)} the energy of the AP`],
          ["Published", `${ties.reaches_headline ? "reached" : "not reached"}: ${published}`],
          ["Device energies", deviceTie(ties.devices)],
          ["Converters", ties.adc && converterTie(ties.adc)],
        ]}
      />
      <Table
        caption="Break-even, one figure at a time"
        file={`break-even-${ties.ap}-${ties.crossbar}`}
        columns={tieColumns(headline.ratio)}
        rows={ties.figures}
        rowKey={(tie) => tie.key}
        head="key"
      />
    </div>
  );
}

function deviceTie({ keys, tie_factor, ratio_at_zero }: BreakEven["devices"]): string {
  const names = keys.join(", ");
  if (tie_factor === null) return `${names} together never tie: at 0 the ratio is ${times(ratio_at_zero)}`;
  return `${names} together would have to be ${times(tie_factor)} what they are for a tie`;
}

function converterTie({ energy_per_conversion_J, tie_per_conversion_J }: NonNullable<BreakEven["adc"]>): string {
  return `${joules(energy_per_conversion_J)} a conversion now, ${never(tie_per_conversion_J, joules)} at a tie`;
}

const SWING_COLUMNS: Column<Swing>[] = [
  { key: "key", title: "figure", value: (row) => row.key },
  { key: "backend", title: "of", value: (row) => row.backend },
  { key: "value", title: "now", value: (row) => row.value, render: (row) => withUnit(row.value, row.unit) },
  { key: "low", title: "low", value: (row) => row.low, render: (row) => withUnit(row.low, row.unit) },
  { key: "high", title: "high", value: (row) => row.high, render: (row) => withUnit(row.high, row.unit) },
  { key: "ratio_low", title: "ratio at low", value: (row) => row.ratio_low, text: times },
  { key: "ratio_high", title: "ratio at high", value: (row) => row.ratio_high, text: times },
  { key: "swing", title: "swing", value: (row) => row.swing, text: times, bar: true },
  { key: "flips", title: "winner changes", value: (row) => row.flips },
];

function Swings({ swings, factor }: { swings: Sensitivity; factor: number | null }) {
  return (
    <Tornado
      swings={swings}
      factor={factor}
      data={
        <Table
          caption="Sensitivity"
          file={`sensitivity-${swings.ap}-${swings.crossbar}`}
          columns={SWING_COLUMNS}
          rows={swings.rows}
          rowKey={(row) => `${row.backend} ${row.key}`}
          head="key"
          bare
          filter
        />
      }
    />
  );
}
