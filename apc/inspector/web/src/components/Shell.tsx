/** What stays on the page whatever the view: the bar above with the program and the views, and the regions that screen
 * readers find. */

import { type ComponentChildren, type ComponentType } from "preact";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";

import { summary } from "../payload";
import { announce, announcement, href, navigate, notice, route, type ViewName, VIEWS } from "../state";
import { theme, toggleTheme } from "../theme";
import { About } from "../views/About";
import { Comparison } from "../views/Comparison";
import { Energy } from "../views/Energy";
import { Figures } from "../views/Figures";
import { Graph } from "../views/Graph";
import { Microcode } from "../views/Microcode";
import { Overview } from "../views/Overview";
import { Timeline } from "../views/Timeline";
import { Icon } from "./Icon";
import { along } from "./keys";

const PAGES: Record<ViewName, { title: string; View: ComponentType }> = {
  overview: { title: "Overview", View: Overview },
  graph: { title: "Graph", View: Graph },
  microcode: { title: "Microcode", View: Microcode },
  timeline: { title: "Timeline", View: Timeline },
  energy: { title: "Energy", View: Energy },
  comparison: { title: "Comparison", View: Comparison },
  figures: { title: "Figures", View: Figures },
  about: { title: "About", View: About },
};

export function Shell() {
  const { view } = route.value;
  const { title, View } = PAGES[view];
  const { file } = summary().program;
  const arrived = useRef(false);
  useEffect(() => {
    if (arrived.current) {
      announce(title);
      keepFocus();
    }
    arrived.current = true;
    document.title = `${title} · ${file} · apc report`;
    window.scrollTo(0, 0);
  }, [title, file]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <header class="bar">
        <Identity />
        <Views />
        <ThemeButton />
      </header>
      <main id="main" tabIndex={-1} class={`view view-${view}`}>
        <p class="notice" role="status">
          {notice.value}
        </p>
        <Guard key={view}>
          <View />
        </Guard>
      </main>
      <div class="hidden" role="status" aria-live="polite">
        {announcement.value}
      </div>
    </>
  );
}

/** Where a link leads to another view it goes with its own: the next Tab starts in the new one. */
function keepFocus(): void {
  if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
}

/** The hash belongs to the route, so the link moves the focus itself. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Identity() {
  const { program, target } = summary();
  return (
    <a class="identity" href={href({ view: "overview" })} title={`${program.file} for ${target.name}: overview`}>
      <span class="program">{program.file}</span>
      <span class="muted">{target.name}</span>
    </a>
  );
}

/** Links to the views; the arrow keys go along them, Tab and Enter work as everywhere. */
function Views() {
  const { view } = route.value;
  const current = useRef<HTMLAnchorElement>(null);
  useEffect(() => centre(current.current), [view]);
  return (
    <nav class="views" aria-label="Views" onKeyDown={(event) => along(event, "a")}>
      {VIEWS.map((name) => (
        <a
          key={name}
          ref={name === view ? current : undefined}
          href={href({ view: name })}
          aria-current={name === view ? "page" : undefined}
          onClick={(event) => follow(event, name)}
        >
          {PAGES[name].title}
        </a>
      ))}
    </nav>
  );
}

/** Scrolls a link into the middle of its bar. Not by scrollIntoView, after which the Tab key goes on from there. */
function centre(link: HTMLElement | null): void {
  const bar = link?.parentElement;
  if (!link || !bar) return;
  const [inner, outer] = [link.getBoundingClientRect(), bar.getBoundingClientRect()];
  bar.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}

function follow(event: MouseEvent, view: ViewName): void {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  navigate({ view });
}

function ThemeButton() {
  const other = theme.value === "dark" ? "light" : "dark";
  return (
    <button
      type="button"
      class="button theme"
      title={`Switch to ${other} colours`}
      aria-label={`Switch to ${other} colours`}
      onClick={toggleTheme}
    >
      <Icon name={other === "dark" ? "moon" : "sun"} />
    </button>
  );
}

/** A view that fails says what went wrong, and leaves the others usable. */
function Guard({ children }: { children: ComponentChildren }) {
  const [error] = useErrorBoundary((problem: unknown) => console.error(problem));
  if (!error) return <>{children}</>;
  return (
    <section class="panel problem" role="alert">
      <h1>This view could not be shown</h1>
      <p>{String(error)}</p>
    </section>
  );
}
