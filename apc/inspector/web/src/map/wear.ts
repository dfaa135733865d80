// How often the cells of an array are written: which bits each signature's passes write, and how often.

import type { Analysis } from "../machine/analysis";
import { cellOf, fieldOf, FLAGS, type Operand, type TileTables } from "../machine/records";
import type { Signatures } from "../machine/signatures";
import { summary, type SignatureFacts } from "../payload";

interface Written {
  letter: string;
  bit: number;
  passes: number;
}

/** By cell (column * domains + domain): how many write passes include it. */
export function writePasses({ tables, counts, book }: Analysis, domains: number): Uint32Array {
  const { code } = tables;
  const total = new Uint32Array(summary().target.columns * domains);
  const known = new Map<number, Written[]>();
  for (let i = 0; i < code.length; i++) {
    const number = counts.signature[i]!;
    let written = known.get(number);
    if (!written) known.set(number, (written = writtenBy(book, book.all[number]!)));
    for (const { letter, bit, passes } of written) {
      const cell = place(tables, i, letter, bit, domains);
      total[cell] = total[cell]! + passes;
    }
  }
  return total;
}

function writtenBy(book: Signatures, { steps }: SignatureFacts): Written[] {
  const passes = new Map<string, number>();
  for (const [number, , , places] of steps) {
    const bits = new Map(places.split(" ").map((text) => [text[0]!, text.slice(1)]));
    for (const { writes } of book.tables[number]!.passes) {
      for (const [letter] of writes) {
        const cell = `${letter}${bits.get(letter) ?? 0}`;
        passes.set(cell, (passes.get(cell) ?? 0) + 1);
      }
    }
  }
  return [...passes].map(([cell, count]) => ({ letter: cell[0]!, bit: Number(cell.slice(1)), passes: count }));
}

function place({ code }: TileTables, i: number, letter: string, bit: number, domains: number): number {
  if (FLAGS.includes(letter)) return FLAGS.indexOf(letter) * domains;
  const [column, domain] = cellOf(fieldOf(code, i, letter as Operand), bit);
  return column * domains + domain;
}
