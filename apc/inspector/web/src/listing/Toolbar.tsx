/** Which layer, tile, phase and class are listed; where to go; what to search. */

import { Select } from "../components/Select";
import type { Analysis } from "../machine/analysis";
import { OP_NAMES } from "../machine/records";
import { count, integer } from "../model/format";
import { missingAddress } from "../model/places";
import { summary } from "../payload";
import { navigate, notice, route } from "../state";
import { focusList } from "./keyboard";
import { onlyClass, onlyPhase, opcodes, rowCount, select, shown } from "./state";

export function Toolbar() {
  const { layers } = summary();
  const { layer, tile } = route.value;
  const tiles = layers[layer]?.tiles ?? [];
  return (
    <div class="microcode-tools">
      <Select
        label="Layer"
        value={layer}
        options={layers.map(({ index, name, instructions }) => [index, `${index} ${name} (${integer(instructions)})`])}
        onPick={(index) => navigate({ layer: index })}
      />
      <Select
        label="Tile"
        value={tile}
        options={tiles.map(({ instructions }, number) => [
          number,
          `${number} of ${tiles.length} (${integer(instructions)})`,
        ])}
        onPick={(number) => navigate({ tile: number })}
      />
      {shown.value && <Filters found={shown.value} />}
      <GoTo />
    </div>
  );
}

function Filters({ found }: { found: Analysis }) {
  const { phases } = found.tables.facts;
  return (
    <>
      <Select<number | null>
        label="Phase"
        value={onlyPhase.value}
        options={[[null, `all (${integer(phases.length)})`], ...phases.map(([name], index) => [index, name] as const)]}
        onPick={(index) => (onlyPhase.value = index)}
      />
      <Select<number | null>
        label="Class"
        value={onlyClass.value}
        options={[
          [null, `all (${integer(opcodes.value.length)})`],
          ...opcodes.value.map((op) => [op, OP_NAMES[op]!] as const),
        ]}
        onPick={(op) => (onlyClass.value = op)}
      />
      <span class="muted shown-count">{count(rowCount.value, "instruction")}</span>
    </>
  );
}

/** An address in hexadecimal (with or without 0x). */
function GoTo() {
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const text = (event.currentTarget as HTMLFormElement).querySelector("input")!.value.trim();
    const address = /^(0x)?[0-9a-f]+$/i.test(text) ? Number.parseInt(text.replace(/^0x/i, ""), 16) : Number.NaN;
    const problem = missingAddress(address, shown.value?.tables.code.length ?? 0);
    notice.value = problem && `“${text}”: ${problem}`;
    if (problem) return;
    select(address);
    focusList();
  };
  return (
    <form class="picker" onSubmit={onSubmit}>
      <label for="go-to">Go to</label>
      <input
        id="go-to"
        type="text"
        size={7}
        placeholder="0x01a3"
        autocomplete="off"
        spellcheck={false}
        title="Address in hexadecimal (key g)"
      />
    </form>
  );
}
