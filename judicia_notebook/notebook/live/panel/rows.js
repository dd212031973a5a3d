// Tables of texts: the last calls, the log and the audit.

import { element } from "../dom.js";
import { grouped } from "../formatting.js";

/** @import { CallRow, LineRow } from "../messages.d.ts" */

/** @typedef {[title: string, kind?: string]} Column */

/**
 * A table of texts, made again only when what it shows has changed.
 *
 * @template Row
 */
export class Rows {
  /**
   * @param {string} label
   * @param {Column[]} columns
   * @param {string} empty What is said where there is no row.
   * @param {(row: Row) => string[]} cellsOf
   * @param {(row: Row) => boolean} badOf
   */
  constructor(label, columns, empty, cellsOf, badOf) {
    this.columns = columns;
    this.cellsOf = cellsOf;
    this.badOf = badOf;
    this.seen = "";
    const titles = columns.map(([title, kind]) => element("th", { scope: "col", class: kind || null }, title));
    this.body = element("tbody");
    this.table = element(
      "table",
      { class: "jd-table", "aria-label": label },
      element("thead", {}, element("tr", {}, ...titles)),
      this.body,
    );
    this.empty = element("p", { class: "jd-muted" }, empty);
    this.node = element(
      "div",
      { class: "jd-scroll", tabindex: "0", role: "group", "aria-label": label },
      this.table,
      this.empty,
    );
  }

  /** @param {Row[]} rows */
  render(rows) {
    const seen = JSON.stringify(rows);
    if (seen === this.seen) return;
    this.seen = seen;
    this.table.hidden = !rows.length;
    this.empty.hidden = rows.length > 0;
    this.body.replaceChildren(...rows.map((row) => this.line(row)));
  }

  /** @param {Row} row */
  line(row) {
    const cells = this.cellsOf(row).map((cell, index) =>
      element("td", { class: this.columns[index][1] || null }, cell),
    );
    return element("tr", { class: this.badOf(row) ? "jd-failed" : null }, ...cells);
  }
}

/** @type {Column[]} */
const CALLS = [
  ["Call", "jd-num"],
  ["Function"],
  ["Outcome"],
  ["Wall", "jd-num"],
  ["CPU", "jd-num"],
  ["Memory", "jd-num"],
  ["Fuel", "jd-num"],
  ["Host calls", "jd-num"],
  ["Denied", "jd-num"],
  ["By"],
];

/** @returns {Rows<CallRow>} */
export const callRows = () =>
  new Rows(
    "Last calls",
    CALLS,
    "No call yet.",
    (row) => [
      String(row.call),
      row.function,
      row.error ? `${row.outcome}: ${row.error}` : row.outcome,
      row.wall,
      row.cpu,
      row.memory,
      row.fuel,
      grouped(row.host_calls),
      grouped(row.denied),
      row.origin,
    ],
    (row) => !row.ok,
  );

/** @param {LineRow} row */
const lineCells = (row) => [row.at, row.what, row.text, row.by];

/** @returns {Rows<LineRow>} */
export const logRows = () =>
  new Rows(
    "Log",
    [["At", "jd-num"], ["Level"], ["Message", "jd-text"], ["From"]],
    "It has written nothing.",
    lineCells,
    (row) => row.what === "error",
  );

/** @returns {Rows<LineRow>} */
export const auditRows = () =>
  new Rows(
    "Audit",
    [["At", "jd-num"], ["What"], ["Detail", "jd-text"], ["By way of"]],
    "Nothing was changed or denied.",
    lineCells,
    (row) => row.what === "denied" || row.what === "escape",
  );
