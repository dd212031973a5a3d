// The legend of the host calls: their rate by capability, and how many were denied.

import { element, KeyedList, setText } from "../dom.js";
import { grouped, rateText } from "../formatting.js";
import { sum } from "./history.js";

/** @import { Colours } from "./drawing.js" */
/** @import { Rates } from "./history.js" */

/** @typedef {{ name: string, index: number, rate: number, refused: number }} Row */

class Line {
  constructor() {
    this.swatch = element("span", { class: "jd-swatch", "aria-hidden": "true" });
    this.rate = element("span");
    this.refused = element("span", { class: "jd-bad" });
    this.node = element("li", {}, this.swatch, this.rate, this.refused);
  }

  /**
   * @param {Row} row
   * @param {Colours["series"]} series
   */
  draw({ name, index, rate, refused }, series) {
    const { colour, dash } = series[index % series.length];
    this.swatch.style.borderTop = `3px ${dash.length ? "dashed" : "solid"} ${colour}`;
    setText(this.rate, `${labelOf(name)} ${rateText(rate)}/s`);
    setText(this.refused, refused ? `✕ ${grouped(refused)} denied` : "");
  }
}

export class Legend {
  constructor() {
    /** @type {Colours["series"]} */
    this.series = [];
    this.node = element("ul", { class: "jd-legend", "aria-label": "Host calls a second, by capability" });
    /** @type {KeyedList<Row, Line>} */
    this.list = new KeyedList(
      this.node,
      ({ name }) => name,
      () => new Line(),
      (line, row) => line.draw(row, this.series),
    );
  }

  /**
   * @param {Row[]} rows
   * @param {Colours["series"]} series
   */
  render(rows, series) {
    this.series = series;
    this.list.render(rows);
  }
}

/** @param {string} name */
const labelOf = (name) => name || "no capability";

/**
 * @param {[name: string, rates: Rates][]} series
 * @returns {Row[]}
 */
export const legendRows = (series) =>
  series.map(([name, { now, denied }], index) => ({ name, index, rate: now, refused: sum(denied) }));

/**
 * The legend in words: in all, and each for itself.
 *
 * @param {Row[]} rows
 */
export function legendTexts(rows) {
  const none = "none in this half minute";
  if (!rows.length) return { total: none, each: none };
  const total = `${rateText(sum(rows.map(({ rate }) => rate)))} in all`;
  const each = rows.map(({ name, rate, refused }) => {
    const denied = refused ? `, ${grouped(refused)} denied` : "";
    return `${labelOf(name)} ${rateText(rate)} a second${denied}`;
  });
  return { total, each: each.join("; ") };
}
