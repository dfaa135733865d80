import { useMemo } from "preact/hooks";

import { CopyButton } from "../components/CopyButton";
import { microOf, type Analysis } from "../machine/analysis";
import { cellOf, fieldOf, OPERANDS, type Field, type Operand } from "../machine/records";
import { count } from "../model/format";

/** What an instruction expands to, shifts included. */
export function MicroOperations({ found, address }: { found: Analysis; address: number }) {
  const lines = useMemo(() => microOf(found, address), [found, address]);
  return (
    <details open>
      <summary>{count(lines.length, "micro-operation")}</summary>
      <div class="micro-tools">
        <CopyButton text={lines.join("\n")} label="Copy" title="Copy the micro-operations" />
      </div>
      <ol class="micro mono" start={0} tabIndex={0} aria-label="Micro-operations">
        {lines.map((line, i) => (
          <li key={i} class={line.slice(0, line.indexOf(" "))}>
            <MicroLine line={line} found={found} address={address} />
          </li>
        ))}
      </ol>
    </details>
  );
}

/** A micro-operation; the style sheet adds to each cell the operand and the bit that it is, so copies are plain. */
function MicroLine({ line, found, address }: { line: string; found: Analysis; address: number }) {
  const { code } = found.tables;
  const fields = OPERANDS[code.op[address]!]!.map((operand) => [operand, fieldOf(code, address, operand)] as const);
  const parts = line.split(/(?<=c\d+\.d\d+)(?==)/);
  return (
    <>
      {parts.map((part, i) => {
        const [, column, domain] = /c(\d+)\.d(\d+)$/.exec(part) ?? [];
        const name = i + 1 < parts.length ? bitName(fields, Number(column), Number(domain)) : "";
        return (
          <span key={i} class={name ? "bit" : undefined} data-bit={name}>
            {part}
          </span>
        );
      })}
    </>
  );
}

function bitName(fields: (readonly [Operand, Field])[], column: number, domain: number): string {
  for (const [operand, field] of fields) {
    const bit = field.across ? column - field.column : domain - field.domain;
    const [c, d] = cellOf(field, bit);
    if (c === column && d === domain && bit >= 0 && bit < field.width) return `${operand}${bit}`;
  }
  return "";
}
