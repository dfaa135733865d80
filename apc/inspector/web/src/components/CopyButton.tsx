import { useState } from "preact/hooks";

import { copy } from "../model/csv";
import { announce } from "../state";
import { Icon } from "./Icon";

const SHOWN_MS = 1500;

/** Copies a text; says so to the eye and to screen readers. */
export function CopyButton({
  text,
  label,
  title = "Copy",
}: {
  text: string | (() => string);
  label?: string;
  title?: string;
}) {
  const [done, setDone] = useState(false);
  const onClick = async () => {
    const ok = await copy(typeof text === "string" ? text : text());
    announce(ok ? "Copied" : "The browser does not allow copying");
    setDone(ok);
    window.setTimeout(() => setDone(false), SHOWN_MS);
  };
  return (
    <button type="button" class="button" title={title} aria-label={label ? undefined : title} onClick={onClick}>
      <Icon name={done ? "check" : "copy"} />
      {label && <span>{done ? "Copied" : label}</span>}
    </button>
  );
}
