/** Command lines that readers may copy into a POSIX shell. */

import { type Summary } from "../payload";

/** A word as a shell takes it literally. */
export function quoted(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The program's file. */
export function programFile(report: Summary): string {
  return quoted(report.program.file);
}
