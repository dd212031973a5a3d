// The quotas of a plugin: a slider and a field each, and how much of the limit is used.
//
// "none" is a word to type or a box to tick; no number and no empty field takes a limit away.

import { element, KeyedList, setAttribute, setText, unique } from "../dom.js";
import { Field, WrongLine } from "./fields.js";
import { amount, dragged, place } from "./slider.js";

/** @import { QuotaRow, State } from "../messages.d.ts" */
/** @import { Asking } from "./asking.js" */
/** @import { Where } from "./fields.js" */

const DRAG_EVERY = 120;

class Quota {
  /**
   * @param {Asking} panel
   * @param {QuotaRow} row
   */
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    /** @type {number | null} */
    this.limit = null; // comes back when "none" is no longer ticked
    this.dragging = "";
    /** @type {number | undefined} */
    this.seen = undefined;
    this.sentAt = 0;
    this.wrong = new WrongLine();
    const input = element("input", {
      type: "text",
      class: "jd-field jd-number",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `${row.label} limit`,
      onchange: () => this.field.apply(),
      onkeydown: (event) => this.field.key(event),
    });
    this.field = new Field(input, this.wrong, undefined, () => this.type());
    this.slider = element("input", {
      type: "range",
      class: "jd-slider",
      min: 0,
      max: 100,
      step: "any",
      "aria-label": `${row.label} limit, logarithmic`,
      oninput: () => this.drag(),
      onchange: () => this.drop(),
    });
    this.none = element("input", {
      type: "checkbox",
      "aria-label": `${row.label}: no limit of its own`,
      onclick: (event) => {
        event.preventDefault();
        this.change(this.row.value === null ? (this.limit ?? this.row.most) : "none");
      },
    });
    this.noneLabel = element("label", { class: "jd-none" }, this.none, "none");
    this.asks = element("button", { type: "button", class: "jd-link", onclick: () => this.change(this.row.asks) });
    this.use = element("span", { class: "jd-use" });
    this.fill = element("span", { class: "jd-fill" });
    this.track = element("span", { class: "jd-track", "aria-hidden": "true" }, this.fill);
    this.ceiling = element("span", { class: "jd-ceiling" });
    const label = element("span", { class: "jd-name", title: row.about }, row.label);
    this.node = element(
      "li",
      { class: "jd-quota", "data-quota": row.kind },
      element("div", { class: "jd-line" }, label, this.use, this.asks),
      this.track,
      element("div", { class: "jd-bar" }, this.slider),
      element("div", { class: "jd-exact" }, input, this.noneLabel),
      this.ceiling,
      this.wrong.node,
    );
  }

  /** @param {QuotaRow} row */
  draw(row) {
    this.row = row;
    const waiting = Boolean(this.panel.pending.of(`quota ${row.kind}`));
    setAttribute(this.node, "aria-busy", waiting);
    if (row.value !== null) this.limit = row.value;
    this.field.show(row.text, waiting, this.panel.version);
    this.drawSlider(row, waiting);
    this.noneLabel.hidden = !row.may_be_none;
    this.none.checked = row.value === null;
    setAttribute(this.none, "aria-busy", waiting);
    this.asks.hidden = !row.asks;
    setText(this.asks, row.asks ? `asks for ${row.asks}` : "");
    this.asks.title = "Its manifest asks for this. Click to allow it.";
    this.drawUse(row);
    setText(this.ceiling, row.ceiling ? `ceiling ${row.ceiling}` : "no ceiling");
  }

  /**
   * @param {QuotaRow} row
   * @param {boolean} waiting
   */
  drawSlider(row, waiting) {
    const { slider } = this;
    if (!waiting && !this.dragging) slider.value = String(row.value === null ? 100 : place(row, row.value));
    setAttribute(slider, "aria-busy", waiting);
    const ceiling = row.ceiling ? `; ceiling ${row.ceiling}` : "";
    setAttribute(slider, "aria-valuetext", row.value === null ? `no limit of its own${ceiling}` : row.text);
    this.node.classList.toggle("jd-unlimited", row.value === null);
  }

  /** @param {QuotaRow} row */
  drawUse(row) {
    this.track.classList.toggle("jd-endless", row.share === null);
    this.track.title = row.share === null ? "" : `Of ${row.of}, to scale from nothing`;
    this.fill.style.width = `${100 * (row.share || 0)}%`;
    this.node.classList.toggle("jd-over", row.over);
    if (this.dragging) return;
    const when = `${row.over ? "▲ " : ""}${row.live ? "now" : "last call"}`;
    setText(this.use, row.used === null ? "" : `${when} ${row.used_text}${row.of && ` of ${row.of}`}`);
  }

  drag() {
    const now = performance.now();
    if (!this.dragging) this.seen = this.panel.version;
    this.dragging ||= unique("drag");
    const value = dragged(this.row, Number(this.slider.value));
    setText(this.use, `to ${amount(this.row, value)}`);
    if (now - this.sentAt < DRAG_EVERY) return;
    this.sentAt = now;
    this.change(value, this.dragging, { wrong: this.wrong, seen: this.seen });
  }

  drop() {
    const drag = this.dragging;
    this.dragging = "";
    const seen = drag ? this.seen : this.panel.version;
    this.change(dragged(this.row, Number(this.slider.value)), drag, { wrong: this.wrong, seen });
  }

  type() {
    const typed = this.field.typed();
    if (typed !== null) this.change(typed, "", this.field, !this.field.entered);
  }

  /**
   * @param {number | string} value
   * @param {string} drag
   * @param {Where} where
   * @param {boolean} narrowing
   */
  change(value, drag = "", where = { wrong: this.wrong }, narrowing = false) {
    if (typeof value === "number" && !Number.isFinite(value)) return; // would be sent as null
    const { kind } = this.row;
    this.panel.ask(`quota ${kind}`, { op: "set_quota", kind, value, drag, narrowing }, where);
  }
}

export class Quotas {
  /** @param {Asking} panel */
  constructor(panel) {
    this.plugin = "";
    /** @type {KeyedList<QuotaRow, Quota>} */
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Quotas" }),
      (row) => `${this.plugin} ${row.kind}`,
      (row) => new Quota(panel, row),
      (quota, row) => quota.draw(row),
    );
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "Quotas" },
      element("div", { class: "jd-heading" }, element("h3", {}, "Quotas")),
      this.list.node,
    );
  }

  /** @param {State} state */
  render(state) {
    this.plugin = state.plugin;
    this.list.render(state.quotas);
  }
}
