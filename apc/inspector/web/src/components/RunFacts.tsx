import { count, integer, number, percent, seconds, significant } from "../model/format";
import { type Summary } from "../payload";
import { Facts } from "./pieces";

/** What the page tells of an apc.run/1 object (docs/json.md). */
export interface Run {
  images: number;
  batch: number;
  engine: string;
  cycles: number;
  latency_s: number;
  utilisation: { arrays: number; rows: number };
  moved_bits_by_distance: Record<string, number>;
  check?: { against: string; elements: number; mismatches: number };
  accuracy?: number;
  wear?: { writes: number; years: number | null };
  faults?: { name: string; trials: number; accuracy?: { mean: number; low: number; high: number } };
}

/** The run behind the energies; nothing where there is none. */
export function RunFacts({ report }: { report: Summary }) {
  const run = report.run as Run | null;
  if (!run) return null;
  const { check, accuracy, wear, faults, utilisation } = run;
  const batches = `in batches of at most ${integer(run.batch)} (${run.engine} engine)`;
  const distances = Object.entries(run.moved_bits_by_distance).map(([far, bits]) => `${far} ${integer(bits)}`);
  const each_s = run.latency_s / run.images;
  return (
    <>
      <h3>What was run</h3>
      <Facts
        facts={[
          ["Images", `${integer(run.images)}, ${batches}`],
          ["Time", `${seconds(run.latency_s)} for all, ${seconds(each_s)} an image; ${integer(run.cycles)} cycles`],
          ["Arrays in use", `${percent(utilisation.arrays)} of their time`],
          ["Rows in use", `${percent(utilisation.rows)} of those powered`],
          ["Accuracy", accuracy !== undefined && percent(accuracy)],
          ["Check", check && checkText(check)],
          ["Bits moved", `${distances.join(", ")} an image`],
          ["Wear", wear && wearText(wear)],
          ["Faults", faults && faultsText(faults)],
        ]}
      />
    </>
  );
}

function checkText({ against, elements, mismatches }: NonNullable<Run["check"]>): string {
  return `${count(mismatches, "mismatch", "mismatches")} in ${integer(elements)} elements, against ${against}`;
}

function wearText({ writes, years }: NonNullable<Run["wear"]>): string {
  const life = years === null ? "" : `, ${significant(years)} years at the target's endurance`;
  return `${number(writes)} writes a batch of the hottest cell${life}`;
}

function faultsText({ name, trials, accuracy }: NonNullable<Run["faults"]>): string {
  const kept =
    accuracy && `: accuracy ${percent(accuracy.mean)} (${percent(accuracy.low)} to ${percent(accuracy.high)})`;
  return `${name}, ${count(trials, "trial")}${kept ?? ""}`;
}
