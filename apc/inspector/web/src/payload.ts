// What a report file holds: a JSON summary, and compressed chunks that are opened when they are needed.
// `apc.inspector` (Python) writes exactly these shapes. Units are in the names; null where a value is absent.

import { jsonChunk } from "./chunks";

const SCHEMA = "apc.inspector/1";

interface ProgramFacts {
  name: string;
  file: string;
  model_sha256: string;
  level: string;
  passes: string[];
  encoding: string;
  apc_version: string;
  host_steps: { name: string; operator: string; bytes_per_image: number }[];
}

export interface Timing {
  cycle_s: number;
  search_cycles: number;
  write_cycles: number;
  shift_cycles: number;
  transfer_bits_per_cycle: number;
  /** ceil(rows / transfer_bits_per_cycle): cycles of one bit column that a GATHER brings. */
  transfer_cycles_per_gathered_bit: number;
  /** Cycles of one bit that a MAC broadcasts. */
  broadcast_cycles: number;
}

interface TargetFacts {
  name: string;
  description: string;
  rows: number;
  columns: number;
  domains: number;
  arrays: number;
  row_gate_rows: number;
  search_or: boolean;
  timing: Timing;
}

export interface Figure {
  backend: string;
  key: string;
  value: number | boolean | string;
  unit: string;
  source: string;
  year: number | null;
  assumed: boolean;
  note: string;
}

/** A stored tensor; `producer`: index of its layer, -1 for a network input. `input`, `output`: the boundary's name. */
export interface TensorFacts {
  name: string;
  shape: [number, number, number];
  producer: number;
  bits: number;
  input: string | null;
  output: string | null;
}

/** [stride_y, stride_x, offset_y, offset_x] */
type RowMap = [number, number, number, number];
/** [column, domain, width, signed, across, low, high]; low, high: the least and greatest of the integers in it. */
type ResidentField = [number, number, number, number | boolean, number | boolean, number, number];
/** [name, first instruction] */
export type Phase = [string, number];

interface TileTotals {
  search_passes: number;
  write_passes: number;
  shift_steps: number;
  source_search_passes: number;
  source_shift_steps: number;
  cycles: number;
}

/** `constants`, `gathers`: lengths of its tables; `gathering`: how many GATHER and MAC instructions it has. */
export interface TileFacts {
  instructions: number;
  constants: number;
  gathers: number;
  gathering: number;
  phases: Phase[];
  resident: ResidentField[];
  rewind_steps: number;
  totals: TileTotals;
}

/** Joules by component ("search", "write", "shift", "control", "movement", "leakage"), and their "total". */
export type Energy = Record<string, number>;

/** The most written cell of a layer in a run with --wear; `row` = image x positions + position. */
export interface Wear {
  name?: string;
  tile: number;
  row: number;
  column: number;
  domain: number;
  writes: number;
}

export interface LayerFacts {
  index: number;
  name: string;
  op: string;
  output: number;
  shape: [number, number, number];
  sources: number[];
  row_maps: RowMap[];
  statistics: Record<string, number>;
  instructions: number;
  encoded_bits: number;
  adds: number;
  bit_adds: number;
  search_passes: number;
  write_passes: number;
  shift_steps: number;
  cycles: number;
  start_cycle: number;
  latency_s: number;
  columns: number;
  arrays: number;
  row_tiles: number;
  waves: number;
  positions: number;
  cycles_by_class: Record<string, number>;
  energy_J: Energy;
  counters: Record<string, number> | null;
  wear: Wear | null;
  tiles: TileFacts[];
}

export interface GraphNode {
  id: string;
  kind: "tensor" | "layer";
  name: string;
  [fact: string]: unknown;
}

export interface GraphEdge {
  source: string;
  target: string;
  gathers?: number;
}

interface TimelineWave {
  start_cycle: number;
  cycles: number;
  arrays: number;
}

export interface TimelinePhase {
  tile: number;
  name: string;
  start_cycle: number;
  cycles: number;
}

export interface TimelineLayer {
  layer: number;
  start_cycle: number;
  cycles: number;
  waves: TimelineWave[];
  phases: TimelinePhase[];
}

interface BoundaryFacts {
  name: string;
  tensor: number;
  lo: number;
  hi: number;
}

export interface Summary {
  schema: string;
  program: ProgramFacts;
  target: TargetFacts;
  figures: Figure[];
  tensors: TensorFacts[];
  layers: LayerFacts[];
  graph: { nodes: GraphNode[]; edges: GraphEdge[] };
  graph_text: string;
  timeline: TimelineLayer[];
  /** `estimate`: energies come from expected written bits, not from a run; `images`: of the run, or 1. */
  energy: { estimate: boolean; images: number; total_J: number; components: string[] };
  /** The apc.run/1 object. */
  run: Record<string, unknown> | null;
  /** The apc.compare/1 object. */
  comparison: Record<string, unknown> | null;
  boundaries: { inputs: BoundaryFacts[]; outputs: BoundaryFacts[] };
}

// --- the chunk "signatures" ----------------------------------------------------------------------------------------

/** [column of the table, bit] */
export type Bit = [string, number];

/** Tag the rows that match any of `searches`, then write `writes` into them. */
interface LutPass {
  searches: Bit[][];
  writes: Bit[];
}

export interface LutTable {
  passes: LutPass[];
}

/** [table, bit received or -1, bit broadcast or -1, cells "a3 r3 C0": a column of the table is the letter] */
type SignatureStep = [number, number, number, string];

/** Over the bits that are touched: [mask, first, last, steps between]. */
type OperandPath = [number, number, number, number];

/** How every instruction of one ir.expand.Signature goes. */
export interface SignatureFacts {
  /** [op, flags & (A_SIGNED | B_SIGNED | R_FRESH), a_width, b_width, r_width, ...constants of the Signature] */
  key: number[];
  searches: number;
  writes: number;
  /** Of a, b and r. */
  path: [OperandPath, OperandPath, OperandPath];
  steps: SignatureStep[];
}

export interface SignatureBook {
  tables: LutTable[];
  signatures: SignatureFacts[];
}

// --- opening -------------------------------------------------------------------------------------------------------

let parsed: Summary | undefined;

/** Unpacks the summary. Nothing else of the page works before. */
export async function openSummary(): Promise<void> {
  const found = await jsonChunk<Summary>("summary");
  if (found.schema !== SCHEMA) throw new Error(`its schema is ${found.schema}, not ${SCHEMA}`);
  parsed = found;
}

/** The summary of this page. */
export function summary(): Summary {
  if (!parsed) throw new Error("the summary is not open yet");
  return parsed;
}

/** The licences of everything that is bundled into this page. */
export function licences(): string {
  return document.getElementById("apc-licences")?.textContent ?? "";
}
