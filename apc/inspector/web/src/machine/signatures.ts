// How instructions expand: the chunk "signatures" looked up by record, as ir.expand.signature does.

import { jsonChunk } from "../chunks";
import { type LutTable, type SignatureBook, type SignatureFacts } from "../payload";
import { A_SIGNED, B_SIGNED, constantsOf, Op, R_FRESH, type TileTables } from "./records";

const KEY_FLAGS = A_SIGNED | B_SIGNED | R_FRESH;

/** The expansions of a program's instructions. */
export class Signatures {
  readonly tables: LutTable[];
  readonly all: SignatureFacts[];
  private readonly numbers = new Map<string, number>();

  constructor(book: SignatureBook) {
    this.tables = book.tables;
    this.all = book.signatures;
    this.all.forEach(({ key }, number) => this.numbers.set(key.join(), number));
  }

  /** For every instruction of a tile the index of its signature in `all`. */
  of(tile: TileTables): Int32Array {
    const { code } = tile;
    const found = new Int32Array(code.length);
    const known = new Map<number, number>();
    for (let i = 0; i < code.length; i++) {
      const op = code.op[i]!;
      const imm = constantsOf(op) ? code.imm[i]! : 0;
      const shape = (((code.aWidth[i]! << 6) | code.bWidth[i]!) << 6) | code.rWidth[i]!;
      const key = ((shape * 16 + op) * 128 + (code.flags[i]! & KEY_FLAGS)) * 65536 + imm;
      let number = known.get(key);
      if (number === undefined) known.set(key, (number = this.look(tile, i)));
      found[i] = number;
    }
    return found;
  }

  private look(tile: TileTables, i: number): number {
    const { code } = tile;
    const widths = [code.aWidth[i]!, code.bWidth[i]!, code.rWidth[i]!];
    const key = [code.op[i]!, code.flags[i]! & KEY_FLAGS, ...widths, ...constants(tile, i)].join();
    const number = this.numbers.get(key);
    if (number === undefined) throw new Error(`this report has no expansion of ${key}`);
    return number;
  }
}

/** The constants of ir.expand.Signature; what is added or written counts modulo 2**r_width. */
function constants({ code, constants: table }: TileTables, i: number): number[] {
  const count = constantsOf(code.op[i]!);
  const imm = code.imm[i]!;
  const modulo = (value: bigint) => BigInt.asUintN(code.rWidth[i]!, value);
  if (count === 0) return [];
  if (count === 1) return [Number(modulo(table[imm]!))];
  const [first, second] = [table[imm]!, table[imm + 1]!];
  return [Number(first), Number(code.op[i] === Op.STEP ? modulo(second) : second)];
}

let opened: Promise<Signatures> | undefined;

/** Those of this page. */
export function signatures(): Promise<Signatures> {
  opened ??= jsonChunk<SignatureBook>("signatures").then((book) => new Signatures(book));
  return opened;
}
