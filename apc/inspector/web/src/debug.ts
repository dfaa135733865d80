// For tests: what the page computes of a tile, to be compared with Python on every instruction.

import { analyse, microOf } from "./machine/analysis";
import { instructionText } from "./machine/records";
import { liveness } from "./map/liveness";
import { heldAfter } from "./map/replay";

async function tile(layer: number, number: number) {
  const found = await analyse(layer, number);
  const { tables, counts, values, names } = found;
  return {
    cycles: Array.from(counts.cycles),
    searches: Array.from(counts.searches),
    writes: Array.from(counts.writes),
    shifts: Array.from(counts.shifts),
    made: Array.from(values.made),
    a: Array.from(values.a),
    b: Array.from(values.b),
    low: Array.from(values.low),
    high: Array.from(values.high),
    kinds: Array.from(values.kind.subarray(0, values.count)),
    rewindSteps: counts.rewindSteps,
    /** The names of what an instruction leaves in r and reads as a and b; "" where there is none. */
    names: (address: number) => ({
      r: names.of(values.made[address]!),
      a: names.of(values.a[address]!),
      b: names.of(values.b[address]!),
    }),
    text: (address: number) => instructionText(tables, address),
    micro: (address: number) => microOf(found, address),
    /** By cell (column * domains + domain): the value held after an instruction; write passes; live cycles' share. */
    held: (address: number) => Array.from(heldAfter(found, address).value),
    cellWrites: () => Array.from(liveness(found).writes),
    liveShare: () => Array.from(liveness(found).share),
    /** The instruction after which most cells are live, and how many those are. */
    peak: () => [liveness(found).peak, liveness(found).peakCells],
  };
}

declare global {
  interface Window {
    apcInspector: { tile: typeof tile };
  }
}

window.apcInspector = { tile };
