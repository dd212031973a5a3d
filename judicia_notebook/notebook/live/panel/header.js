// The head of the panel: which plugin it is, how it fares, what a denial does, and what can be taken back.

import { element, setAttribute, setText } from "../dom.js";
import { counted, grouped } from "../formatting.js";
import { drawSwitch, makeSwitch } from "./buttons.js";

/** @import { State } from "../messages.d.ts" */
/** @import { Asking } from "./asking.js" */

export class Header {
  /**
   * @param {Asking} panel
   * @param {(...children: Node[]) => HTMLElement} changing Makes a fieldset for controls that change something.
   */
  constructor(panel, changing) {
    this.panel = panel;
    /** @type {State | null} */
    this.state = null;
    this.title = element("h2", { class: "jd-title" });
    this.status = element("div", { class: "jd-status", "data-status": true });
    this.onDenied = makeSwitch("A denial ends the call", () => this.turnOnDenied(), { "data-on-denied": true });
    this.undo = element(
      "button",
      { type: "button", class: "jd-button", "data-undo": true, onclick: () => this.takeBack() },
      "Undo",
    );
    const denial = element(
      "span",
      { class: "jd-pair", title: "Off: a denied host call is answered with an error value. On: it ends the call." },
      this.onDenied,
      element("span", { "aria-hidden": "true" }, "denial ends the call"),
    );
    const controls = changing(element("div", { class: "jd-group" }, denial, this.undo));
    this.node = element("div", { class: "jd-header" }, this.title, this.status, controls);
  }

  turnOnDenied() {
    const operation = this.panel.pending.of("on_denied")?.operation;
    const wanted = operation?.op === "on_denied" ? operation.value : this.state?.on_denied;
    this.panel.ask("on_denied", { op: "on_denied", value: wanted === "trap" ? "error" : "trap" });
  }

  /** Takes back the step that the button names, once. */
  takeBack() {
    if (!this.panel.pending.of("undo")) this.panel.ask("undo", { op: "undo", step: this.state?.undo_step });
  }

  /** @param {State} state */
  render(state) {
    const { pending } = this.panel;
    this.state = state;
    setText(this.title, state.plugin || "No plugin is loaded");
    setText(this.status, statusText(state));
    this.status.classList.toggle("jd-bad", state.state === "unloaded");
    this.status.title = state.plugin ? `${state.about} sha256 ${state.digest}, ${state.abi}` : "";
    drawSwitch(this.onDenied, state.on_denied === "trap", Boolean(pending.of("on_denied")));
    this.undo.disabled = !state.undo;
    this.undo.title = state.undo ? `Take back: ${state.undo}` : "Nothing to take back";
    setAttribute(this.undo, "aria-busy", Boolean(pending.of("undo")));
  }
}

/**
 * How a plugin fares, in a line.
 *
 * @param {State} state
 */
export function statusText(state) {
  if (!state.plugin) return "%plugin load example:checker";
  const facts = [
    state.version,
    state.state,
    counted(state.calls_made, "call"),
    state.calls_failed && `${grouped(state.calls_failed)} failed`,
    state.denied && `${counted(state.denied, "host call")} denied`,
    state.waiting && `${grouped(state.waiting)} waiting`,
  ];
  return facts.filter(Boolean).join(" · ");
}
