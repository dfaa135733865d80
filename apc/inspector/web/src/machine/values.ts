// What lives where in a tile: a port of ir.values.tile_values, whose docstring has the rules.

import { chunk } from "../chunks";
import { summary } from "../payload";
import { channelInterval, Images, readsR, type Interval } from "./images";
import { DOMAINS, Held, NONE, type Span } from "./intervals";
import { A_ACROSS, A_SIGNED, B_ACROSS, B_SIGNED, Op, R_ACROSS, R_SIGNED, type TileTables } from "./records";

export { NONE };
/** A value that flows into several output channels. */
const SEVERAL = -2;

/** What a value is for; the first that fits. */
export const Kind = { RESIDENT: 0, OUTPUT: 1, ACTIVATION: 2, CONSTANT: 3, ACCUMULATOR: 4, TEMPORARY: 5 } as const;
export const KIND_NAMES = ["resident", "output", "activation", "constant", "accumulator", "temporary"] as const;

/** As ir.values.TileValues: `made` to `high` by instruction, the others by value (`count` of them). */
export interface TileValues {
  made: Int32Array;
  a: Int32Array;
  b: Int32Array;
  low: Float64Array;
  high: Float64Array;
  count: number;
  first: Int32Array;
  last: Int32Array;
  lastRead: Int32Array;
  updates: Int32Array;
  output: Int32Array;
  channel: Int32Array;
  kind: Uint8Array;
}

/** The values of one tile. `fields`: those of all stored tensors. */
export function tileValues(tile: TileTables, fields: StoredFields): TileValues {
  const { code, facts } = tile;
  const resident = facts.resident.length;
  const held = new Held(summary().target.columns, resident + code.length);
  facts.resident.forEach(([column, domain, width, signed, across, low, high], value) => {
    held.set(low, high);
    held.begin(value, { cell: column * DOMAINS + domain, stride: across ? DOMAINS : 1, width, signed: !!signed });
  });
  const found = nothing(code.length, resident + code.length);
  found.count = follow(tile, held, gatheredIntervals(tile, fields), resident, found);
  hold(tile, fields, held, found.output);
  found.channel.set(found.output);
  flow(found);
  kinds(tile, resident, found);
  return found;
}

function nothing(instructions: number, values: number): TileValues {
  const each = (length: number) => new Int32Array(length).fill(NONE);
  return {
    made: each(instructions),
    a: each(instructions),
    b: each(instructions),
    low: new Float64Array(instructions),
    high: new Float64Array(instructions),
    count: 0,
    first: each(values),
    last: each(values),
    lastRead: each(values),
    updates: new Int32Array(values),
    output: each(values),
    channel: each(values),
    kind: new Uint8Array(values),
  };
}

/** Follows the values through the tile; returns how many there are at its end. */
function follow(tile: TileTables, held: Held, gathered: Float64Array, resident: number, out: TileValues): number {
  const { code } = tile;
  const images = new Images(tile, held, gathered);
  const r = span();
  const a = span();
  const b = span();
  const ofA = { low: 0, high: 0 };
  const ofB = { low: 0, high: 0 };
  let values = resident;
  for (let i = 0; i < code.length; i++) {
    place(tile, i, r, a, b);
    out.a[i] = look(held, a, ofA, out.lastRead, i);
    out.b[i] = look(held, b, ofB, out.lastRead, i);
    const reads = readsR(code.op[i]!);
    let value = reads ? held.value[r.cell]! : NONE;
    if (value === NONE) {
      value = values++;
      out.first[value] = i;
      if (reads) held.bounds(r.width, r.signed);
      else images.begun(i, r, ofA, ofB);
      held.begin(value, r);
    } else out.updates[value]!++;
    if (reads) images.update(i, r, value, ofA);
    out.made[i] = value;
    out.low[i] = held.low;
    out.high[i] = held.high;
    out.last[value] = i;
  }
  return values;
}

function span(): Span {
  return { cell: 0, stride: 1, width: 0, signed: false };
}

/** The value that an operand of instruction `i` is, or NONE; `interval` becomes that of its integer. */
function look(held: Held, field: Span, interval: Interval, lastRead: Int32Array, i: number): number {
  held.read(field.cell, field.stride, field.width, field.signed);
  interval.low = held.low;
  interval.high = held.high;
  const value = held.lowest(field.cell, field.stride, field.width);
  if (value !== NONE) lastRead[value] = i;
  return value;
}

/** Where the operands of instruction `i` lie; width 0 where the opcode has none. */
function place({ code }: TileTables, i: number, r: Span, a: Span, b: Span): void {
  const op = code.op[i]!;
  const flags = code.flags[i]!;
  r.cell = code.rColumn[i]! * DOMAINS + code.rDomain[i]!;
  r.width = code.rWidth[i]!;
  r.stride = flags & R_ACROSS ? DOMAINS : 1;
  r.signed = (flags & R_SIGNED) !== 0;
  a.cell = code.aColumn[i]! * DOMAINS + code.aDomain[i]!;
  a.width = op === Op.EXTEND ? 0 : code.aWidth[i]!;
  a.stride = flags & A_ACROSS ? DOMAINS : 1;
  a.signed = (flags & A_SIGNED) !== 0;
  b.cell = code.bColumn[i]! * DOMAINS + code.bDomain[i]!;
  b.width = op === Op.MAC ? 0 : code.bWidth[i]!;
  b.stride = flags & B_ACROSS ? DOMAINS : 1;
  b.signed = (flags & B_SIGNED) !== 0;
}

