// What instructions do to intervals: a port of the opcode rules of ir.values_kernels.

import { greatest, least, POWERS, shiftRight, WIDEST, type Held, type Span } from "./intervals";
import { B_SIGNED, gatherIndex, Op, R_FRESH, R_SIGNED, type TileTables } from "./records";

/** Objects that the loop over the instructions fills anew, so that it allocates nothing. */
export interface Interval {
  low: number;
  high: number;
}

const ADDING = new Set<number>([Op.ADD, Op.SUB, Op.ADDC, Op.MAC]);
const READING_R = new Set<number>([...ADDING, Op.MAX, Op.STEP, Op.EXTEND]);

/** Whether an opcode reads r, so that it continues the value there. */
export function readsR(op: number): boolean {
  return READING_R.has(op);
}

/** The opcode rules for one tile. `gathered`: low and high of gather g at 2g and 2g + 1. */
export class Images {
  constructor(
    private readonly tile: TileTables,
    private readonly held: Held,
    private readonly gathered: Float64Array,
  ) {}

  /** Sets the interval of what instruction `i`, which does not read r, leaves in it. */
  begun(i: number, span: Span, a: Interval, b: Interval): void {
    const { code, constants } = this.tile;
    const { width, signed } = span;
    const op = code.op[i]!;
    const imm = code.imm[i]!;
    const fresh = (code.flags[i]! & R_FRESH) !== 0;
    const half = fresh && op !== Op.ADDO ? POWERS[width - 1]! : 0;
    const widest = Math.max(width, op === Op.GATHER ? 0 : code.aWidth[i]!, code.bWidth[i]!);
    if (widest > WIDEST) return this.held.bounds(width, signed);
    let { low, high } = a;
    if (op === Op.CONST) low = high = this.unsigned(imm, width);
    else if (op === Op.GATHER) {
      const g = gatherIndex(code, i);
      low = this.gathered[2 * g]! + half;
      high = this.gathered[2 * g + 1]! + half;
    } else if (op === Op.ADDO) {
      low += b.low;
      high += b.high;
    } else if (op === Op.SUBO) {
      low += half - b.high;
      high += half - b.low;
    } else if (op === Op.CLAMP) {
      const least = Number(constants[imm]);
      const most = Number(constants[imm + 1]);
      [low, high] = clamped(low, high, least, most);
    }
    this.held.wrap(low, high, width, signed);
  }

  /** Lets instruction `i` continue `value`, which r's lowest cell holds; sets the interval of r's integer. */
  update(i: number, span: Span, value: number, a: Interval): void {
    const { code } = this.tile;
    const { held } = this;
    const { cell, stride, width, signed } = span;
    const op = code.op[i]!;
    const below = held.bit[cell]!;
    const whole = below + width;
    if (held.known[value] === 0 || held.stride[value] !== stride || whole > WIDEST) {
      held.known[value] = 0;
      held.hold(value, span, below);
      return held.bounds(width, signed);
    }
    const operands = code.aWidth[i]! + (op === Op.MAC ? code.bWidth[i]! : 0);
    if (!ADDING.has(op)) this.replace(i, span, held.origin[value]!, below, a);
    else if (operands + below <= WIDEST) this.add(i, span, held.origin[value]!, below, a);
    else held.bounds(whole, signed);
    const { low, high } = held;
    held.known[value] = whole;
    held.lows[value] = low;
    held.highs[value] = high;
    held.hold(value, span, below);
    held.set(shiftRight(low, below), shiftRight(high, below));
  }

  private add(i: number, { stride, width, signed }: Span, origin: number, below: number, a: Interval): void {
    const { code } = this.tile;
    const { held } = this;
    const whole = below + width;
    const fresh = (code.flags[i]! & R_FRESH) !== 0;
    const { low, high } = this.addend(i, a);
    held.read(origin, stride, fresh ? whole - 1 : whole, signed && !fresh);
    const top = fresh && code.op[i] === Op.SUB ? POWERS[whole - 1]! : 0;
    const scale = POWERS[below]!;
    held.wrap(held.low + top + low * scale, held.high + top + high * scale, whole, signed);
  }

  /** What ADD, SUB, ADDC and MAC add to r. */
  private addend(i: number, a: Interval): Interval {
    const { code } = this.tile;
    const op = code.op[i]!;
    if (op === Op.ADD) return a;
    if (op === Op.SUB) return { low: -a.high, high: -a.low };
    if (op === Op.ADDC) {
      const constant = this.unsigned(code.imm[i]!, code.rWidth[i]!);
      return { low: constant, high: constant };
    }
    const x = this.broadcast(i);
    const corners = [a.low * x.low, a.low * x.high, a.high * x.low, a.high * x.high];
    return { low: Math.min(...corners), high: Math.max(...corners) };
  }

  /** The integer that a MAC broadcasts: the lowest bits of what it gathers. */
  private broadcast(i: number): Interval {
    const { code } = this.tile;
    const g = gatherIndex(code, i);
    const signed = (code.flags[i]! & B_SIGNED) !== 0;
    this.held.wrap(this.gathered[2 * g]!, this.gathered[2 * g + 1]!, code.bWidth[i]!, signed);
    return { low: this.held.low, high: this.held.high };
  }

  /** MAX, STEP and EXTEND replace the bits of r and leave those below. */
  private replace(i: number, { cell, stride, width, signed }: Span, origin: number, below: number, a: Interval): void {
    const { code } = this.tile;
    const { held } = this;
    const extending = code.op[i] === Op.EXTEND;
    held.read(cell, stride, extending ? code.aWidth[i]! : width, signed || extending);
    const { low, high } = this.replaced(i, { low: held.low, high: held.high }, a);
    held.wrap(low, high, width, signed);
    const above = held.low * POWERS[below]!;
    const most = held.high * POWERS[below]!;
    held.read(origin, stride, below, false);
    held.set(above + held.low, most + held.high);
  }

  private replaced(i: number, old: Interval, a: Interval): Interval {
    const { code, constants } = this.tile;
    const op = code.op[i]!;
    if (op === Op.EXTEND) return old;
    if (op === Op.MAX) return { low: Math.max(old.low, a.low), high: Math.max(old.high, a.high) };
    const threshold = Number(constants[code.imm[i]!]);
    const value = this.stepValue(i);
    if (a.high < threshold) return old;
    if (a.low >= threshold) return { low: value, high: value };
    return { low: Math.min(old.low, value), high: Math.max(old.high, value) };
  }

  private stepValue(i: number): number {
    const { code, constants } = this.tile;
    const [width, value] = [code.rWidth[i]!, constants[code.imm[i]! + 1]!];
    return Number(code.flags[i]! & R_SIGNED ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value));
  }

  private unsigned(imm: number, width: number): number {
    return Number(BigInt.asUintN(width, this.tile.constants[imm]!));
  }
}

/** What CLAMP leaves of [low, high]: `least` where a is below it, else `most` where a is above that. */
function clamped(low: number, high: number, least: number, most: number): [number, number] {
  if (least <= most) return [Math.min(Math.max(low, least), most), Math.min(Math.max(high, least), most)];
  return [high < least ? least : most, low < least ? least : most];
}

/** The intervals of what gathers receive: of the field's type, or of the network's input, joined with the padding. */
export function channelInterval(width: number, signed: boolean, within: Interval | null, pad: number): Interval {
  const low = Math.max(least(width, signed), within?.low ?? -Infinity);
  const high = Math.min(greatest(width, signed), within?.high ?? Infinity);
  return { low: Math.min(low, pad), high: Math.max(high, pad) };
}
