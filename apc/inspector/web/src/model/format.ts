/** Numbers as they are shown: short ones with SI prefixes, exact ones with thousands separated. */

const PREFIXES: [number, string][] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
  [1e-9, "n"],
  [1e-12, "p"],
  [1e-15, "f"],
  [1e-18, "a"],
];

/** The narrow no-break space between a number and its unit. */
const THIN = "\u202f";

const grouped = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const plain = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 6 });

/** 1584175 -> "1,584,175" */
export function integer(value: number): string {
  return grouped.format(value);
}

/** Integers whole, others to six digits. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e15 || (size !== 0 && size < 1e-3)) return value.toExponential(3);
  return size >= 1e6 ? integer(value) : plain.format(value);
}

/** 1.0617e-6, "J" -> "1.06 µJ": three significant digits. */
export function si(value: number, unit: string, digits = 3): string {
  if (value === 0) return `0${unit && THIN}${unit}`;
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(Number(value.toPrecision(digits)));
  const [scale, prefix] = PREFIXES.find(([power]) => size >= power) ?? PREFIXES[PREFIXES.length - 1]!;
  const text = significant(value / scale, digits);
  return prefix || unit ? `${text}${THIN}${prefix}${unit}` : text;
}

export function joules(value: number): string {
  return si(value, "J");
}

export function seconds(value: number): string {
  return si(value, "s");
}

/** 44.98 -> "45.0", 1234.5 -> "1,235": so many digits, without an exponent. */
export function significant(value: number, digits = 3): string {
  const rounded = Math.abs(Number(value.toPrecision(digits)));
  if (rounded === 0) return "0";
  const decimals = Math.min(20, Math.max(0, digits - 1 - Math.floor(Math.log10(rounded))));
  return decimals === 0 ? integer(value) : value.toFixed(decimals);
}

const SI_UNITS = new Set(["J", "s", "W", "Hz", "F", "V", "A"]);

/** A figure with its unit: SI prefixes where they belong, "conversions/s" and the like after the number, choices ("0 or
 * 1") in brackets. */
export function withUnit(value: number, unit: string): string {
  if (/\bor\b/.test(unit)) return `${compact(value)} (${unit})`;
  return SI_UNITS.has(unit) ? trimmed(si(value, unit, 4)) : `${compact(value)} ${unit}`;
}

/** 1e16 -> "1e16", 1024 -> "1,024", 0.85 -> "0.85": all digits, none that a reader has to count. */
function compact(value: number): string {
  const short = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6);
  if (short) return Number.isInteger(value) ? integer(value) : String(value);
  return value.toExponential().replace("e+", "e");
}

/** As `si`, without zeros at the end, for axes: 0.05, "s" -> "50 ms". */
export function tick(value: number, unit: string): string {
  return trimmed(si(value, unit));
}

/** A number as text, with or without a unit, without zeros at the end of its fraction. */
function trimmed(text: string): string {
  return text.replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
}

/** 0.1234 -> "12.3 %"; what is not nothing never reads as 0. */
export function percent(share: number): string {
  if (share === 0) return `0${THIN}%`;
  const value = 100 * share;
  if (Math.abs(value) < 0.1) return `<${THIN}0.1${THIN}%`;
  return `${value.toFixed(Math.abs(value) >= 99.95 ? 0 : 1)}${THIN}%`;
}

/** How many times: 0.0851 -> "0.085×", 7.5 -> "7.50×". */
export function times(ratio: number): string {
  return `${significant(ratio, ratio < 1 ? 2 : 3)}×`;
}

export function bytes(count: number): string {
  return si(count, "B");
}

/** Square metres, as the square millimetres of chips. */
export function area(value_m2: number): string {
  return `${significant(value_m2 * 1e6)}${THIN}mm²`;
}

/** "1 layer", "3 layers" */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${integer(value)} ${value === 1 ? one : many}`;
}

/** Long names keep their end, which tells them apart. */
export function fitted(name: string, characters: number): string {
  return name.length <= characters ? name : `…${name.slice(1 - Math.floor(characters))}`;
}
