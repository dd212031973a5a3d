// How many host calls were allowed, denied and limited, beside a switch; the row flashes when one more is denied.

import { element, setText } from "../dom.js";
import { grouped } from "../formatting.js";

/** @import { CapabilityRow } from "../messages.d.ts" */

/** @type {("allowed" | "denied" | "limited")[]} */
const DECISIONS = ["allowed", "denied", "limited"];
const FLASH = 1200;

/** @typedef {Pick<CapabilityRow, "allowed" | "denied" | "limited">} Counts */

export class Decisions {
  /** @param {Counts} counts */
  constructor(counts) {
    this.denied = counts.denied;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.flashing = undefined;
    this.counts = {
      allowed: element("span"),
      denied: element("span", { class: "jd-bad" }),
      limited: element("span"),
    };
    this.node = element("span", { class: "jd-counters" }, ...DECISIONS.map((kind) => this.counts[kind]));
  }

  /**
   * @param {Counts} counts
   * @param {HTMLElement} row What flashes.
   */
  draw(counts, row) {
    for (const kind of DECISIONS)
      setText(this.counts[kind], counts[kind] || kind !== "limited" ? `${grouped(counts[kind])} ${kind}` : "");
    this.counts.denied.classList.toggle("jd-zero", !counts.denied);
    if (counts.denied > this.denied) this.flash(row);
    this.denied = counts.denied;
  }

  /** @param {HTMLElement} row */
  flash(row) {
    const { classList } = row;
    classList.remove("jd-flash");
    void row.offsetWidth; // starts the animation again
    classList.add("jd-flash");
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => classList.remove("jd-flash"), FLASH);
  }
}
