// Instruction records (ir.isa) and the tables of a tile, as the chunk "tile-L-T" holds them.

import { chunk } from "../chunks";
import { summary, type TileFacts } from "../payload";

export const Op = {
  CONST: 1,
  COPY: 2,
  ADD: 3,
  SUB: 4,
  ADDO: 5,
  SUBO: 6,
  ADDC: 7,
  EXTEND: 8,
  MAX: 9,
  CLAMP: 10,
  STEP: 11,
  GATHER: 12,
  MAC: 13,
} as const;

/** Opcode number -> its name, "" where there is none. */
export const OP_NAMES: readonly string[] = Object.entries(Op).reduce<string[]>((names, [name, number]) => {
  names[number] = name;
  return names;
}, Array<string>(14).fill(""));

export const A_SIGNED = 1;
export const B_SIGNED = 2;
export const R_SIGNED = 4;
export const A_ACROSS = 8;
export const B_ACROSS = 16;
export const R_ACROSS = 32;
export const R_FRESH = 64;

/** The flags that every array keeps, in domain 0 of its first columns. */
export const FLAGS = ["C", "F", "G"];
export const FLAG_COLUMNS = FLAGS.length;

export type Operand = "r" | "a" | "b";

/** The operands of each opcode in printing order, by opcode number. */
export const OPERANDS: readonly (readonly Operand[])[] = [
  [],
  ["r"],
  ["r", "a"],
  ["r", "a"],
  ["r", "a"],
  ["r", "a", "b"],
  ["r", "a", "b"],
  ["r"],
  ["r"],
  ["r", "a"],
  ["r", "a"],
  ["r", "a"],
  ["r"],
  ["r", "a"],
];

/** An integer's place in every row of an array. */
export interface Field {
  column: number;
  domain: number;
  width: number;
  signed: boolean;
  across: boolean;
}

/** The columns of a tile's instructions, one entry an instruction. */
export interface Code {
  length: number;
  op: Uint8Array;
  flags: Uint8Array;
  aWidth: Uint8Array;
  bWidth: Uint8Array;
  rWidth: Uint8Array;
  aDomain: Uint8Array;
  bDomain: Uint8Array;
  rDomain: Uint8Array;
  aColumn: Uint16Array;
  bColumn: Uint16Array;
  rColumn: Uint16Array;
  imm: Uint16Array;
}

/** Row-mapped channels, one entry a gather. */
interface Gathers {
  length: number;
  tensor: Uint32Array;
  channel: Uint32Array;
  rowMap: Uint32Array;
  pad: Int32Array;
}

/** A tile as it is stored. `sourceSearches`, `sourceShifts`: one entry an instruction that gathers, in order. */
export interface TileTables {
  layer: number;
  tile: number;
  facts: TileFacts;
  code: Code;
  constants: BigInt64Array;
  gathers: Gathers;
  sourceSearches: Uint32Array;
  sourceShifts: Uint32Array;
}

const RECORD_BYTES = 16;

/** Opens a tile. Rejects where the report does not hold it. */
export async function openTile(layer: number, tile: number): Promise<TileTables> {
  const facts = summary().layers[layer]?.tiles[tile];
  if (!facts) throw new Error(`the program has no tile ${tile} in layer ${layer}`);
  const buffer = await chunk(`tile-${layer}-${tile}`);
  const { instructions: count, constants, gathers, gathering } = facts;
  let start = count * RECORD_BYTES + 8 * constants;
  const words = new Uint32Array(buffer, start, 4 * gathers);
  start += RECORD_BYTES * gathers;
  return {
    layer,
    tile,
    facts,
    code: decode(buffer, count),
    constants: new BigInt64Array(buffer, count * RECORD_BYTES, constants),
    gathers: decodeGathers(words),
    sourceSearches: new Uint32Array(buffer, start, gathering),
    sourceShifts: new Uint32Array(buffer, start + 4 * gathering, gathering),
  };
}

function decode(buffer: ArrayBuffer, length: number): Code {
  const plane = (number: number) => new Uint8Array(buffer, number * length, length);
  const pair = (number: number) => {
    const words = new Uint16Array(length);
    const low = plane(number);
    const high = plane(number + 1);
    for (let i = 0; i < length; i++) words[i] = low[i]! | (high[i]! << 8);
    return words;
  };
  return {
    length,
    op: plane(0),
    flags: plane(1),
    aWidth: plane(2),
    bWidth: plane(3),
    rWidth: plane(4),
    aDomain: plane(5),
    bDomain: plane(6),
    rDomain: plane(7),
    aColumn: pair(8),
    bColumn: pair(10),
    rColumn: pair(12),
    imm: pair(14),
  };
}

