// Buttons that show what is pending, and ask back before they widen; and the switch.

import { element, setAttribute, setText } from "../dom.js";

const ARMED_FOR = 6000;
const DOUBLE_CLICK = 500;

export class Button {
  /**
   * @param {string} label
   * @param {{ [name: string]: string }} attributes
   * @param {() => void} act
   */
  constructor(label, attributes, act) {
    this.label = label;
    this.act = act;
    this.node = element(
      "button",
      {
        type: "button",
        class: "jd-button",
        ...attributes,
        onclick: (/** @type {MouseEvent} */ event) => this.click(event),
      },
      label,
    );
  }

  /** @param {MouseEvent} _event */
  click(_event) {
    this.act();
  }

  get text() {
    return this.label;
  }

  draw(busy = false) {
    setText(this.node, this.text);
    setAttribute(this.node, "aria-busy", busy);
  }
}

/** Asks back: the second click acts, if it is no double click and no key held down. */
export class AskingButton extends Button {
  /**
   * @param {string} label
   * @param {string} question
   * @param {{ [name: string]: string }} attributes
   * @param {() => void} act
   * @param {() => boolean} needed Whether it has to ask back now.
   */
  constructor(label, question, attributes, act, needed = () => true) {
    super(label, attributes, act);
    this.question = question;
    this.needed = needed;
    this.armedAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.calming = undefined;
    this.node.addEventListener("blur", () => this.calm());
    this.node.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
  }

  calm() {
    clearTimeout(this.calming);
    this.armedAt = 0;
    this.draw();
  }

  /**
   * @override
   * @param {MouseEvent} event
   */
  click(event) {
    // A page that was busy sees the second click of a double click late; the browser's count tells it all the same.
    const inOneGo = event.detail > 1 || performance.now() - this.armedAt <= DOUBLE_CLICK;
    if (this.needed() && !this.armedAt) {
      this.armedAt = performance.now();
      this.calming = setTimeout(() => this.calm(), ARMED_FOR);
      this.draw();
    } else if (!this.needed() || !inOneGo) {
      this.calm();
      this.act();
    }
  }

  /** @override */
  get text() {
    return this.armedAt ? this.question : this.label;
  }

  /** @override */
  draw(busy = false) {
    this.node.classList.toggle("jd-armed", Boolean(this.armedAt));
    super.draw(busy);
  }
}

/**
 * A switch. It shows what `drawSwitch` is told, and never what was clicked.
 *
 * @param {string} label
 * @param {() => void} onclick
 * @param {{ [name: string]: string | boolean }} attributes
 */
export function makeSwitch(label, onclick, attributes = {}) {
  const knob = element("span", { class: "jd-knob", "aria-hidden": "true" });
  return element(
    "button",
    {
      type: "button",
      role: "switch",
      class: "jd-switch",
      "aria-label": label,
      "aria-checked": "false",
      ...attributes,
      onclick,
    },
    knob,
  );
}

/**
 * @param {HTMLElement} node
 * @param {boolean} on
 * @param {boolean} busy
 */
export function drawSwitch(node, on, busy) {
  setAttribute(node, "aria-checked", on);
  setAttribute(node, "aria-busy", busy);
}
