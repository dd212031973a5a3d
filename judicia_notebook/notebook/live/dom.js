// Elements of the pages: made, changed only where they differ, and kept in lists.
//
// Texts may come from a guest. They enter the page as text nodes, values and attributes, never as HTML.

/** @typedef {string | number | boolean | null | undefined | ((event: any) => void)} Attribute */

const TAKES_KEYS = new Set(["button", "input", "select", "textarea"]);

let numbers = 0;

/**
 * A name that no other view, page or kernel has.
 *
 * @param {string} prefix
 */
export const unique = (prefix) =>
  `${prefix}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}-${++numbers}`;

/**
 * An element with attributes, listeners (`on...`) and children; strings become text nodes.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{ [name: string]: Attribute }} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  // JupyterLab takes arrow keys and Enter for its own, unless what has the focus says that it wants them.
  if (TAKES_KEYS.has(tag) || "tabindex" in attributes) made.setAttribute("data-lm-suppress-shortcuts", "");
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string | number | boolean} value
 */
export function setAttribute(node, name, value) {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/**
 * Names a widget after what it shows; a second one of the same name on the page has a number as well.
 *
 * @param {HTMLElement} root
 * @param {string} name
 */
export function nameWidget(root, name) {
  if (root.dataset.called === name) return;
  /** @type {NodeListOf<HTMLElement>} */
  const widgets = document.querySelectorAll("[data-judicia]");
  const others = [...widgets].filter((widget) => widget !== root && widget.dataset.called === name);
  const taken = new Set(others.map((widget) => Number(widget.dataset.number)));
  let number = 1;
  while (taken.has(number)) number += 1;
  root.dataset.called = name;
  root.dataset.number = String(number);
  setAttribute(root, "aria-label", number === 1 ? name : `${name} (${number})`);
}

/**
 * Whether the page around us is dark: its text is light then, whatever the theme is called.
 *
 * @param {Element} node
 */
export function isDark(node) {
  const [red = 0, green = 0, blue = 0] = (getComputedStyle(node).color.match(/[\d.]+/g) || []).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}

/**
 * A list with one child a key, in order; only what has to be is made, moved and removed.
 *
 * @template Row
 * @template {{ node: HTMLElement }} Entry
 */
export class KeyedList {
  /**
   * @param {HTMLElement} node
   * @param {(row: Row) => string | number} keyOf
   * @param {(row: Row) => Entry} make
   * @param {(entry: Entry, row: Row) => void} draw
   */
  constructor(node, keyOf, make, draw) {
    this.node = node;
    this.keyOf = keyOf;
    this.make = make;
    this.draw = draw;
    /** @type {Map<string | number, Entry>} */
    this.entries = new Map();
  }

  /** @param {Row[]} rows */
  render(rows) {
    const left = this.entries;
    this.entries = new Map();
    /** @type {HTMLElement | null} */
    let previous = null;
    for (const row of rows) {
      const key = this.keyOf(row);
      const entry = left.get(key) ?? this.make(row);
      left.delete(key);
      this.entries.set(key, entry);
      /** @type {ChildNode | null} */
      const place = previous ? previous.nextSibling : this.node.firstChild;
      if (entry.node !== place) this.node.insertBefore(entry.node, place);
      this.draw(entry, row);
      previous = entry.node;
    }
    for (const entry of left.values()) entry.node.remove();
  }
}
