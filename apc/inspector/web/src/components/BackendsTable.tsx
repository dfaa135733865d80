import { assumedFigures, type Backend, type Compared, KINDS } from "../model/comparison";
import { area, joules, percent, seconds, si, significant, times } from "../model/format";
import { type Summary } from "../payload";
import { Go } from "./pieces";
import { type Column, Table } from "./Table";

const NAMES: Column<Backend>[] = [
  {
    key: "name",
    title: "backend",
    value: ({ name }) => name,
    render: ({ name, description }) => (
      <Go to={{ view: "figures", item: name }} title={description}>
        {name}
      </Go>
    ),
  },
  { key: "kind", title: "kind", value: ({ kind }) => KINDS[kind] ?? kind },
  {
    key: "energy_J",
    title: "energy",
    value: ({ energy_J }) => energy_J["total"] ?? null,
    text: joules,
    help: "Per image",
    bar: true,
  },
];

const PRICES: Column<Backend>[] = [
  {
    key: "latency_s",
    title: "time",
    value: ({ latency_s }) => latency_s,
    text: seconds,
    help: "Of a batch over its images",
  },
  { key: "area_m2", title: "area", value: ({ area_m2 }) => area_m2, text: area, help: "Of the chip" },
  {
    key: "energy_delay_Js",
    title: "energy × time",
    value: ({ energy_delay_Js }) => energy_delay_Js,
    text: (value) => si(value, "Js"),
  },
  { key: "energy_per_mac_J", title: "per MAC", value: ({ energy_per_mac_J }) => energy_per_mac_J, text: joules },
  { key: "tops_per_W", title: "TOPS/W", value: ({ tops_per_W }) => tops_per_W, text: (value) => significant(value) },
  {
    key: "movement_share",
    title: "movement",
    value: ({ movement_share }) => movement_share,
    text: percent,
    help: "Share of the energy that moves activations",
  },
];

/** Shown where they were measured. */
const MEASURED: Column<Backend>[] = [
  { key: "accuracy", title: "accuracy", value: ({ accuracy }) => accuracy, text: percent },
  {
    key: "agreement",
    title: "agreement",
    value: ({ agreement }) => agreement,
    text: percent,
    help: "Images with the class of the exact network",
  },
];

function ratioTo(reference: string): Column<Backend> {
  return {
    key: "ratio_to_ap",
    title: "of the AP's",
    value: ({ ratio_to_ap }) => ratio_to_ap,
    text: times,
    help: `Energy over that of ${reference}. Above 1, the AP needs less`,
  };
}

function assumedOf(report: Summary): Column<Backend> {
  const figures = assumedFigures(report);
  return {
    key: "assumed_figures",
    title: "assumed",
    value: ({ name }) => figures.get(name)?.assumed ?? null,
    render: ({ name }) => {
      const { assumed, all } = figures.get(name) ?? { assumed: 0, all: 0 };
      return all ? `${assumed} of ${all} figures` : "–";
    },
    help: "Figures that no publication gives",
  };
}

/** Every backend: energy, time, area, accuracy, and how much of it rests on assumptions. */
export function BackendsTable({ report, compared }: { report: Summary; compared: Compared }) {
  const measured = MEASURED.filter(({ value }) => compared.backends.some((backend) => value(backend) !== null));
  return (
    <Table
      caption="Backends"
      file="backends"
      columns={[...NAMES, ratioTo(compared.reference), ...PRICES, ...measured, assumedOf(report)]}
      rows={compared.backends}
      rowKey={({ name }) => name}
      head="name"
      current={({ name }) => name === compared.reference}
    />
  );
}
