/** Small pieces that several views are made of. */

import { type ComponentChildren } from "preact";

import { percent } from "../model/format";
import { type Route, href, navigate } from "../state";
import { CopyButton } from "./CopyButton";

/** A link to a place in the report. */
export function Go({ to, children, title }: { to: Partial<Route>; children: ComponentChildren; title?: string }) {
  const onClick = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a href={href(to)} title={title} onClick={onClick}>
      {children}
    </a>
  );
}

/** Names and what they are, two columns. Entries without a value are left out. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "")
        .map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
    </dl>
  );
}

interface SegmentedProps<Name extends string> {
  legend: string;
  options: Record<Name, string>;
  value: Name;
  onChange: (name: Name) => void;
}

/** One of a few: radio buttons, so that the arrow keys work. */
export function Segmented<Name extends string>({ legend, options, value, onChange }: SegmentedProps<Name>) {
  const name = legend.replaceAll(" ", "-");
  return (
    <fieldset class="segmented">
      <legend class="hidden">{legend}</legend>
      {(Object.keys(options) as Name[]).map((option) => (
        <label key={option}>
          <input type="radio" name={name} checked={option === value} onChange={() => onChange(option)} />
          {options[option]}
        </label>
      ))}
    </fieldset>
  );
}

/** A command line, ready to be copied. */
export function Command({ line }: { line: string }) {
  return (
    <div class="command">
      <code tabIndex={0}>{line}</code>
      <CopyButton text={line} title={`Copy: ${line}`} />
    </div>
  );
}

/** The colour of a component of the energy, or of whatever style.css has a colour for. */
export function partColour(name: string): string {
  return `var(--part-${name}, var(--c8))`;
}

interface Part {
  name: string;
  value: number;
  text: string;
  colour: string;
}

/** What the colours of parts mean, with their values where given. */
export function Legend({ parts }: { parts: readonly { name: string; colour: string; text?: string }[] }) {
  return (
    <ul class="legend">
      {parts.map((part) => (
        <li key={part.name}>
          <span class="swatch" style={{ "--colour": part.colour }} />
          {part.name}
          {part.text && <span class="muted">{part.text}</span>}
        </li>
      ))}
    </ul>
  );
}

/** Parts of a whole as one bar, its legend below with values and shares: the colours say nothing that it does not. */
export function ShareBar({ label, parts }: { label: string; parts: Part[] }) {
  const whole = parts.reduce((sum, part) => sum + part.value, 0) || 1;
  const legend = parts.map((part) => ({ ...part, text: `${part.text} · ${percent(part.value / whole)}` }));
  return (
    <div class="share">
      <div
        class="share-bar"
        role="img"
        aria-label={`${label}: ${legend.map((part) => `${part.name} ${part.text}`).join(", ")}`}
      >
        {parts.map((part) => (
          <span
            key={part.name}
            style={{ "--colour": part.colour, flexGrow: part.value / whole }}
            title={`${part.name}: ${part.text}`}
          />
        ))}
      </div>
      <Legend parts={legend} />
    </div>
  );
}
