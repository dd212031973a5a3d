// Where axes end, and what a use of memory or CPU is in words. Nothing here knows a page.

/** @import { Frame } from "../messages.d.ts" */

/** @typedef {(frame: Frame) => number | null} Reading */

/**
 * A kind of use against its limit, and how it is written.
 *
 * @typedef {object} Use
 * @property {Reading} value
 * @property {Reading} limit
 * @property {(value: number | null) => string} text
 * @property {boolean} binary Whether its scale ends at powers of two.
 */

const NARROW = 5; // a limit further off than this many per cent is shown beside the scale instead of on it
const [LEAST_BYTES, LEAST_SECONDS] = [65536, 1e-3];

/**
 * The smallest of 1, 2 or 5 times a power of ten, or of two for sizes, that is not below a number.
 *
 * @param {number} number
 * @param {boolean} binary
 */
export function rounded(number, binary) {
  if (!(number > 0)) return 1;
  if (binary) return 2 ** Math.ceil(Math.log2(number));
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5].map((step) => step * power).find((step) => step >= number * 0.999999) ?? 10 * power;
}

/**
 * How far a scale of uses goes up: to the limit where the uses come near it, else as far as they need.
 *
 * @param {Frame[]} frames
 * @param {Use} use
 */
export function scaleOf(frames, { value, limit, binary }) {
  const most = Math.max(0, ...frames.map((frame) => value(frame) ?? 0));
  const limits = frames.map(limit).filter((bound) => bound !== null);
  const highest = limits.length ? Math.max(...limits) : null;
  const near = highest !== null && most * 100 >= highest * NARROW;
  const least = binary ? LEAST_BYTES : LEAST_SECONDS;
  const top = near ? Math.max(highest, most) * 1.04 : rounded(most * 1.2 || least, binary);
  return { most, top, limit: near ? highest : null };
}

/**
 * Whether a frame reached the limit that its calls ran under.
 *
 * @param {Frame} frame
 * @param {Use} use
 */
export function isOver(frame, { value, limit }) {
  const [used, bound] = [value(frame), limit(frame)];
  return used !== null && bound !== null && used >= bound;
}

/**
 * What a drawing of uses shows, in words.
 *
 * @param {Frame[]} frames
 * @param {Use} use
 * @param {ReturnType<typeof scaleOf>} scale
 */
export function useText(frames, use, scale) {
  const last = [...frames].reverse().find((frame) => use.value(frame) !== null);
  const newest = frames.at(-1);
  const limit = newest ? use.limit(newest) : null;
  const beyond = scale.limit !== null || !last ? "" : ", above this scale";
  const bound = limit === null ? "no limit" : `limit ${use.text(limit)}${beyond}`;
  if (!last) return `${bound}; nothing ran`;
  return `${isOver(last, use) ? "▲ " : ""}${use.text(use.value(last))} · most ${use.text(scale.most)} · ${bound}`;
}