function decodeGathers(words: Uint32Array): Gathers {
  const length = words.length / 4;
  const member = (number: number) => Uint32Array.from({ length }, (_, i) => words[4 * i + number]!);
  return { length, tensor: member(0), channel: member(1), rowMap: member(2), pad: new Int32Array(member(3).buffer) };
}

export function gathers(op: number): boolean {
  return op === Op.GATHER || op === Op.MAC;
}

/** The entry of the gather table that a gathering instruction names. */
export function gatherIndex(code: Code, i: number): number {
  const high = code.op[i] === Op.MAC ? code.bColumn[i]! : code.aColumn[i]!;
  return code.imm[i]! + high * 65536;
}

/** Where an operand of instruction `i` lies. */
export function fieldOf(code: Code, i: number, operand: Operand): Field {
  const flags = code.flags[i]!;
  if (operand === "r") {
    return field(code.rColumn[i]!, code.rDomain[i]!, code.rWidth[i]!, flags & R_SIGNED, flags & R_ACROSS);
  }
  if (operand === "a") {
    return field(code.aColumn[i]!, code.aDomain[i]!, code.aWidth[i]!, flags & A_SIGNED, flags & A_ACROSS);
  }
  return field(code.bColumn[i]!, code.bDomain[i]!, code.bWidth[i]!, flags & B_SIGNED, flags & B_ACROSS);
}

function field(column: number, domain: number, width: number, signed: number, across: number): Field {
  return { column, domain, width, signed: signed !== 0, across: across !== 0 };
}

const places = new Map<number, string>();

/** "c30.d2:12", then "s" where signed, "x" where across columns. */
export function placeText({ column, domain, width, signed, across }: Field): string {
  const key = (((column * 256 + domain) * 64 + width) * 2 + Number(signed)) * 2 + Number(across);
  let text = places.get(key);
  if (text === undefined) {
    text = `c${column}.d${domain}:${width}${signed ? "s" : ""}${across ? "x" : ""}`;
    places.set(key, text);
  }
  return text;
}

/** (column, domain) of one bit. */
export function cellOf({ column, domain, across }: Field, bit: number): [number, number] {
  return across ? [column + bit, domain] : [column, domain + bit];
}

/** The columns (x) and domains (y) of a field. */
export function box({ column, domain, width, across }: Field) {
  return { x: column, y: domain, width: across ? width : 1, height: across ? 1 : width };
}

const ONE_CONSTANT = new Set<number>([Op.CONST, Op.ADDC]);
const TWO_CONSTANTS = new Set<number>([Op.CLAMP, Op.STEP]);

/** How many constants of the tile's table an opcode uses from `imm` on. */
export function constantsOf(op: number): 0 | 1 | 2 {
  return TWO_CONSTANTS.has(op) ? 2 : ONE_CONSTANT.has(op) ? 1 : 0;
}

/** What follows the operands in assembly text (docs/assembly.md), without table positions ("at="). */
export function immediateText(tile: TileTables, i: number): string {
  const { code, constants, gathers: table } = tile;
  const [op, imm] = [code.op[i]!, code.imm[i]!];
  const words: string[] = [];
  const count = constantsOf(op);
  if (count) words.push(`#${Array.from(constants.subarray(imm, imm + count)).join(",")}`);
  if (op === Op.EXTEND) words.push(`from=${code.aWidth[i]}`);
  if (gathers(op)) {
    const g = gatherIndex(code, i);
    words.push(`t${table.tensor[g]}[${table.channel[g]}] map=${table.rowMap[g]} pad=${table.pad[g]}`);
  }
  if (op === Op.MAC) words.push(`x=${code.flags[i]! & B_SIGNED ? "s" : "u"}${code.bWidth[i]}`);
  if (code.flags[i]! & R_FRESH) words.push("fresh");
  return words.join(" ");
}

export function hex(address: number): string {
  return `0x${address.toString(16).padStart(4, "0")}`;
}

/** One line of assembly text. */
export function instructionText(tile: TileTables, i: number): string {
  const op = tile.code.op[i]!;
  const places = OPERANDS[op]!.map((operand) => placeText(fieldOf(tile.code, i, operand)).padEnd(13)).join(" ");
  return `${hex(i)}  ${OP_NAMES[op]!.toLowerCase().padEnd(7)} ${places} ${immediateText(tile, i)}`.trimEnd();
}
