// The plugins of a runtime, a row each that follows it; its button shows the plugin below.

import { element, KeyedList, setAttribute, setText } from "../dom.js";
import { grouped } from "../formatting.js";

/** @import { Choice, State } from "../messages.d.ts" */
/** @import { Asking } from "./asking.js" */

class PluginRow {
  /**
   * @param {Asking} panel
   * @param {string} name
   */
  constructor(panel, name) {
    this.panel = panel;
    this.button = element(
      "button",
      {
        type: "button",
        class: "jd-button jd-name",
        "aria-pressed": "false",
        onclick: () => panel.ask("choose", { op: "choose", plugin: name }),
      },
      name,
    );
    this.state = element("td");
    this.running = element("td");
    this.last = element("td", { class: "jd-text" });
    const head = element("th", { scope: "row" }, this.button);
    this.node = element("tr", { "data-plugin": name }, head, this.state, this.running, this.last);
  }

  /**
   * @param {Choice} choice
   * @param {string} shown
   */
  draw(choice, shown) {
    const asked = this.panel.pending.of("choose")?.operation;
    setAttribute(this.button, "aria-pressed", choice.name === shown);
    setAttribute(this.button, "aria-busy", asked?.op === "choose" && asked.plugin === choice.name);
    setText(this.state, choice.state);
    setText(this.running, runningText(choice));
    setText(this.last, choice.last || "none yet");
    this.last.classList.toggle("jd-bad", !choice.ok);
  }
}

export class Plugins {
  /** @param {Asking} panel */
  constructor(panel) {
    this.shown = "";
    /** @type {KeyedList<Choice, PluginRow>} */
    this.list = new KeyedList(
      element("tbody"),
      ({ name }) => name,
      ({ name }) => new PluginRow(panel, name),
      (row, choice) => row.draw(choice, this.shown),
    );
    const heads = ["Plugin", "State", "Running", "Last call"].map((name) => element("th", { scope: "col" }, name));
    const head = element("thead", {}, element("tr", {}, ...heads));
    const table = element("table", { class: "jd-table", "aria-label": "Plugins" }, head, this.list.node);
    this.node = element("div", { class: "jd-plugins", hidden: true }, table);
  }

  /** @param {State} state */
  render(state) {
    this.shown = state.plugin;
    this.node.hidden = !state.choices?.length;
    this.list.render(state.choices ?? []);
  }
}

/** @param {Choice} choice */
export function runningText({ running, waiting }) {
  if (!running) return "–";
  return waiting ? `${grouped(running)}, ${grouped(waiting)} of them waiting` : grouped(running);
}
