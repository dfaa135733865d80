const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** Arrow keys, Home and End go along the links or buttons inside an element that match `selector`. */
export function along(event: KeyboardEvent, selector: string): void {
  const items = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>(selector)];
  const here = items.indexOf(event.target as HTMLElement);
  if (here < 0) return;
  const step = STEPS[event.key];
  const ends: Record<string, number> = { Home: 0, End: items.length - 1 };
  const next = step === undefined ? ends[event.key] : (here + step + items.length) % items.length;
  if (next === undefined) return;
  event.preventDefault();
  items[next]?.focus();
}
