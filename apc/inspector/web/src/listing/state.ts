// What the microcode view shows: the tile that the route names, analysed; the rows that the filters leave.

import { batch, computed, signal } from "@preact/signals";

import { analyse, type Analysis } from "../machine/analysis";
import { liveness, type Liveness } from "../map/liveness";
import { navigate, route } from "../state";

/** The tile that is shown; null while it is opened. */
export const shown = signal<Analysis | null>(null);
export const problem = signal<string>("");

/** Opcode number and number of the phase that rows are restricted to; null: all. */
export const onlyClass = signal<number | null>(null);
export const onlyPhase = signal<number | null>(null);

/** Shows a tile as soon as it is analysed, unless another one is asked for meanwhile. */
export async function open(layer: number, tile: number): Promise<void> {
  try {
    const found = await analyse(layer, tile);
    if (route.value.layer !== layer || route.value.tile !== tile) return;
    problem.value = "";
    if (shown.value?.tables === found.tables) return;
    batch(() => {
      onlyPhase.value = null;
      if (onlyClass.value !== null && !found.tables.code.op.includes(onlyClass.value)) onlyClass.value = null;
      lives.value = null;
      shown.value = found;
    });
    await new Promise((resume) => setTimeout(resume)); // the listing comes first
    if (shown.value === found) lives.value = liveness(found);
  } catch (reason) {
    shown.value = null;
    problem.value = reason instanceof Error ? reason.message : String(reason);
  }
}

/** What lives how long in the tile that is shown; null until that is known. */
export const lives = signal<Liveness | null>(null);

/** The selected instruction, which the map shows the array after: the one that the route names, else the first. */
export const selected = computed<number>(() => {
  const length = shown.value?.tables.code.length ?? 0;
  return Math.max(0, Math.min(length - 1, route.value.address ?? 0));
});

/** The opcodes that the tile has. */
export const opcodes = computed<number[]>(() => [...new Set(shown.value?.tables.code.op)].sort((a, b) => a - b));

/** The first of `count` places at which `reached` holds, all that follow being so too; `count` where none is. */
export function firstWhere(count: number, reached: (place: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** First instruction of phase `number`, and the first beyond it. */
function phaseRange({ tables }: Analysis, number: number): [number, number] {
  const { phases } = tables.facts;
  return [phases[number]?.[1] ?? 0, phases[number + 1]?.[1] ?? tables.code.length];
}

/** The phase that an instruction belongs to, or -1. */
export function phaseOf({ tables }: Analysis, address: number): number {
  const { phases } = tables.facts;
  return firstWhere(phases.length, (phase) => phases[phase]![1] > address) - 1;
}

/** The rows of the listing: addresses, and -1 - p where phase p begins. */
export const rows = computed<Int32Array>(() => {
  const found = shown.value;
  if (!found) return new Int32Array(0);
  const { code, facts } = found.tables;
  const [start, stop] = onlyPhase.value === null ? [0, code.length] : phaseRange(found, onlyPhase.value);
  const wanted = onlyClass.value;
  const list = new Int32Array(stop - start + facts.phases.length);
  let [count, phase] = [0, 0];
  for (let address = start; address < stop; address++) {
    for (; phase < facts.phases.length && facts.phases[phase]![1] <= address; phase++) {
      if (facts.phases[phase]![1] === address && wanted === null) list[count++] = -1 - phase;
    }
    if (wanted === null || code.op[address] === wanted) list[count++] = address;
  }
  return list.subarray(0, count);
});

/** How many of the rows are instructions. */
export const rowCount = computed<number>(() => rows.value.reduce((count, entry) => count + Number(entry >= 0), 0));

/** The position in `rows` of an address, or of the next one that is shown; -1 where there is none. */
export function rowOf(address: number): number {
  const list = rows.value;
  let row = firstWhere(list.length, (place) => addressAt(list, place) >= address);
  while (row < list.length && list[row]! < 0) row++;
  return row < list.length ? row : -1;
}

/** The address of a row; of a phase's heading that of its first instruction, just before it. */
function addressAt(list: Int32Array, row: number): number {
  const entry = list[row]!;
  return entry >= 0 ? entry : shown.value!.tables.facts.phases[-1 - entry]![1] - 0.5;
}

export function select(address: number): void {
  navigate({ address });
}

/** Selects the instruction `steps` rows further down (negative: up). */
export function move(steps: number): void {
  const list = rows.value;
  let row = Math.max(0, Math.min(list.length - 1, rowOf(selected.value) + steps));
  const direction = steps < 0 && row > 0 ? -1 : 1;
  while (row > 0 && row < list.length - 1 && list[row]! < 0) row += direction;
  while (row < list.length && list[row]! < 0) row++;
  const next = list[row];
  if (next !== undefined && next >= 0) select(next);
}
