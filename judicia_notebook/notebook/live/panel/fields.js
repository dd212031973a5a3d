// Text fields that show what holds, and the line beside a control that says why it was refused.
//
// Nothing widens by the way: an empty field puts its old text back, and one that is left without Enter only narrows.

import { element, setAttribute, setText, unique } from "../dom.js";

/**
 * Where a refusal is said: a field, or the line of a row for a control of it that holds no text. `seen` is the version
 * of the policy that was drawn when the control was touched, if that was earlier.
 *
 * @typedef {Field | { wrong: WrongLine, seen?: number }} Where
 */

/** The line that says why something beside it was refused. */
export class WrongLine {
  constructor() {
    this.node = element("p", { class: "jd-error jd-wrong", "data-error": true, role: "alert", id: unique("wrong") });
    this.said = element("span");
    this.holds = element("span");
    this.node.append(this.said, " ", this.holds);
    this.node.hidden = true;
  }

  /** @param {string} text */
  say(text) {
    setText(this.said, text);
    setText(this.holds, "");
    this.node.hidden = false;
  }

  clear() {
    this.node.hidden = true;
    setText(this.said, "");
    setText(this.holds, "");
  }
}

/** A field, what was typed into it, and what the kernel says holds. */
export class Field {
  /**
   * @param {HTMLInputElement | HTMLTextAreaElement} input
   * @param {WrongLine} wrong
   * @param {(kind: string) => boolean} blamed Which kinds of errors are the field's own.
   * @param {() => void} act Has what was typed take effect.
   */
  constructor(input, wrong, blamed = () => true, act = () => {}) {
    this.input = input;
    this.wrong = wrong;
    this.blamed = blamed;
    this.act = act;
    this.confirmed = "";
    /** @type {number | undefined} */
    this.seen = undefined;
    this.refused = false; // what stands in it is wrong, and is kept until it is changed, put back, or comes to hold
    this.draft = false; // what stands in it waits for a switch
    this.entered = false; // Enter is being pressed
    this.tried = false;
    input.setAttribute("aria-describedby", wrong.node.id);
  }

  /** The field was left, or Enter was pressed in it. */
  apply() {
    this.tried = true;
    this.act();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter") {
      this.entered = true;
      this.tried = false;
      this.input.blur(); // outside a form, Enter alone makes no change event
      if (this.refused && !this.tried) this.act(); // a refused value is tried again, though the user has not changed it
      this.entered = false;
    }
    if (event.key === "Escape") {
      this.putBack();
      this.input.blur();
    }
  }

  /**
   * Shows what holds, unless the user is typing in it or the kernel has not answered yet.
   *
   * @param {string} text
   * @param {boolean} waiting
   * @param {number} version
   */
  show(text, waiting, version) {
    const { input } = this;
    setAttribute(input, "aria-busy", waiting);
    if (waiting) return;
    if (input.value !== this.confirmed && input.ownerDocument.activeElement === input) return;
    this.seen = version;
    this.confirmed = text;
    if (this.refused) setText(this.wrong.holds, `What holds: ${text || "nothing"}.`);
    else if (input.value !== text) input.value = text;
  }

  /** What was typed; null where that is nothing or nothing new, and the old text is back then. */
  typed() {
    const text = this.input.value.trim();
    if (text && text !== this.confirmed) return text;
    this.input.value = this.confirmed;
    this.clear();
    return null;
  }

  /** What holds stands in the field again. */
  putBack() {
    this.input.value = this.confirmed;
    this.draft = false;
    this.clear();
  }

  mark() {
    this.refused = true;
    this.input.setAttribute("aria-invalid", "true");
  }

  clear() {
    if (this.refused) this.input.removeAttribute("aria-invalid");
    this.refused = false;
    this.wrong.clear();
  }
}

/** @param {Where} where */
export const clearWrong = (where) => (where instanceof Field ? where.clear() : where.wrong.clear());
