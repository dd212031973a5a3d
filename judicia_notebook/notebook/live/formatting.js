// Numbers as texts, in the kernel's own manner. Nothing here knows a page.

/**
 * A number with its digits in groups of three.
 *
 * @param {number} number
 */
export const grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

/**
 * A count with its noun.
 *
 * @param {number} number
 * @param {string} noun
 */
export const counted = (number, noun) => `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;

/** @param {number} number */
const short = (number) => (number >= 100 ? grouped(Math.round(number)) : String(Number(number.toPrecision(3))));

/** @type {[string, number][]} */
const SIZES = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
];

/**
 * Bytes with their unit; a dash for nothing.
 *
 * @param {number | null | undefined} bytes
 */
export function sizeText(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  for (const [unit, factor] of SIZES) if (bytes >= factor) return `${short(bytes / factor)} ${unit}`;
  return `${short(bytes)} B`;
}

/**
 * Seconds with their unit; a dash for nothing.
 *
 * @param {number | null | undefined} seconds
 */
export function timeText(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds >= 60) return `${short(seconds / 60)} min`;
  if (seconds >= 1) return `${short(seconds)} s`;
  return seconds >= 1e-3 || seconds === 0 ? `${short(seconds * 1e3)} ms` : `${short(seconds * 1e6)} µs`;
}

/** @param {number} rate */
export const rateText = (rate) => grouped(rate >= 10 || rate === 0 ? Math.round(rate) : Number(rate.toPrecision(2)));
