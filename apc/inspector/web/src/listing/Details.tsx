/** The selected instruction: its operands and where they come from, what it costs, its micro-operations. */

import { useMemo } from "preact/hooks";

import { CopyButton } from "../components/CopyButton";
import { Command } from "../components/pieces";
import type { Analysis } from "../machine/analysis";
import { fieldOf, hex, instructionText, OP_NAMES, OPERANDS, placeText, type Operand } from "../machine/records";
import { KIND_NAMES, NONE, reachedChannels } from "../machine/values";
import { programFile, quoted } from "../model/commands";
import { count, integer } from "../model/format";
import { summary } from "../payload";
import { MicroOperations } from "./MicroOperations";
import { phaseOf, select, selected, shown } from "./state";
import { formula, intervalText, takenOver, valueOf, writtenBefore } from "./words";

export function Details() {
  return <Selected found={shown.value!} address={selected.value} />;
}

function Selected({ found, address }: { found: Analysis; address: number }) {
  const { tables } = found;
  const op = tables.code.op[address]!;
  const phase = tables.facts.phases[phaseOf(found, address)];
  return (
    <section class="panel details" aria-label="Selected instruction">
      <header class="row between">
        <h2>
          <span class="mono">{hex(address)}</span> {OP_NAMES[op]} {phase && <span class="muted">in {phase[0]}</span>}
        </h2>
        <CopyButton text={instructionText(tables, address)} label="Copy" title="Copy the instruction" />
      </header>
      <p class="formula mono">{formula(found, address)}</p>
      <div class="operand-cards">
        {OPERANDS[op]!.map((operand) => (
          <OperandCard key={operand} found={found} address={address} operand={operand} />
        ))}
      </div>
      <Cost found={found} address={address} />
      <Shared found={found} address={address} />
      <MicroOperations found={found} address={address} />
      <Command line={commandOf(found, address)} />
      <Keys />
    </section>
  );
}

function Keys() {
  return (
    <details>
      <summary>Keys</summary>
      <p class="muted">
        In the listing arrows and Page keys move. Anywhere but in a text field Home, End go to the ends, <kbd>[</kbd>{" "}
        <kbd>]</kbd> from phase to phase, <kbd>g</kbd> to an address, <kbd>/</kbd> to the search, <kbd>n</kbd>{" "}
        <kbd>N</kbd> to the next match and the one before. Escape leads from a field to the listing.
      </p>
    </details>
  );
}

/** Shows the same in the terminal. */
function commandOf({ tables }: Analysis, address: number): string {
  const layer = quoted(summary().layers[tables.layer]!.name);
  const range = `${hex(address)}:${hex(address + 1)}`;
  const tile = tables.tile ? ` --tile ${tables.tile}` : "";
  return `apc inspect ${programFile(summary())} --layer ${layer}${tile} --level micro --range ${range}`;
}

const ROLES: Record<Operand, string> = { r: "r, the result", a: "a", b: "b" };

function OperandCard({ found, address, operand }: { found: Analysis; address: number; operand: Operand }) {
  const { tables, values, names } = found;
  const value = valueOf(found, address, operand);
  const kind = value === NONE ? "empty" : KIND_NAMES[values.kind[value]!]!;
  return (
    <div class="operand-card" style={{ "--colour": `var(--kind-${kind})` }}>
      <div class="muted">
        {ROLES[operand]} · {kind === "empty" ? "never written" : kind}
      </div>
      <div class="mono name">{names.of(value) || "–"}</div>
      <dl class="facts">
        <dt>in</dt>
        <dd class="mono">{placeText(fieldOf(tables.code, address, operand))}</dd>
        {value !== NONE && <ValueFacts found={found} address={address} operand={operand} value={value} />}
      </dl>
    </div>
  );
}

function ValueFacts({
  found,
  address,
  operand,
  value,
}: {
  found: Analysis;
  address: number;
  operand: Operand;
  value: number;
}) {
  const { tables, values } = found;
  const source = operand === "r" ? address : writtenBefore(found, value, address);
  const { first, last, lastRead, updates, output } = values;
  const resident = tables.facts.resident[value];
  return (
    <>
      <dt>{operand === "r" ? "afterwards" : "as written"}</dt>
      <dd class="mono">
        {source >= 0
          ? intervalText(values.low[source]!, values.high[source]!)
          : resident && first[value]! < 0
            ? intervalText(resident[5], resident[6])
            : "–"}
      </dd>
      <dt>begins</dt>
      <dd>{first[value]! < 0 ? "before the program" : <Address at={first[value]!} />}</dd>
      <dt>updates</dt>
      <dd>
        {updates[value] ? (
          <>
            {integer(updates[value]!)}, the last at <Address at={last[value]!} />
          </>
        ) : (
          "none"
        )}
      </dd>
      <dt>last read</dt>
      <dd>{lastRead[value]! < 0 ? <Unread found={found} value={value} /> : <Address at={lastRead[value]!} />}</dd>
      {output[value] !== NONE && (
        <>
          <dt>holds</dt>
          <dd>output channel {output[value]} at the end</dd>
        </>
      )}
    </>
  );
}

/** Of a value that no instruction has as a or b: what becomes of its cells. */
function Unread({ found, value }: { found: Analysis; value: number }) {
  const taker = takenOver(found, value);
  if (taker < 0) return <>never as a or b</>;
  const op = OP_NAMES[found.tables.code.op[taker]!]!.toLowerCase();
  return (
    <>
      never as a or b; <Address at={taker} /> ({op}) takes its cells over into its r
    </>
  );
}

function Address({ at }: { at: number }) {
  return (
    <button type="button" class="address-link" onClick={() => select(at)} title="Go to this instruction">
      {hex(at)}
    </button>
  );
}

function Cost({ found, address }: { found: Analysis; address: number }) {
  const { timing } = summary().target;
  const { counts } = found;
  const parts: [number, string, string, number][] = [
    [counts.searches[address]!, "search", "searches", timing.search_cycles],
    [counts.writes[address]!, "write", "writes", timing.write_cycles],
    [counts.shifts[address]!, "shift step", "shift steps", timing.shift_cycles],
    [counts.sourceSearches[address]!, "search in the source", "searches in the source", timing.search_cycles],
    [counts.sourceShifts[address]!, "shift step in the source", "shift steps in the source", timing.shift_cycles],
  ];
  const spent = parts.filter(([times]) => times > 0);
  const moved = counts.cycles[address]! - spent.reduce((sum, [times, , , cycles]) => sum + times * cycles, 0);
  const terms = spent.map(([times, one, many, cycles]) => `${count(times, one, many)} × ${cycles}`);
  if (moved) terms.push(`${integer(moved)} of transfer`);
  return (
    <p class="spent">
      <strong>{count(counts.cycles[address]!, "cycle")}</strong>
      {terms.length > 0 && <span class="muted"> = {terms.join(" + ")}</span>}
    </p>
  );
}

const LISTED = 16;

/** The output channels that the result flows into. */
function Shared({ found, address }: { found: Analysis; address: number }) {
  const { values } = found;
  const value = values.made[address]!;
  const channels = useMemo(() => reachedChannels(values, value), [values, value]);
  const listed = channels.slice(0, LISTED).join(", ");
  const rest = channels.length > LISTED ? ` and ${integer(channels.length - LISTED)} more` : "";
  return (
    <p>
      {channels.length === 0 && "The result reaches no output channel of this tile."}
      {channels.length === 1 && `The result flows into output channel ${listed} only.`}
      {channels.length > 1 && `The result is shared by ${integer(channels.length)} output channels: ${listed}${rest}.`}
    </p>
  );
}