/** Which output channels values hold at the end of the tile: the lowest one of each. */
function hold(tile: TileTables, fields: StoredFields, held: Held, output: Int32Array): void {
  const { output: tensor, shape } = summary().layers[tile.layer]!;
  for (let channel = shape[0] - 1; channel >= 0; channel--) {
    const field = fields.of(tensor, channel);
    if (field.tile !== tile.tile) continue;
    const value = held.value[field.column * DOMAINS + field.domain]!;
    if (value !== NONE) output[value] = channel;
  }
}

/** The only output channel that each value flows into, NONE or SEVERAL. */
function flow({ made, a, b, channel }: TileValues): void {
  const reach = (value: number, reached: number) => {
    if (value === NONE) return;
    const known = channel[value]!;
    channel[value] = known === NONE || known === reached ? reached : SEVERAL;
  };
  for (let i = made.length - 1; i >= 0; i--) {
    const reached = channel[made[i]!]!;
    if (reached === NONE) continue;
    reach(a[i]!, reached);
    reach(b[i]!, reached);
  }
}

function kinds({ code }: TileTables, resident: number, found: TileValues): void {
  for (let value = 0; value < found.count; value++) {
    const op = value < resident ? 0 : code.op[found.first[value]!]!;
    found.kind[value] = kindOf(value < resident, op, value, found);
  }
}

function kindOf(resident: boolean, op: number, value: number, { output, updates, channel }: TileValues): number {
  if (resident) return Kind.RESIDENT;
  if (output[value] !== NONE) return Kind.OUTPUT;
  if (op === Op.GATHER && !updates[value]) return Kind.ACTIVATION;
  if (op === Op.CONST && !updates[value]) return Kind.CONSTANT;
  return updates[value]! && channel[value]! >= 0 ? Kind.ACCUMULATOR : Kind.TEMPORARY;
}

/** The output channels that a value flows into: one forward pass from where it begins. */
export function reachedChannels(values: TileValues, value: number): number[] {
  const { made, a, b, output, first, count } = values;
  const tainted = new Uint8Array(count);
  tainted[value] = 1;
  for (let i = Math.max(0, first[value]!); i < made.length; i++) {
    if (tainted[a[i]!] || tainted[b[i]!]) tainted[made[i]!] = 1;
  }
  const reached: number[] = [];
  for (let v = 0; v < count; v++) if (tainted[v] && output[v] !== NONE) reached.push(output[v]!);
  return reached.sort((x, y) => x - y);
}

/** Low and high of what every gather of a tile receives. */
function gatheredIntervals({ gathers }: TileTables, fields: StoredFields): Float64Array {
  const inputs = new Map(summary().boundaries.inputs.map(({ tensor, lo, hi }) => [tensor, { low: lo, high: hi }]));
  const intervals = new Float64Array(2 * gathers.length);
  for (let g = 0; g < gathers.length; g++) {
    const tensor = gathers.tensor[g]!;
    const { width, signed } = fields.of(tensor, gathers.channel[g]!);
    const { low, high } = channelInterval(width, signed, inputs.get(tensor) ?? null, gathers.pad[g]!);
    intervals.set([low, high], 2 * g);
  }
  return intervals;
}

// --- the fields of stored tensors ----------------------------------------------------------------------------------

/** program.FIELD: where one channel of a stored tensor lies. */
interface StoredField {
  tile: number;
  column: number;
  domain: number;
  width: number;
  signed: boolean;
  across: boolean;
}

const FIELD_BYTES = 8;

/** The fields of all channels of all tensors. */
class StoredFields {
  private readonly starts: number[] = [];

  constructor(private readonly bytes: DataView) {
    let start = 0;
    for (const { shape } of summary().tensors) {
      this.starts.push(start);
      start += shape[0];
    }
  }

  of(tensor: number, channel: number): StoredField {
    const at = FIELD_BYTES * (this.starts[tensor]! + channel);
    return {
      tile: this.bytes.getUint16(at, true),
      column: this.bytes.getUint16(at + 2, true),
      domain: this.bytes.getUint8(at + 4),
      width: this.bytes.getUint8(at + 5),
      signed: this.bytes.getUint8(at + 6) !== 0,
      across: this.bytes.getUint8(at + 7) !== 0,
    };
  }
}

let opened: Promise<StoredFields> | undefined;

/** Those of this page. */
export function storedFields(): Promise<StoredFields> {
  opened ??= chunk("fields").then((buffer) => new StoredFields(new DataView(buffer)));
  return opened;
}
