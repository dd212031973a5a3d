// Tabs as the ARIA practices have them: arrows, Home and End move among them, and one pane is shown.

import { element, setAttribute, unique } from "../dom.js";

/** @typedef {{ name: string, label: string, node: HTMLElement }} Tab */

export class Tabs {
  /** @param {Tab[]} tabs */
  constructor(tabs) {
    this.names = tabs.map(({ name }) => name);
    /** @type {{ [name: string]: HTMLButtonElement }} */
    this.buttons = {};
    /** @type {{ [name: string]: HTMLElement }} */
    this.panes = {};
    for (const { name, label, node } of tabs) {
      const [id, pane] = [unique("tab"), unique("pane")];
      this.buttons[name] = element(
        "button",
        {
          type: "button",
          role: "tab",
          id,
          "aria-controls": pane,
          class: "jd-tab",
          onclick: () => this.show(name),
          onkeydown: (event) => this.key(event, name),
        },
        label,
      );
      this.panes[name] = element("div", { role: "tabpanel", id: pane, "aria-labelledby": id, class: "jd-pane" }, node);
    }
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "What it does and did" },
      element("div", { role: "tablist", class: "jd-tabs", "aria-label": "Views" }, ...Object.values(this.buttons)),
      ...Object.values(this.panes),
    );
  }

  /**
   * @param {KeyboardEvent} event
   * @param {string} name
   */
  key(event, name) {
    const next = nextTab(this.names, name, event.key);
    if (next === null) return;
    event.preventDefault();
    this.show(next);
    this.buttons[next].focus();
  }

  /** @param {string} shown */
  show(shown) {
    for (const name of this.names) {
      setAttribute(this.buttons[name], "aria-selected", name === shown);
      this.buttons[name].tabIndex = name === shown ? 0 : -1;
      this.panes[name].hidden = name !== shown;
    }
  }
}

/**
 * The tab that a key leads to; null for a key that leads nowhere.
 *
 * @param {string[]} names
 * @param {string} name
 * @param {string} key
 */
export function nextTab(names, name, key) {
  const at = names.indexOf(name);
  /** @type {{ [key: string]: number }} */
  const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 };
  return Object.hasOwn(steps, key) ? names[(steps[key] + names.length) % names.length] : null;
}
