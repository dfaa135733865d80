/** Light and dark: what the system prefers, or what the reader chose. */

import { computed, effect, signal } from "@preact/signals";

type Theme = "light" | "dark";

const KEY = "apc-inspector-theme";
const query = window.matchMedia("(prefers-color-scheme: dark)");

const system = signal<Theme>(query.matches ? "dark" : "light");
const chosen = signal<Theme | null>(stored());

/** The theme that is shown. Canvases and charts read it, so that they are drawn anew when it changes. */
export const theme = computed<Theme>(() => chosen.value ?? system.value);

export function toggleTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, chosen.value);
  } catch {
    // Pages of file:// may have no storage: the choice lasts as long as the page.
  }
}

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : null;
  } catch {
    return null;
  }
}

query.addEventListener("change", () => {
  system.value = query.matches ? "dark" : "light";
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

/** A colour of style.css as the browser resolved it, "--kind-output" for example; for canvases. */
export function colour(property: string): string {
  void theme.value;
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}
