// The form that makes a call, once or again and again, and what came of the last one.

import { element, setAttribute, setText } from "../dom.js";
import { counted, grouped } from "../formatting.js";
import { Field, WrongLine } from "./fields.js";

/** @import { Answer, Field as PayloadField, FunctionRow, MakeCall, State } from "../messages.d.ts" */
/** @import { Asking } from "./asking.js" */

const MOST_MILLISECONDS = 3600000;

export class CallForm {
  /** @param {Asking} panel */
  constructor(panel) {
    this.panel = panel;
    this.names = "";
    this.sample = "";
    this.repeating = "";
    /** @type {FunctionRow[]} */
    this.functions = [];
    const onkeydown = (/** @type {KeyboardEvent} */ event) => this.key(event);
    this.choice = element("select", {
      class: "jd-field",
      "aria-label": "Function to call",
      onchange: () => this.suggest(),
      onkeydown,
    });
    const payload = element("textarea", {
      class: "jd-field jd-code",
      rows: 3,
      spellcheck: "false",
      placeholder: "JSON, or nothing",
      "aria-label": "Payload, as JSON",
      onkeydown,
    });
    this.milliseconds = element("input", {
      type: "number",
      class: "jd-field jd-number",
      min: 1,
      max: MOST_MILLISECONDS,
      value: 500,
      "aria-label": "Milliseconds from one call to the next",
    });
    this.payload = new Field(payload, new WrongLine(), (kind) => kind === "InvalidPayload");
    this.every = new Field(this.milliseconds, new WrongLine());
    this.about = element("p", { class: "jd-muted" });
    this.fields = element("table", { class: "jd-table jd-fields", "aria-label": "Fields of the payload" });
    this.run = element(
      "button",
      { type: "button", class: "jd-button jd-primary", "data-run": "once", onclick: () => this.call(null) },
      "Run",
    );
    this.again = element(
      "button",
      { type: "button", class: "jd-button", "data-run": "repeat", onclick: () => this.repeat() },
      "Run every",
    );
    this.cost = element("div", { class: "jd-muted" });
    this.answer = element("pre", {
      class: "jd-answer",
      "data-answer": true,
      tabindex: "0",
      role: "group",
      "aria-label": "Answer",
    });
    this.none = element("p", { class: "jd-muted" }, "It has no function that takes JSON.");
    const often = element("label", { class: "jd-none" }, this.milliseconds, "ms");
    this.form = element(
      "div",
      { class: "jd-form" },
      element("div", { class: "jd-line" }, this.choice, this.run, this.again, often),
      this.every.wrong.node,
      this.about,
      payload,
      this.payload.wrong.node,
      this.fields,
    );
    this.node = element("div", {}, this.form, this.none, this.cost, this.answer);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.call(null);
  }

  /** Offers a payload with the fields that the function needs, unless the user has written one. */
  suggest() {
    const found = this.functions.find(({ name }) => name === this.choice.value);
    const { sample = "", about = "", fields = [] } = found ?? {};
    const { input } = this.payload;
    this.payload.clear();
    setText(this.about, about);
    this.about.hidden = !about;
    this.fields.hidden = !fields.length;
    this.fields.replaceChildren(element("tbody", {}, ...fields.map(fieldRow)));
    if (!input.value.trim() || input.value === this.sample) input.value = sample;
    this.sample = sample;
  }

  /** @param {number | null} every */
  call(every) {
    /** @type {Pick<MakeCall, "op" | "function" | "payload" | "every_ms">} */
    const wish = { op: "call", function: this.choice.value, payload: this.payload.input.value };
    if (every !== null) wish.every_ms = every;
    this.panel.ask("call", wish, this.payload);
  }

  repeat() {
    if (this.repeating) this.panel.ask("call", { op: "stop" });
    else this.callEvery(this.milliseconds.valueAsNumber);
  }

  /** @param {number} milliseconds */
  callEvery(milliseconds) {
    if (milliseconds >= 1 && milliseconds <= MOST_MILLISECONDS) {
      this.every.clear();
      this.call(milliseconds);
    } else {
      this.panel.explainBeside(this.every, `A number of milliseconds from 1 to ${grouped(MOST_MILLISECONDS)}.`);
    }
  }

  /** @param {State} state */
  render(state) {
    const names = JSON.stringify(state.functions);
    if (names !== this.names) {
      this.names = names;
      this.offer(state.functions);
    }
    this.form.hidden = !state.functions.length;
    this.none.hidden = state.functions.length > 0;
    this.repeating = state.repeating;
    const busy = Boolean(this.panel.pending.of("call"));
    for (const button of [this.run, this.again]) setAttribute(button, "aria-busy", busy);
    setText(this.again, state.repeating ? "Stop" : "Run every");
    setText(this.cost, costText(state.answer, state.repeating));
    this.answer.hidden = !state.answer;
    setText(this.answer, state.answer ? state.answer.text : "");
    this.answer.classList.toggle("jd-failed", Boolean(state.answer && !state.answer.ok));
  }

  /** @param {FunctionRow[]} functions */
  offer(functions) {
    const chosen = this.choice.value;
    this.functions = functions;
    this.choice.replaceChildren(...functions.map(({ name, label }) => element("option", { value: name }, label)));
    if (functions.some(({ name }) => name === chosen)) this.choice.value = chosen;
    this.suggest();
  }
}

/** @param {PayloadField} field */
function fieldRow({ name, needed, kind, about }) {
  const what = element("td", { class: "jd-text" }, kind, about && element("span", { class: "jd-about" }, about));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    element("td", {}, needed ? "needed" : "optional"),
    what,
  );
}

/**
 * What the last call cost, and how many were made before it.
 *
 * @param {Answer | null} answer
 * @param {string} repeating
 */
export function costText(answer, repeating) {
  const many = answer && (answer.made > 1 || repeating);
  const times = many ? `${counted(answer.made, "call")}, ${grouped(answer.failed)} failed · last: ` : "";
  return [repeating, answer ? times + answer.cost : ""].filter(Boolean).join(" · ");
}
