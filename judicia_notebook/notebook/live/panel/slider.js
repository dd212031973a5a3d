// A quota on a slider: logarithmic, from 0 to 100, rounded to two digits and never above its end.

import { grouped } from "../formatting.js";

/** @import { QuotaRow } from "../messages.d.ts" */

/** @typedef {Pick<QuotaRow, "least" | "most" | "unit" | "value">} Scale */

const KIB = 1024;
const MIB = 1 << 20;

/**
 * Where a value is on the slider.
 *
 * @param {Scale} row
 * @param {number} value
 */
export function place(row, value) {
  if (value <= row.least) return 0;
  return Math.min(100, (100 * Math.log(value / row.least)) / Math.log(row.most / row.least));
}

/**
 * @param {Scale} row
 * @param {number} position
 */
export function valueAt(row, position) {
  if (position >= 100) return row.most;
  const exact = row.least * (row.most / row.least) ** (position / 100);
  const unit = row.unit === "bytes" ? (exact >= MIB ? MIB : KIB) : 1;
  const round = Number((exact / unit).toPrecision(2)) * unit;
  return Math.min(row.unit === "s" ? round : Math.round(round), row.most);
}

/**
 * The value that a place on the slider stands for; a thumb that went down never raises the limit by its rounding.
 *
 * @param {Scale} row
 * @param {number} position
 */
export function dragged(row, position) {
  const value = valueAt(row, position);
  return row.value !== null && position <= place(row, row.value) ? Math.min(value, row.value) : value;
}

/**
 * A value as it is said while the thumb moves.
 *
 * @param {Scale} row
 * @param {number} value
 */
export function amount(row, value) {
  if (row.unit === "bytes")
    return value >= MIB ? `${+(value / MIB).toPrecision(3)} MiB` : `${Math.round(value / KIB)} KiB`;
  if (row.unit === "s") return value >= 1 ? `${+value.toPrecision(3)} s` : `${+(value * 1000).toPrecision(3)} ms`;
  return grouped(value);
}
