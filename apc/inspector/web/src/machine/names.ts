// Names of the values of a tile: the rules of apc/report/names.py, whose docstring has them.

import { summary, type LayerFacts } from "../payload";
import { gatherIndex, type TileTables } from "./records";
import { Kind, NONE, type TileValues } from "./values";

export class Names {
  private readonly known: (string | undefined)[];
  private readonly ranks = new Map<number, number>();
  private readonly layer: LayerFacts;
  private readonly offset: boolean;

  constructor(
    private readonly tile: TileTables,
    private readonly values: TileValues,
  ) {
    this.layer = summary().layers[tile.layer]!;
    this.offset = this.layer.row_maps.some(([, , y, x]) => y !== 0 || x !== 0);
    this.known = new Array<string | undefined>(values.count);
    this.rank();
  }

  /** The name of a value; "" for NONE. */
  of(value: number): string {
    if (value === NONE) return "";
    return (this.known[value] ??= this.name(value));
  }

  /** Accumulators are numbered within their channel, from 1. */
  private rank(): void {
    const seen = new Map<number, number>();
    for (let value = 0; value < this.values.count; value++) {
      if (this.values.kind[value] !== Kind.ACCUMULATOR) continue;
      const channel = this.values.channel[value]!;
      const rank = (seen.get(channel) ?? 0) + 1;
      seen.set(channel, rank);
      this.ranks.set(value, rank);
    }
  }

  private name(value: number): string {
    const { kind, output, channel, first } = this.values;
    const address = first[value]!;
    switch (kind[value]) {
      case Kind.RESIDENT:
        return `w[${value}]`;
      case Kind.OUTPUT:
        return `${summary().tensors[this.layer.output]!.name}[${output[value]}]`;
      case Kind.ACTIVATION:
        return this.gathered(address);
      case Kind.CONSTANT:
        return `#${this.tile.constants[this.tile.code.imm[address]!]}`;
      case Kind.ACCUMULATOR: {
        const rank = this.ranks.get(value)!;
        return `acc[${channel[value]}]${rank > 1 ? `.${rank}` : ""}`;
      }
      default:
        return `tmp@${address.toString(16).padStart(4, "0")}`;
    }
  }

  private gathered(address: number): string {
    const { gathers, code } = this.tile;
    const g = gatherIndex(code, address);
    const name = `${summary().tensors[gathers.tensor[g]!]!.name}[${gathers.channel[g]}]`;
    if (!this.offset) return name;
    const [, , y, x] = this.layer.row_maps[gathers.rowMap[g]!]!;
    return `${name}@${signed(y)},${signed(x)}`;
  }
}

function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`;
}
