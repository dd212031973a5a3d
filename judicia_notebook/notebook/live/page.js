// What the pages of all live widgets share: making and changing elements, and operations that wait for the kernel.
// The files of a page are joined to one module by the kernel; this one comes first.
//
// Texts may come from a guest. They enter the page as text nodes, values and attributes, never as HTML.

const TAKES_KEYS = new Set(["button", "input", "select", "textarea"]);

let numbers = 0;
const unique = (prefix) =>
  `${prefix}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}-${++numbers}`;

/** An element with attributes, listeners (`on...`) and children; strings become text nodes. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  // JupyterLab takes arrow keys and Enter for its own, unless what has the focus says that it wants them.
  if (TAKES_KEYS.has(tag) || "tabindex" in attributes) made.setAttribute("data-lm-suppress-shortcuts", "");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

/** A count with its noun. */
const counted = (number, noun) => `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Names a widget after what it shows; a second one of the same name on the page has a number as well. */
function nameWidget(root, name) {
  if (root.dataset.called === name) return;
  const others = [...document.querySelectorAll("[data-judicia]")].filter((one) => one !== root && one.dataset.called === name);
  const taken = new Set(others.map((one) => Number(one.dataset.number)));
  let number = 1;
  while (taken.has(number)) number += 1;
  root.dataset.called = name;
  root.dataset.number = number;
  setAttribute(root, "aria-label", number === 1 ? name : `${name} (${number})`);
}

/** Keeps one child a key in a list, in order, making and removing only what has to be. */
function reconcile(list, rows, keyOf, make, draw) {
  const there = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let previous = null;
  for (const row of rows) {
    const key = String(keyOf(row));
    let child = there.get(key);
    if (!child) {
      child = make(row);
      child.dataset.key = key;
    }
    there.delete(key);
    const place = previous ? previous.nextSibling : list.firstChild;
    if (child !== place) list.insertBefore(child, place);
    draw(child, row);
    previous = child;
  }
  for (const child of there.values()) child.remove();
}

// Operations that wait for the kernel ------------------------------------------------------------------------------

class Pending {
  constructor(send, changed) {
    this.send = send;
    this.changed = changed;
    this.waiting = new Map();
    this.prefix = unique("do");
    this.count = 0;
  }

  /** Ask the kernel for something; `control` is what shows it as pending. */
  ask(control, operation, where = null) {
    const id = `${this.prefix}-${++this.count}`;
    this.waiting.set(id, { control, operation, where, since: performance.now(), revision: null });
    this.send({ type: "do", id, ...operation });
    this.changed();
  }

  /** The last operation a control waits for, if any. */
  of(control) {
    let found = null;
    for (const one of this.waiting.values()) if (one.control === control) found = one;
    return found;
  }

  done(id, revision) {
    const one = this.waiting.get(id);
    if (one) one.revision = revision;
    return one;
  }

  refused(id) {
    const one = this.waiting.get(id);
    this.waiting.delete(id);
    return one;
  }

  drawn(revision) {
    for (const [id, one] of this.waiting)
      if (one.revision !== null && one.revision <= revision) this.waiting.delete(id);
  }

  /** Milliseconds for which the oldest one has waited. */
  get oldest() {
    let since = performance.now();
    for (const one of this.waiting.values()) since = Math.min(since, one.since);
    return performance.now() - since;
  }
}

// What was refused, beside its control -----------------------------------------------------------------------------

/** The line that says why something beside it was refused. */
function wrongLine() {
  const line = element("p", { class: "jd-error jd-wrong", "data-error": true, role: "alert", id: unique("wrong") });
  line.said = element("span");
  line.holds = element("span");
  line.append(line.said, " ", line.holds);
  line.hidden = true;
  return line;
}

/** Lets a field know its line. `blamed` says which kinds of errors are the field's own. */
function besideField(field, line, blamed = () => true) {
  field.wrong = line;
  field.blamed = blamed;
  field.setAttribute("aria-describedby", line.id);
}

/** Marks what stands in a field as wrong. It is kept until it is changed, put back, or comes to hold. */
function markWrong(field) {
  field.refused = true;
  field.setAttribute("aria-invalid", "true");
}

function clearWrong(where) {
  if (where.refused) where.removeAttribute("aria-invalid");
  where.refused = false;
  where.wrong.hidden = true;
  setText(where.wrong.said, "");
  setText(where.wrong.holds, "");
}

// Theme --------------------------------------------------------------------------------------------------------------

/** Whether the page around us is dark: its text is light then, whatever the theme is called. */
function isDark(node) {
  const [red, green, blue] = (getComputedStyle(node).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}
