/** What the map's colours mean, with numbers. */

import { Legend } from "../components/pieces";
import type { Analysis } from "../machine/analysis";
import { KIND_NAMES, NONE } from "../machine/values";
import { count, integer, percent } from "../model/format";
import { summary } from "../payload";
import { greatest, type Mode } from "./draw";
import { isLive, type Liveness } from "./liveness";
import type { Held } from "./replay";

interface Props {
  found: Analysis;
  living: Liveness;
  mode: Mode;
  held: Held;
  now: number;
}

export function MapLegend({ found, living, mode, held, now }: Props) {
  if (mode === "occupancy") return <Kinds found={found} held={held} now={now} />;
  const [low, high] = range(found, living, mode);
  return (
    <p class="heat muted">
      <span>{low}</span>
      <span class="heat-ramp" aria-hidden="true" />
      <span>{high}</span>
    </p>
  );
}

function range({ tables }: Analysis, living: Liveness, mode: Mode): [string, string] {
  if (mode === "time") return ["no cell of the column live", `all ${living.domains} domains live`];
  if (mode === "liveness") return ["never live", `live ${percent(Math.min(1, greatest(living.share)))} of the time`];
  const { wear } = summary().layers[tables.layer]!;
  const hottest =
    wear && wear.tile === tables.tile ? `; ring: the most written cell of the run, ${count(wear.writes, "write")}` : "";
  return ["never written", `${count(greatest(living.writes), "write pass", "write passes")} (logarithmic)${hottest}`];
}

/** Cells by kind, those that are still needed and the faint ones that are not. */
function Kinds({ found: { values }, held, now }: Pick<Props, "found" | "held" | "now">) {
  const live = new Array<number>(KIND_NAMES.length).fill(0);
  let [dead, empty] = [0, 0];
  for (const value of held.value) {
    if (value === NONE) empty++;
    else if (isLive(values, value, now)) live[values.kind[value]!]!++;
    else dead++;
  }
  const parts = KIND_NAMES.map((name, kind) => ({ name, colour: `var(--kind-${name})`, text: integer(live[kind]!) }));
  return (
    <Legend
      parts={[
        ...parts.filter(({ text }) => text !== "0"),
        { name: "faint: not needed any more", colour: "var(--line-strong)", text: integer(dead) },
        { name: "never written", colour: "var(--kind-empty)", text: integer(empty) },
      ]}
    />
  );
}
