// The state of ir.values_kernels: which value every cell holds, and the interval of every value's integer.
// Numbers are doubles: integers wider than WIDEST bits are unknown, so every sum and product below is exact.

/** More than any field reaches, so that cells can be numbered: column * DOMAINS + domain. */
export const DOMAINS = 256;
export const WIDEST = 48;
/** Beyond it a bound is not followed. */
const FARTHEST = 2 ** 50;
export const NONE = -1;

export const POWERS = Float64Array.from({ length: 64 }, (_, bit) => 2 ** bit);

/** A field as the state is asked for it: its lowest cell, and from one cell to the next 1 or DOMAINS. */
export interface Span {
  cell: number;
  stride: number;
  width: number;
  signed: boolean;
}

/** The least integer of `width` bits. */
export function least(width: number, signed: boolean): number {
  return signed ? -POWERS[width - 1]! : 0;
}

/** The greatest. */
export function greatest(width: number, signed: boolean): number {
  return (signed ? POWERS[width - 1]! : POWERS[width]!) - 1;
}

/** floor(value / 2**bits) */
export function shiftRight(value: number, bits: number): number {
  return bits === 0 ? value : Math.floor(value / POWERS[bits]!);
}

/** What is known of the cells of an array. Methods that compute an interval leave it in `low` and `high`. */
export class Held {
  low = 0;
  high = 0;
  /** By cell: the value that it holds, and which of the value's bits. */
  readonly value: Int32Array;
  readonly bit: Uint8Array;
  /** By value: the cell of bit 0, its stride, how many bits the known integer has (0: none), its interval. */
  readonly origin: Int32Array;
  readonly stride: Uint16Array;
  readonly known: Uint8Array;
  readonly lows: Float64Array;
  readonly highs: Float64Array;

  constructor(columns: number, values: number) {
    const cells = (columns + 64) * DOMAINS;
    this.value = new Int32Array(cells).fill(NONE);
    this.bit = new Uint8Array(cells);
    this.origin = new Int32Array(values);
    this.stride = new Uint16Array(values);
    this.known = new Uint8Array(values);
    this.lows = new Float64Array(values);
    this.highs = new Float64Array(values);
  }

  set(low: number, high: number): void {
    this.low = low;
    this.high = high;
  }

  /** All that `width` bits hold. */
  bounds(width: number, signed: boolean): void {
    this.set(least(width, signed), greatest(width, signed));
  }

  /** What is left of [low, high] modulo 2**width: moved as a whole where that is possible, else all of the range. */
  wrap(low: number, high: number, width: number, signed: boolean): void {
    const bottom = least(width, signed);
    if (width > WIDEST || low < -FARTHEST || high > FARTHEST) return this.bounds(width, signed);
    const block = shiftRight(low - bottom, width);
    if (block !== shiftRight(high - bottom, width)) return this.bounds(width, signed);
    this.set(low - block * POWERS[width]!, high - block * POWERS[width]!);
  }

  /** The interval of a field: of the stretches of values that lie in it, one above the other. */
  read(cell: number, stride: number, width: number, signed: boolean): void {
    if (width > WIDEST) return this.bounds(width, signed);
    let low = 0;
    let high = 0;
    for (let bit = 0; bit < width;) {
      let place = cell + bit * stride;
      const value = this.value[place]!;
      const first = this.bit[place]!;
      let count = 1;
      for (; bit + count < width; count++) {
        place += stride;
        if (this.value[place] !== value || this.bit[place] !== first + count) break;
      }
      this.stretch(value, first, count, signed && bit + count === width);
      low += this.low * POWERS[bit]!;
      high += this.high * POWERS[bit]!;
      bit += count;
    }
    this.set(low, high);
  }

  private stretch(value: number, first: number, count: number, signed: boolean): void {
    if (value < 0 || first + count > this.known[value]!) return this.bounds(count, signed);
    this.wrap(shiftRight(this.lows[value]!, first), shiftRight(this.highs[value]!, first), count, signed);
  }

  /** The value that the lowest of a field's cells that hold one holds, or NONE. */
  lowest(cell: number, stride: number, width: number): number {
    for (let bit = 0; bit < width; bit++) {
      const value = this.value[cell + bit * stride]!;
      if (value >= 0) return value;
    }
    return NONE;
  }

  /** The cells of a field hold the bits of `value` from `first` on. */
  hold(value: number, { cell, stride, width }: Span, first: number): void {
    for (let bit = 0; bit < width; bit++) {
      this.value[cell + bit * stride] = value;
      this.bit[cell + bit * stride] = first + bit;
    }
  }

  /** A new value in a field, [low, high] being its interval. */
  begin(value: number, span: Span): void {
    this.origin[value] = span.cell;
    this.stride[value] = span.stride;
    this.known[value] = span.width <= WIDEST ? span.width : 0;
    this.lows[value] = this.low;
    this.highs[value] = this.high;
    this.hold(value, span, 0);
  }
}
