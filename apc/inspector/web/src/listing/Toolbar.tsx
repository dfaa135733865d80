/** Which layer, tile, phase and class are listed; where to go; what to search. */

import { OP_NAMES } from "../machine/records";
import { count, integer } from "../model/format";
import { summary } from "../payload";
import { announce, navigate, route } from "../state";
import { onlyClass, onlyPhase, rowCount, select, shown } from "./state";

export function Toolbar() {
  const { layers } = summary();
  const { layer, tile } = route.value;
  const { tiles } = layers[layer] ?? layers[0]!;
  return (
    <div class="microcode-tools">
      <Picker
        label="Layer"
        value={layer}
        options={layers.map(({ index, name, instructions }) => [index, `${index} ${name} (${integer(instructions)})`])}
        onPick={(index) => navigate({ layer: index ?? 0 })}
      />
      <Picker
        label="Tile"
        value={tile}
        options={tiles.map(({ instructions }, index) => [index, `${index} of ${tiles.length} (${integer(instructions)})`])}
        onPick={(index) => navigate({ tile: index ?? 0 })}
      />
      {shown.value && <Filters />}
      <GoTo />
    </div>
  );
}

function Filters() {
  const { code, facts } = shown.value!.tables;
  const present = [...new Set(code.op)].sort((a, b) => a - b);
  return (
    <>
      <Picker
        label="Phase"
        value={onlyPhase.value}
        all={`all ${count(facts.phases.length, "phase")}`}
        options={facts.phases.map(([name], index) => [index, name])}
        onPick={(index) => (onlyPhase.value = index)}
      />
      <Picker
        label="Class"
        value={onlyClass.value}
        all={`all ${count(present.length, "class", "classes")}`}
        options={present.map((op) => [op, OP_NAMES[op]!])}
        onPick={(op) => (onlyClass.value = op)}
      />
      <span class="muted shown-count">{count(rowCount.value, "instruction")}</span>
    </>
  );
}

interface PickerProps {
  label: string;
  value: number | null;
  options: [number, string][];
  /** What it says where nothing is picked; without it something always is. */
  all?: string;
  onPick: (value: number | null) => void;
}

function Picker({ label, value, options, all, onPick }: PickerProps) {
  return (
    <label class="picker">
      <span>{label}</span>
      <select
        value={value === null ? "" : String(value)}
        onChange={(event) => onPick(event.currentTarget.value === "" ? null : Number(event.currentTarget.value))}
      >
        {all && <option value="">{all}</option>}
        {options.map(([number, text]) => (
          <option key={number} value={String(number)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** An address in hexadecimal (with or without 0x). */
function GoTo() {
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const text = (event.currentTarget as HTMLFormElement).querySelector("input")!.value.trim();
    const address = /^(0x)?[0-9a-f]+$/i.test(text) ? Number.parseInt(text.replace(/^0x/i, ""), 16) : -1;
    const length = shown.value?.tables.code.length ?? 0;
    if (address < 0 || address >= length) return announce(`No instruction ${text}: addresses go to 0x${(length - 1).toString(16)}`);
    select(address);
    document.querySelector<HTMLElement>(".virtual")?.focus();
  };
  return (
    <form class="picker" onSubmit={onSubmit}>
      <label for="go-to">Go to</label>
      <input id="go-to" type="text" size={7} placeholder="0x01a3" autocomplete="off" spellcheck={false} title="Address in hexadecimal (key g in the listing)" />
    </form>
  );
}
