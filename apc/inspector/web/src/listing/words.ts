// Instructions in words: what is searched, what is read out.

import type { Analysis, Identified } from "../machine/analysis";
import { readsR } from "../machine/images";
import {
  box,
  type Field,
  fieldOf,
  gatherIndex,
  hex,
  immediateText,
  Op,
  OP_NAMES,
  OPERANDS,
  placeText,
  type Operand,
} from "../machine/records";
import { NONE } from "../machine/values";
import { summary } from "../payload";

/** "[0, 15]" */
export function intervalText(low: number, high: number): string {
  return `[${boundText(low)}, ${boundText(high)}]`;
}

/** Bounds beyond what a double holds exactly are powers of two, or one less than that. */
function boundText(value: number): string {
  if (Number.isSafeInteger(value)) return String(value);
  return value < 0 ? `-2^${Math.log2(-value)}` : `2^${Math.log2(value)}-1`;
}

/** The value that an operand of an instruction is, or NONE. */
export function valueOf({ values }: Pick<Analysis, "values">, address: number, operand: Operand): number {
  return (operand === "r" ? values.made : operand === "a" ? values.a : values.b)[address]!;
}

/** All that a search looks at: address, opcode, names, places, immediate. */
export function searchedText(found: Identified, address: number): string {
  const { tables, names } = found;
  const { code } = tables;
  const op = code.op[address]!;
  let text = `${hex(address)} ${OP_NAMES[op]!.toLowerCase()}`;
  for (const operand of OPERANDS[op]!) {
    text += ` ${names.of(valueOf(found, address, operand))} ${placeText(fieldOf(code, address, operand))}`;
  }
  return `${text} ${immediateText(tables, address)}`;
}

/** The instruction as a formula: "acc[5] ← acc[5] + input[3]@-1,+0". */
export function formula(found: Analysis, address: number): string {
  const { tables } = found;
  const [r, a, b] = (["r", "a", "b"] as const).map((operand) => nameOf(found, address, operand)) as [
    string,
    string,
    string,
  ];
  const immediate = immediateText(tables, address);
  const constants = immediate.replace(/ ?fresh$/, "").replace("#", "");
  switch (tables.code.op[address]) {
    case Op.CONST:
      return `${r} ← ${constants}`;
    case Op.COPY:
      return `${r} ← ${a}`;
    case Op.ADD:
      return `${r} ← ${r} + ${a}`;
    case Op.SUB:
      return `${r} ← ${r} − ${a}`;
    case Op.ADDO:
      return `${r} ← ${a} + ${b}`;
    case Op.SUBO:
      return `${r} ← ${a} − ${b}`;
    case Op.ADDC:
      return `${r} ← ${r} + ${constants}`;
    case Op.EXTEND:
      return `${r} ← its sign from bit ${tables.code.aWidth[address]! - 1} on`;
    case Op.MAX:
      return `${r} ← max(${r}, ${a})`;
    case Op.CLAMP:
      return `${r} ← ${a} clamped to ${constants.replace(",", "..")}`;
    case Op.STEP: {
      const [threshold, value] = constants.split(",");
      return `${r} ← ${value} where ${a} ≥ ${threshold}`;
    }
    case Op.MAC:
      return `${r} ← ${r} + ${a} × ${gathered(found, address)}`;
    case Op.GATHER:
      return `${r} ← ${gathered(found, address)}${immediate.endsWith("fresh") ? ", top bit inverted" : ""}`;
    default:
      return "";
  }
}

/** What a row receives: "input[1] at 2y-1, 2x+3 (else 0)"; of a row map that moves nothing "input[1]". */
function gathered({ tables }: Analysis, address: number): string {
  const { gathers, code, layer } = tables;
  const g = gatherIndex(code, address);
  const [sy, sx, oy, ox] = summary().layers[layer]!.row_maps[gathers.rowMap[g]!]!;
  const channel = `${summary().tensors[gathers.tensor[g]!]!.name}[${gathers.channel[g]}]`;
  if (sy === 1 && sx === 1 && oy === 0 && ox === 0) return channel;
  return `${channel} at ${source("y", sy, oy)}, ${source("x", sx, ox)} (else ${gathers.pad[g]})`;
}

/** "2y-1" */
function source(axis: string, stride: number, offset: number): string {
  const scaled = stride === 1 ? axis : stride ? `${stride}${axis}` : "";
  if (!scaled) return String(offset);
  return offset ? `${scaled}${offset > 0 ? "+" : ""}${offset}` : scaled;
}

function nameOf(found: Analysis, address: number, operand: Operand): string {
  if (!OPERANDS[found.tables.code.op[address]!]!.includes(operand)) return "";
  const value = valueOf(found, address, operand);
  return value === NONE ? placeText(fieldOf(found.tables.code, address, operand)) : found.names.of(value);
}

/** The address of the last instruction before `address` that wrote `value`, or -1. */
export function writtenBefore({ values }: Analysis, value: number, address: number): number {
  const first = Math.max(0, values.first[value]!);
  for (let i = address - 1; i >= first; i--) if (values.made[i] === value) return i;
  return -1;
}

/**
 * The instruction whose r, which it reads, takes in cells of a value that none has as a or b: they become part of
 * another value. -1 where the value is read, continued to the end, or its cells are overwritten first.
 */
export function takenOver({ tables: { code }, values }: Analysis, value: number): number {
  const from = values.last[value]!;
  if (from < 0 || values.lastRead[value]! >= 0 || values.output[value] !== NONE) return -1;
  const mine = fieldOf(code, from, "r");
  for (let i = from + 1; i < code.length; i++) {
    if (overlap(mine, fieldOf(code, i, "r"))) return readsR(code.op[i]!) ? i : -1;
  }
  return -1;
}

function overlap(one: Field, other: Field): boolean {
  const [a, b] = [box(one), box(other)];
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
