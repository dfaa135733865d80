/** The search over opcodes, names and places. */

import { useRef } from "preact/hooks";

import { Select } from "../components/Select";
import { integer, percent } from "../model/format";
import { focusList } from "./keyboard";
import { current, next, problem, progress, query, scope, search, type Scope } from "./search";

const SCOPES: [Scope, string][] = [
  ["tile", "this tile"],
  ["layer", "this layer"],
  ["program", "the program"],
];
const SETTLE_MS = 250;

export function SearchBox() {
  const timer = useRef<number | undefined>(undefined);
  const onInput = (text: string) => {
    query.value = text;
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(begin, SETTLE_MS);
  };
  const begin = () => {
    window.clearTimeout(timer.current);
    timer.current = undefined;
    return search();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const step = event.shiftKey ? -1 : 1;
    if (timer.current === undefined) goOn(step);
    else void begin().then(() => goOn(step));
  };
  return (
    <search class="search">
      <label class="picker" for="search">
        Search
      </label>
      <input
        id="search"
        type="search"
        placeholder="acc[5], c30.d2, /add|sub/"
        title="Text, or a regular expression between slashes; Enter goes to the next, Shift+Enter to the one before"
        autocomplete="off"
        spellcheck={false}
        value={query.value}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <Where />
      <Step to={-1} name="Previous match" sign="↑" />
      <Step to={1} name="Next match" sign="↓" />
      <span class="muted search-state" role="status">
        {stateText()}
      </span>
    </search>
  );
}

/** To a match, and to the list, where n and N go on. */
function goOn(step: 1 | -1): void {
  if (!progress.value?.count) return;
  next(step);
  focusList();
}

function Where() {
  const onPick = (name: Scope) => {
    scope.value = name;
    void search();
  };
  return <Select label="in" value={scope.value} options={SCOPES} onPick={onPick} />;
}

function Step({ to, name, sign }: { to: 1 | -1; name: string; sign: string }) {
  return (
    <button
      type="button"
      class="button outlined"
      disabled={!progress.value?.count}
      onClick={() => next(to)}
      aria-label={name}
    >
      {sign}
    </button>
  );
}

function stateText(): string {
  if (problem.value) return problem.value;
  const state = progress.value;
  if (!state) return "";
  const at = current.value >= 0 ? `${integer(current.value + 1)} of ` : "";
  const found = `${at}${integer(state.count)} found`;
  return state.done ? found : `${found}, ${percent(state.searched / state.total)} searched`;
}
