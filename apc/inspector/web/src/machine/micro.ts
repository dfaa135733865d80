// Micro-operations of one instruction as text: a port of ir.expand.concretise and
// apc.report.inspection_text.micro_text.

import type { Bit, SignatureFacts } from "../payload";
import { cellOf, fieldOf, FLAGS, gatherIndex, gathers, OPERANDS, type Field, type TileTables } from "./records";
import type { Signatures } from "./signatures";
import { offsetsBefore, type Trace } from "./trace";

type Cell = [letter: string, bit: number];

const KEY_LINE = "X";

/** The micro-operations of instruction `i`, shifts included, one a line. */
export function microLines(tile: TileTables, counts: Trace, book: Signatures, i: number): string[] {
  const { code } = tile;
  const fields = new Map<string, Field>(OPERANDS[code.op[i]!]!.map((operand) => [operand, fieldOf(code, i, operand)]));
  const gather = gathers(code.op[i]!) ? gatherIndex(code, i) : 0;
  const placer = new Placer(fields, offsetsBefore(code, counts, i, book));
  expand(book, book.all[counts.signature[i]!]!, placer, gather);
  return placer.lines;
}

/** The shifts that bring every column back to offset 0 at the end of a tile. */
export function rewindLines(tile: TileTables, counts: Trace, book: Signatures): string[] {
  const offsets = offsetsBefore(tile.code, counts, tile.code.length, book);
  return Array.from(offsets, (offset, column) => (offset ? shiftText(column, -offset) : "")).filter(Boolean);
}

function shiftText(column: number, steps: number): string {
  return `SHIFT      c${column} ${steps > 0 ? "+" : ""}${steps}`;
}

/** Places symbolic cells and inserts the shifts that they need. */
class Placer {
  readonly lines: string[] = [];

  constructor(
    private readonly fields: Map<string, Field>,
    private readonly offsets: Uint8Array,
  ) {}

  /** "WORD cell=bit ..." after the shifts that bring the cells to their ports. */
  put(word: string, cells: [Cell, number][]): void {
    const texts = cells.map(([cell, bit]) => `${this.bring(cell)}=${bit}`);
    this.lines.push(`${word.padEnd(10)} ${texts.join(" ")}`);
  }

  private bring([letter, bit]: Cell): string {
    if (letter === KEY_LINE) return letter;
    const field = this.fields.get(letter);
    const [column, domain] = field ? cellOf(field, bit) : [FLAGS.indexOf(letter), 0];
    const steps = domain - this.offsets[column]!;
    if (steps) {
      this.lines.push(shiftText(column, steps));
      this.offsets[column] = domain;
    }
    return field ? `c${column}.d${domain}` : letter;
  }
}

function expand(book: Signatures, { steps }: SignatureFacts, placer: Placer, gather: number): void {
  for (const [number, received, broadcast, places] of steps) {
    if (received >= 0) placer.lines.push(`RECEIVE    gather ${gather} bit ${received}`);
    if (broadcast >= 0) placer.lines.push(`BROADCAST  gather ${gather} bit ${broadcast}`);
    const cells = new Map(places.split(" ").map((text) => [text[0]!, Number(text.slice(1))]));
    const placed = (bits: Bit[]) =>
      bits.map(([letter, bit]): [Cell, number] => [[letter, cells.get(letter) ?? 0], bit]);
    for (const { searches, writes } of book.tables[number]!.passes) {
      searches.forEach((search, k) => placer.put(k ? "SEARCH-OR" : "SEARCH", placed(search)));
      placer.put("WRITE", placed(writes));
    }
  }
}
