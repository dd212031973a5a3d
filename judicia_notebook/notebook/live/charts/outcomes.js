// The outcomes of calls: a letter each in a frame, a bar and a sign each in the drawing, and all of them in words.

import { rateText } from "../formatting.js";

/** @type {{ [letter: string]: { name: string, height: number, sign: string } }} */
export const SIGNS = {
  o: { name: "ok", height: 0.45, sign: "" },
  d: { name: "ok despite denials", height: 0.65, sign: "○" },
  q: { name: "over a quota", height: 1, sign: "▲" },
  x: { name: "failed", height: 1, sign: "✕" },
  c: { name: "cancelled", height: 0.8, sign: "–" },
};

/**
 * @param {string} letters
 * @param {number} rate Calls a second.
 */
export function outcomesText(letters, rate) {
  if (!letters) return "no call yet";
  const counts = Object.entries(SIGNS)
    .map(([letter, { name }]) => ({ name, count: [...letters].filter((outcome) => outcome === letter).length }))
    .filter(({ count }) => count);
  const each = counts.map(({ name, count }) => `${count} ${name}`).join(", ");
  const often = rateText(rate);
  return `last ${letters.length}: ${each} · ${often} call${often === "1" ? "" : "s"} a second`;
}

/**
 * What the signs that are to be seen mean.
 *
 * @param {string} letters
 */
export function keyText(letters) {
  if (!letters) return "";
  const shown = Object.entries(SIGNS).filter(([letter, { sign }]) => sign && letters.includes(letter));
  return ["newest at the right", "short: ok", ...shown.map(([, { sign, name }]) => `${sign} ${name}`)].join(" · ");
}
