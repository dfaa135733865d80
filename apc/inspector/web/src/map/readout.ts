// What a cell of the array is, in words.

import { intervalText, takenOver } from "../listing/words";
import type { Analysis } from "../machine/analysis";
import { cellOf, fieldOf, FLAG_COLUMNS, hex } from "../machine/records";
import { KIND_NAMES, NONE } from "../machine/values";
import { count, integer, percent } from "../model/format";
import { isLive, lastUse, type Liveness } from "./liveness";
import type { Held } from "./replay";

/** A cell: its place, the title of what it holds, and facts about that. */
export interface Readout {
  place: string;
  kind: string;
  title: string;
  facts: string[];
  /** The instruction that wrote what the cell holds, -1 where there is none. */
  maker: number;
}

const FLAG_TITLES = ["C, the carry", "F, a flag", "G, a flag"];

export function readout(found: Analysis, held: Held, lives: Liveness, cell: number, moment: number): Readout {
  const { values, names } = found;
  const [column, domain] = [Math.floor(cell / lives.domains), cell % lives.domains];
  const place = `c${column}.d${domain}`;
  const value = held.value[cell]!;
  const facts = [
    `cell live ${percent(lives.share[cell]!)} of the tile’s time`,
    count(lives.writes[cell]!, "write pass", "write passes"),
  ];
  if (value === NONE) {
    const title =
      column < FLAG_COLUMNS
        ? domain
          ? "not used"
          : FLAG_TITLES[column]!
        : lives.share[cell] || lives.writes[cell]
          ? "nothing yet"
          : "not used";
    return { place, kind: "empty", title, facts, maker: -1 };
  }
  const maker = held.since[cell]!;
  const first = values.first[value]!;
  facts.unshift(
    maker < 0 ? "there from the start" : `begins ${hex(first)}, written ${hex(maker)}`,
    endText(found, value, moment),
  );
  return {
    place,
    kind: KIND_NAMES[values.kind[value]!]!,
    title: `${names.of(value)}${bitText(found, maker, column, domain)}`,
    facts,
    maker,
  };
}

/** Until when a value matters, as seen at a moment. */
function endText(found: Analysis, value: number, moment: number): string {
  const { values } = found;
  const end = lastUse(values, value);
  if (end >= values.made.length) return "needed at the end";
  const taker = takenOver(found, value);
  if (taker >= 0) return `never read as a or b, taken over at ${hex(taker)}`;
  if (end < 0) return "never read";
  return `${isLive(values, value, moment) ? "needed until" : "last needed at"} ${hex(end)}`;
}

/** " bit 3, 0..15": which bit of what was written last the cell has, and that field's interval. */
function bitText({ tables, values }: Analysis, maker: number, column: number, domain: number): string {
  if (maker < 0) return "";
  const field = fieldOf(tables.code, maker, "r");
  const [c, d] = cellOf(field, 0);
  const bit = field.across ? column - c : domain - d;
  return ` bit ${integer(bit)}, in ${intervalText(values.low[maker]!, values.high[maker]!)}`;
}
