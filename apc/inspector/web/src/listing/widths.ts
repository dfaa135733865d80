// How wide the listing's columns are: as its texts need, in characters of its font.

import type { Analysis } from "../machine/analysis";
import { fieldOf, hex, Op, OPERANDS, placeText, type Operand } from "../machine/records";
import { Kind } from "../machine/values";
import { integer } from "../model/format";
import { intervalText, valueOf } from "./words";

/** Rows that are measured; longer texts of the others are cut, with all of them in the tooltip. */
const MEASURED = 2000;
/** Names may be cut down to this where the listing is narrow: a channel and its offset. */
const SHORTEST_NAME = 11;
/** Names of outputs are long, and few beside those of what leads to them: their column is not wider for them. */
const OUTPUT_NAME = 12;
/** Characters that the heads of narrow columns take. */
const HEADS = { address: 8, opcode: 6, cycles: 6, search: 6, write: 5, shift: 5 };
/** Room for "[-1024, 1023]" in any case, for wider intervals up to "[-16384, 16383]". */
const INTERVAL = { least: 13, most: 16 };
/** Pixels of an operand beside its texts (microcode.css: the swatch and the gaps), of gaps, and of the padding. */
const BESIDE = 20;
const GAP = 7;
const PADDING = 20;

interface Column {
  least: string;
  most: string;
}

/** Values of custom properties of the style sheet. */
interface Widths {
  "--columns": string;
  /** Narrower than this the listing scrolls sideways. */
  "--least": string;
  "--place-r": string;
  "--place-a": string;
  "--place-b": string;
}

type Count = "cycles" | "search" | "write" | "shift";
type Text = "address" | `name-${Operand}` | `place-${Operand}` | "interval" | Count;

/** Room that is left goes to the names of r and a, then to b or immediates, and to the interval. */
export function widths(found: Analysis): Widths {
  const most = longest(found);
  const operand = (name: Operand): Column => {
    const [text, place] = [most[`name-${name}`], most[`place-${name}`]];
    const least = `calc(${Math.min(text, SHORTEST_NAME) + place}ch + ${BESIDE}px)`;
    return place ? { least, most: `calc(${text + place}ch + ${BESIDE}px)` } : fixed(1);
  };
  const counts = (["cycles", "search", "write", "shift"] as const).map((name) =>
    fixed(Math.max(HEADS[name], most[name])),
  );
  const all = [
    fixed(Math.max(HEADS.address, most.address)),
    fixed(HEADS.opcode),
    operand("r"),
    operand("a"),
    { least: most["place-b"] ? operand("b").least : `${INTERVAL.least}ch`, most: "2fr" },
    { least: `${Math.max(INTERVAL.least, Math.min(INTERVAL.most, most.interval))}ch`, most: "1fr" },
    ...counts,
  ];
  return {
    "--columns": all.map(({ least, most }) => `minmax(${least}, ${most})`).join(" "),
    "--least": `calc(${all.map(({ least }) => least).join(" + ")} + ${(all.length - 1) * GAP + PADDING}px)`,
    "--place-r": `${most["place-r"]}ch`,
    "--place-a": `${most["place-a"]}ch`,
    "--place-b": `${most["place-b"]}ch`,
  };
}

function fixed(characters: number): Column {
  return { least: `${characters}ch`, most: `${characters}ch` };
}

/** The length of the longest text of every kind, of rows spread over the tile. */
function longest(found: Analysis): Record<Text, number> {
  const { tables, values, counts } = found;
  const { code } = tables;
  const most: Record<Text, number> = {
    ...{ address: hex(code.length - 1).length, interval: 0, cycles: 0, search: 0, write: 0, shift: 0 },
    ...{ "name-r": 0, "name-a": 0, "name-b": 0, "place-r": 0, "place-a": 0, "place-b": 0 },
  };
  const measure = (name: Text, length: number) => (most[name] = Math.max(most[name], length));
  const step = Math.ceil(code.length / MEASURED);
  for (let i = 0; i < code.length; i += step) {
    for (const operand of OPERANDS[code.op[i]!]!) {
      measure(`place-${operand}`, placeText(fieldOf(code, i, operand)).length);
      measure(`name-${operand}`, nameLength(found, i, operand));
    }
    measure("interval", intervalText(values.low[i]!, values.high[i]!).length);
    measure("cycles", integer(counts.cycles[i]!).length);
    measure("search", countText(counts.searches[i]!, counts.sourceSearches[i]!).length);
    measure("write", integer(counts.writes[i]!).length);
    measure("shift", countText(counts.shifts[i]!, counts.sourceShifts[i]!).length);
  }
  return most;
}

/** What a name asks of its column. */
function nameLength(found: Analysis, i: number, operand: Operand): number {
  if (found.tables.code.op[i] === Op.GATHER) return 0; // it takes the next column as well
  const value = valueOf(found, i, operand);
  const { length } = found.names.of(value);
  return operand === "r" && found.values.kind[value] === Kind.OUTPUT ? Math.min(length, OUTPUT_NAME) : length;
}

/** Of the tile's own arrays, + in those that it gathers from. */
export function countText(own: number, source: number): string {
  return source ? `${own}+${source}` : integer(own);
}
