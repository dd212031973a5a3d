// The calls of a plugin that run or wait, each with what it has used and a button that ends it.

import { element, KeyedList, setAttribute, setText } from "../dom.js";
import { counted, grouped } from "../formatting.js";

/** @import { RunningRow, State } from "../messages.d.ts" */
/** @import { Asking } from "./asking.js" */

class RunningCall {
  /**
   * @param {Asking} panel
   * @param {RunningRow} row
   */
  constructor(panel, row) {
    this.panel = panel;
    const { call } = row;
    this.cost = element("span", { class: "jd-cost" });
    this.cancel = element(
      "button",
      {
        type: "button",
        class: "jd-button",
        "data-cancel": call,
        "aria-label": `Cancel call ${call}`,
        onclick: () => panel.ask(`cancel ${call}`, { op: "cancel", call }),
      },
      "Cancel",
    );
    this.node = element(
      "li",
      { class: "jd-running" },
      element("span", { class: "jd-name" }, row.function),
      element("span", { class: "jd-muted" }, `call ${call} · ${row.origin}`),
      this.cost,
      this.cancel,
    );
  }

  /** @param {RunningRow} row */
  draw(row) {
    const parts = row.waiting ? [`waits since ${row.elapsed}`] : [row.elapsed, row.cpu && `${row.cpu} cpu`, row.memory];
    const denied = row.denied ? `, ${grouped(row.denied)} denied` : "";
    const calls = row.host_calls ? `${counted(row.host_calls, "host call")}${denied}` : "";
    setText(this.cost, [...parts, calls, row.ending && "ending"].filter(Boolean).join(" · "));
    setAttribute(this.cancel, "aria-busy", Boolean(this.panel.pending.of(`cancel ${row.call}`)));
  }
}

export class Running {
  /** @param {Asking} panel */
  constructor(panel) {
    /** @type {KeyedList<RunningRow, RunningCall>} */
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Running calls" }),
      (row) => row.call,
      (row) => new RunningCall(panel, row),
      (call, row) => call.draw(row),
    );
    this.empty = element("p", { class: "jd-muted" }, "No call is running.");
    this.node = element("div", {}, this.list.node, this.empty);
  }

  /** @param {State} state */
  render(state) {
    this.list.render(state.running);
    this.empty.hidden = state.running.length > 0;
  }
}
