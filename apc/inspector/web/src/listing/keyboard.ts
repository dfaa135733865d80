// The keys of the microcode view. Those that move by rows belong to the list; the others work wherever the reader is.

import { useEffect } from "preact/hooks";

import { next } from "./search";
import { move, phaseOf, rows, select, selected, shown } from "./state";

function listElement(): HTMLElement | null {
  return document.querySelector<HTMLElement>(".virtual");
}

export function focusList(): void {
  listElement()?.focus();
}

/** Arrows and pages, within the list; `page` is how many rows it shows. */
export function onListKey(event: KeyboardEvent, page: number): void {
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
  const step = steps[event.key];
  if (step === undefined || modified(event)) return;
  move(step);
  event.preventDefault();
}

/** Whether a list that had the focus was taken away: the next one gets it. */
let waiting = false;

/** While the list is there: its keys, and the focus that goes from the list of one tile to that of the next. */
export function useKeys(): void {
  useEffect(() => {
    if (waiting) focusList();
    waiting = false;
    document.addEventListener("keydown", onPageKey);
    return () => {
      waiting = document.activeElement === listElement();
      document.removeEventListener("keydown", onPageKey);
    };
  }, []);
}

const WRITTEN_IN = "input[type=text], input[type=search], textarea, select";
/** What Home and End have a meaning of their own in. */
const WITH_ENDS = "input, summary";

const ACTIONS: Record<string, () => void> = {
  g: () => document.getElementById("go-to")?.focus(),
  "/": () => document.getElementById("search")?.focus(),
  n: () => next(1),
  N: () => next(-1),
  "[": () => toPhase(-1),
  "]": () => toPhase(1),
};
const ENDS: Record<string, () => void> = {
  Home: () => move(-rows.value.length),
  End: () => move(rows.value.length),
};

function onPageKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || modified(event)) return;
  const from = event.target as Element;
  const action = from.matches(WRITTEN_IN)
    ? event.key === "Escape" && !from.matches("select") && focusList
    : (ACTIONS[event.key] ?? (!from.matches(WITH_ENDS) && ENDS[event.key]));
  if (!action) return;
  action();
  event.preventDefault();
}

function modified(event: KeyboardEvent): boolean {
  return event.metaKey || event.ctrlKey || event.altKey;
}

/** To where the next phase begins, or this one, or the one before. */
function toPhase(step: 1 | -1): void {
  const found = shown.value!;
  const { phases } = found.tables.facts;
  const here = selected.value;
  const phase = phaseOf(found, here);
  const back = phases[phase]?.[1] === here ? phase - 1 : phase;
  const target = phases[step > 0 ? phase + 1 : back];
  if (target) select(target[1]);
}
