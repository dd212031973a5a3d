// Made by `make pages` from the modules named below. Change those, not this.

// judicia_notebook/notebook/live/dom.js
var TAKES_KEYS = /* @__PURE__ */ new Set(["button", "input", "select", "textarea"]);
var numbers = 0;
var unique = (prefix) => `${prefix}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}-${++numbers}`;
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (TAKES_KEYS.has(tag) || "tabindex" in attributes) made.setAttribute("data-lm-suppress-shortcuts", "");
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== void 0) made.setAttribute(name, String(value));
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
function nameWidget(root, name) {
  if (root.dataset.called === name) return;
  const widgets = document.querySelectorAll("[data-judicia]");
  const others = [...widgets].filter((widget) => widget !== root && widget.dataset.called === name);
  const taken = new Set(others.map((widget) => Number(widget.dataset.number)));
  let number = 1;
  while (taken.has(number)) number += 1;
  root.dataset.called = name;
  root.dataset.number = String(number);
  setAttribute(root, "aria-label", number === 1 ? name : `${name} (${number})`);
}
function isDark(node) {
  const [red = 0, green = 0, blue = 0] = (getComputedStyle(node).color.match(/[\d.]+/g) || []).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}
var KeyedList = class {
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
    this.entries = /* @__PURE__ */ new Map();
  }
  /** @param {Row[]} rows */
  render(rows) {
    const left = this.entries;
    this.entries = /* @__PURE__ */ new Map();
    let previous = null;
    for (const row of rows) {
      const key = this.keyOf(row);
      const entry = left.get(key) ?? this.make(row);
      left.delete(key);
      this.entries.set(key, entry);
      const place2 = previous ? previous.nextSibling : this.node.firstChild;
      if (entry.node !== place2) this.node.insertBefore(entry.node, place2);
      this.draw(entry, row);
      previous = entry.node;
    }
    for (const entry of left.values()) entry.node.remove();
  }
};

// judicia_notebook/notebook/live/pending.js
var Pending = class {
  /**
   * @param {string} prefix Of the ids: those of two views differ.
   * @param {() => number} now Milliseconds.
   */
  constructor(prefix, now) {
    this.prefix = prefix;
    this.now = now;
    this.count = 0;
    this.waiting = /* @__PURE__ */ new Map();
  }
  get size() {
    return this.waiting.size;
  }
  /**
   * Keep an operation; its id.
   *
   * @param {string} control
   * @param {Asked} operation
   * @param {Where | null} where
   */
  add(control, operation, where = null) {
    const id = `${this.prefix}-${++this.count}`;
    this.waiting.set(id, { control, operation, where, since: this.now(), revision: null });
    return id;
  }
  /**
   * The last operation that a control waits for, if any.
   *
   * @param {string} control
   */
  of(control) {
    let found = null;
    for (const waiting of this.waiting.values()) if (waiting.control === control) found = waiting;
    return found;
  }
  /**
   * The kernel has done it, and says in which state it is to be seen.
   *
   * @param {string | number} id
   * @param {number} revision
   */
  done(id, revision) {
    const found = this.waiting.get(id);
    if (found) found.revision = revision;
    return found;
  }
  /** @param {string | number | null} id */
  refused(id) {
    const found = this.waiting.get(id);
    this.waiting.delete(id);
    return found;
  }
  /** @param {number} revision */
  drawn(revision) {
    for (const [id, { revision: wanted }] of this.waiting)
      if (wanted !== null && wanted <= revision) this.waiting.delete(id);
  }
  /** Milliseconds for which the oldest one has waited. */
  get oldest() {
    const now = this.now();
    return Math.max(0, ...[...this.waiting.values()].map(({ since }) => now - since));
  }
  clear() {
    this.waiting.clear();
  }
};

// judicia_notebook/notebook/live/session.js
var ALIVE_EVERY = 5e3;
var SILENCE = 5e3;
var PATIENCE = 500;
var LiveSession = class {
  /**
   * @param {Model} model
   * @param {Page<Where>} page
   * @param {() => number} now Milliseconds.
   */
  constructor(model, page, now = () => performance.now()) {
    this.model = model;
    this.page = page;
    this.now = now;
    this.view = unique("view");
    this.state = null;
    this.revision = 0;
    this.heardAt = now();
    this.gone = false;
    this.pending = new Pending(unique("do"), now);
  }
  /** Whether the kernel can be thought to be there. */
  get connected() {
    return !this.gone && this.now() - this.heardAt < SILENCE;
  }
  /** Whether something has been pending for so long that it needs a word. */
  get late() {
    return this.connected && this.pending.size > 0 && this.pending.oldest > PATIENCE;
  }
  /**
   * Asks the kernel for something; `control` is what shows it as pending.
   *
   * @param {string} control
   * @param {Asked} operation
   * @param {Where | null} where
   */
  ask(control, operation, where = null) {
    const id = this.pending.add(control, operation, where);
    this.#send({ type: "do", id, ...operation });
    this.page.draw();
  }
  /** @param {Said} message */
  hear(message) {
    this.heardAt = this.now();
    this.gone = false;
    this.page.answered?.();
    if ("view" in message && message.view && message.view !== this.view) return;
    this.#take(message);
    this.pending.drawn(this.revision);
    this.page.draw();
  }
  /** @param {Said} message */
  #take(message) {
    if (message.type === "state") {
      if (message.revision <= this.revision) return;
      this.state = JSON.parse(message.state);
      this.revision = message.revision;
    } else if (message.type === "done") {
      const waiting = this.pending.done(message.id, message.revision);
      if (waiting) this.page.done?.(waiting);
    } else if (message.type === "refused") {
      const waiting = this.pending.refused(message.id);
      if (waiting) this.page.refused?.(waiting, message.error);
    } else if (message.type !== "beat") this.page.told?.(message);
  }
  /** The comm is gone: no kernel is left to answer. */
  disconnect() {
    this.gone = true;
    this.pending.clear();
    this.page.draw();
  }
  /**
   * Says hello and listens; what it answers ends all that.
   *
   * @param {number} every Milliseconds from one `tick` to the next.
   * @param {() => void} tick
   * @param {() => boolean} lasts Whether the view still has to say that it is alive.
   */
  start(every, tick, lasts = () => true) {
    const hear = (message) => this.hear(message);
    const lost = () => this.disconnect();
    const alive = () => lasts() && this.#say("alive");
    const seen = () => document.hidden || alive();
    const leave = () => this.#say("bye");
    this.model.on("msg:custom", hear);
    this.model.on("comm_live_update", lost);
    this.model.on("comm:close", lost);
    this.#say("hello");
    const timers = [setInterval(alive, ALIVE_EVERY), setInterval(tick, every)];
    window.addEventListener("pagehide", leave);
    document.addEventListener("visibilitychange", seen);
    return () => {
      for (const timer of timers) clearInterval(timer);
      window.removeEventListener("pagehide", leave);
      document.removeEventListener("visibilitychange", seen);
      leave();
      this.model.off("msg:custom", hear);
      this.model.off("comm_live_update", lost);
      this.model.off("comm:close", lost);
    };
  }
  /** @param {View["type"]} type */
  #say(type) {
    this.#send({ type, view: this.view });
  }
  /** @param {View | ({ type: "do", id: string } & Asked)} message */
  #send(message) {
    try {
      this.model.send(message);
    } catch {
      this.disconnect();
    }
  }
};

// judicia_notebook/notebook/live/snapshot.js
var WAITING = "Waiting for the kernel. This live view shows nothing until the kernel that made it answers.";
var KEY = /^[0-9a-f]+$/;
var Snapshot = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} root What the page draws in.
   */
  constructor(model, root) {
    const key = String(model.get("snapshot"));
    this.root = root;
    this.line = element("p", { class: "jd-unheard", role: "status" }, WAITING);
    const it = `[data-judicia-snapshot="${key}"]`;
    const rule = `${it}, .jp-OutputArea-child:has(${it}) { display: none; }`;
    this.hiding = element("style", {}, KEY.test(key) ? rule : "");
    root.append(this.hiding);
    this.lost();
  }
  /** The kernel has said something. */
  answered() {
    if (this.root.dataset.heard === "true") return;
    this.root.dataset.heard = "true";
    this.line.replaceWith(this.hiding);
  }
  /** The kernel has not said anything yet, or will not say anything any more. */
  lost() {
    this.root.dataset.heard = "false";
    this.hiding.replaceWith(this.line);
  }
};

// judicia_notebook/notebook/live/formatting.js
var grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, " ");
var counted = (number, noun) => `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
var SIZES = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10]
];

// judicia_notebook/notebook/live/panel/fields.js
var WrongLine = class {
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
};
var Field = class {
  /**
   * @param {HTMLInputElement | HTMLTextAreaElement} input
   * @param {WrongLine} wrong
   * @param {(kind: string) => boolean} blamed Which kinds of errors are the field's own.
   * @param {() => void} act Has what was typed take effect.
   */
  constructor(input, wrong, blamed = () => true, act = () => {
  }) {
    this.input = input;
    this.wrong = wrong;
    this.blamed = blamed;
    this.act = act;
    this.confirmed = "";
    this.seen = void 0;
    this.refused = false;
    this.draft = false;
    this.entered = false;
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
      this.input.blur();
      if (this.refused && !this.tried) this.act();
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
};
var clearWrong = (where) => where instanceof Field ? where.clear() : where.wrong.clear();

// judicia_notebook/notebook/live/panel/call_form.js
var MOST_MILLISECONDS = 36e5;
var CallForm = class {
  /** @param {Asking} panel */
  constructor(panel) {
    this.panel = panel;
    this.names = "";
    this.sample = "";
    this.repeating = "";
    this.functions = [];
    const onkeydown = (event) => this.key(event);
    this.choice = element("select", {
      class: "jd-field",
      "aria-label": "Function to call",
      onchange: () => this.suggest(),
      onkeydown
    });
    const payload = element("textarea", {
      class: "jd-field jd-code",
      rows: 3,
      spellcheck: "false",
      placeholder: "JSON, or nothing",
      "aria-label": "Payload, as JSON",
      onkeydown
    });
    this.milliseconds = element("input", {
      type: "number",
      class: "jd-field jd-number",
      min: 1,
      max: MOST_MILLISECONDS,
      value: 500,
      "aria-label": "Milliseconds from one call to the next"
    });
    this.payload = new Field(payload, new WrongLine(), (kind) => kind === "InvalidPayload");
    this.every = new Field(this.milliseconds, new WrongLine());
    this.about = element("p", { class: "jd-muted" });
    this.fields = element("table", { class: "jd-table jd-fields", "aria-label": "Fields of the payload" });
    this.run = element(
      "button",
      { type: "button", class: "jd-button jd-primary", "data-run": "once", onclick: () => this.call(null) },
      "Run"
    );
    this.again = element(
      "button",
      { type: "button", class: "jd-button", "data-run": "repeat", onclick: () => this.repeat() },
      "Run every"
    );
    this.cost = element("div", { class: "jd-muted" });
    this.answer = element("pre", {
      class: "jd-answer",
      "data-answer": true,
      tabindex: "0",
      role: "group",
      "aria-label": "Answer"
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
      this.fields
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
};
function fieldRow({ name, needed, kind, about }) {
  const what = element("td", { class: "jd-text" }, kind, about && element("span", { class: "jd-about" }, about));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    element("td", {}, needed ? "needed" : "optional"),
    what
  );
}
function costText(answer, repeating) {
  const many = answer && (answer.made > 1 || repeating);
  const times = many ? `${counted(answer.made, "call")}, ${grouped(answer.failed)} failed · last: ` : "";
  return [repeating, answer ? times + answer.cost : ""].filter(Boolean).join(" · ");
}

// judicia_notebook/notebook/live/panel/buttons.js
var ARMED_FOR = 6e3;
var DOUBLE_CLICK = 500;
var Button = class {
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
        onclick: (event) => this.click(event)
      },
      label
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
};
var AskingButton = class extends Button {
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
    this.calming = void 0;
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
};
function makeSwitch(label, onclick, attributes = {}) {
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
      onclick
    },
    knob
  );
}
function drawSwitch(node, on, busy) {
  setAttribute(node, "aria-checked", on);
  setAttribute(node, "aria-busy", busy);
}

// judicia_notebook/notebook/live/panel/decisions.js
var DECISIONS = ["allowed", "denied", "limited"];
var FLASH = 1200;
var Decisions = class {
  /** @param {Counts} counts */
  constructor(counts) {
    this.denied = counts.denied;
    this.flashing = void 0;
    this.counts = {
      allowed: element("span"),
      denied: element("span", { class: "jd-bad" }),
      limited: element("span")
    };
    this.node = element("span", { class: "jd-counters" }, ...DECISIONS.map((kind) => this.counts[kind]));
  }
  /**
   * @param {Counts} counts
   * @param {HTMLElement} row What flashes.
   */
  draw(counts, row) {
    for (const kind of DECISIONS)
      setText(this.counts[kind], counts[kind] || kind !== "limited" ? `${grouped(counts[kind])} ${kind}` : "");
    this.counts.denied.classList.toggle("jd-zero", !counts.denied);
    if (counts.denied > this.denied) this.flash(row);
    this.denied = counts.denied;
  }
  /** @param {HTMLElement} row */
  flash(row) {
    const { classList } = row;
    classList.remove("jd-flash");
    void row.offsetWidth;
    classList.add("jd-flash");
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => classList.remove("jd-flash"), FLASH);
  }
};

// judicia_notebook/notebook/live/panel/grants.js
var CAPABILITY_TAGS = {
  missing: ["asked for, not granted", "It asks for this and does not have it."],
  unasked: ["granted, not asked for", "It has this although neither its manifest nor its imports ask for it."],
  asked: ["asked for", "Its manifest asks for this."],
  imported: ["imported", "It imports a function that takes this; its manifest does not ask for it."],
  refused: ["asked for, cannot be granted", "Its manifest asks for this with a scope that is none."],
  revoked: ["was granted", "It had this before, although neither its manifest nor its imports ask for it."]
};
function tagOf(row) {
  if (row.asked.length) return row.granted ? "asked" : "missing";
  if (row.imported) return "imported";
  if (row.granted) return "unasked";
  return row.refused.length ? "refused" : "revoked";
}
function importTag({ asked, by, grant, granted }) {
  if (!granted && asked) return ["missing", ...CAPABILITY_TAGS.missing];
  if (!granted) return ["off", "not granted", "A call of it is denied."];
  const wider = by.filter((held) => held !== grant).join(", ");
  if (!wider) return ["on", "granted", `It is granted by itself: ${grant}`];
  return ["wider", `allowed by ${wider}`, `It stays allowed until this is taken away: ${wider}`];
}
var scopesOf = (grants) => grants.filter((grant) => grant.includes("=")).map((grant) => grant.slice(grant.indexOf("=") + 1));
var scopesIn = (text) => text.split(/,\s+|,$|,(?=https?:)/).map((scope) => scope.trim()).filter(Boolean);
var grantsFor = (row, typed) => typed ? scopesIn(typed).map((scope) => `${row.name}=${scope}`) : row.offered;

// judicia_notebook/notebook/live/panel/imports.js
var Import = class {
  /**
   * @param {Asking} panel
   * @param {ImportRow} row
   */
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    this.decisions = new Decisions(row);
    this.toggle = makeSwitch(`Import ${row.name}`, () => this.switch());
    this.wrong = new WrongLine();
    this.tag = element("span", { class: "jd-tag" });
    this.about = element("span", { class: "jd-about" });
    this.node = element(
      "li",
      { class: "jd-capability", "data-capability": row.grant },
      this.toggle,
      element(
        "div",
        { class: "jd-what" },
        element("div", { class: "jd-line" }, element("span", { class: "jd-name" }, row.name), this.tag),
        this.about
      ),
      this.wrong.node,
      this.decisions.node
    );
  }
  get control() {
    return `import ${this.row.grant}`;
  }
  /** @param {ImportRow} row */
  draw(row) {
    this.row = row;
    drawSwitch(this.toggle, row.granted, Boolean(this.panel.pending.of(this.control)));
    const [tag, text, title] = importTag(row);
    setAttribute(this.tag, "data-tag", tag);
    setText(this.tag, text);
    this.tag.title = title;
    setText(this.about, row.about);
    this.decisions.draw(row, this.node);
  }
  switch() {
    const { panel, row, wrong, control } = this;
    const waiting = panel.pending.of(control);
    const granted = waiting ? waiting.operation.op === "grant" : row.granted;
    panel.ask(control, { op: granted ? "revoke" : "grant", grants: [row.grant] }, { wrong });
  }
};
var Imports = class {
  /** @param {Asking} panel */
  constructor(panel) {
    this.plugin = "";
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Imports" }),
      (row) => `${this.plugin} ${row.grant}`,
      (row) => new Import(panel, row),
      (found, row) => found.draw(row)
    );
    this.left = element("p", { class: "jd-muted" });
    const title = element("h4", { class: "jd-subtitle" }, "Imports that Python answers");
    this.node = element("div", { class: "jd-imports" }, title, this.list.node, this.left);
  }
  /** @param {State} state */
  render(state) {
    this.plugin = state.plugin;
    this.node.hidden = !state.imports.length;
    this.list.render(state.imports);
    setText(this.left, state.imports_left);
    this.left.hidden = !state.imports_left;
  }
};

// judicia_notebook/notebook/live/panel/capabilities.js
var PRESETS = [
  ["nothing", "Nothing"],
  ["asked", "What it asks for"],
  ["everything", "Everything"]
];
var IMPORTS = "imports";
var Capability = class {
  /**
   * @param {Asking} panel
   * @param {CapabilityRow} row
   */
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    this.decisions = new Decisions(row);
    this.toggle = makeSwitch(row.name, () => this.switch());
    this.wrong = new WrongLine();
    const input = element("input", {
      type: "text",
      class: "jd-field",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `Scope of ${row.name}`,
      onchange: () => this.scope.apply(),
      onkeydown: (event) => this.scope.key(event)
    });
    this.scope = new Field(input, this.wrong, void 0, () => this.changeScope());
    this.unscoped = new AskingButton(
      "",
      "Really without a scope?",
      { "data-unscoped": row.name },
      () => this.changeUnscoped(),
      () => !this.row.bare
    );
    this.tag = element("span", { class: "jd-tag" });
    this.about = element("span", { class: "jd-about" });
    this.refused = element("span", { class: "jd-about" });
    this.node = element(
      "li",
      { class: "jd-capability", "data-capability": row.name },
      this.toggle,
      element(
        "div",
        { class: "jd-what" },
        element("div", { class: "jd-line" }, element("span", { class: "jd-name" }, row.name), this.tag),
        this.about,
        this.refused
      ),
      element("div", { class: "jd-scope" }, input, this.unscoped.node),
      this.wrong.node,
      this.decisions.node
    );
  }
  /** @param {CapabilityRow} row */
  draw(row) {
    const { pending } = this.panel;
    if (this.row.granted !== row.granted && this.scope.refused && !this.scope.draft) this.scope.putBack();
    this.row = row;
    drawSwitch(this.toggle, row.granted, Boolean(pending.of(`capability ${row.name}`)));
    const tag = tagOf(row);
    setAttribute(this.tag, "data-tag", tag);
    const [text, title] = CAPABILITY_TAGS[tag];
    setText(this.tag, text);
    this.tag.title = title;
    setText(this.about, row.about);
    setText(this.refused, row.refused.map((why) => `Cannot be granted: ${why}`).join("; "));
    this.refused.hidden = !row.refused.length;
    this.drawScope(row);
    this.drawUnscoped(row);
    this.decisions.draw(row, this.node);
  }
  /** @param {CapabilityRow} row */
  drawScope(row) {
    const { input } = this.scope;
    input.hidden = !row.shape || row.name === IMPORTS;
    input.readOnly = !row.exact;
    const bare = row.granted ? row.bare : row.offered.includes(row.name);
    input.placeholder = bare ? `without a scope; or ${row.shape}` : row.shape;
    input.title = row.exact ? `Scope: ${row.shape}` : "These scopes are too long, or too strange, to be edited here.";
    if (!row.granted && this.scope.draft) return;
    this.scope.draft = false;
    const scopes = row.granted ? row.scopes : scopesOf(row.offered);
    this.scope.show(scopes.join(", "), Boolean(this.panel.pending.of(`scope ${row.name}`)), this.panel.version);
  }
  /** @param {CapabilityRow} row */
  drawUnscoped(row) {
    const { unscoped } = this;
    const all = row.name === IMPORTS;
    unscoped.node.hidden = !row.shape || (row.bare ? !row.scopes.length : all);
    const these = all ? "Only those below with a grant of their own" : "Only these scopes";
    unscoped.label = row.bare ? these : "Without a scope…";
    unscoped.node.title = row.bare ? "It is granted without a scope as well. Click to leave it these scopes alone." : `Grant ${row.name} without a scope, which allows all of it.`;
    unscoped.draw(Boolean(this.panel.pending.of(`unscoped ${row.name}`)));
  }
  switch() {
    const { panel, row, scope, wrong } = this;
    const control = `capability ${row.name}`;
    const waiting = panel.pending.of(control);
    const granted = waiting ? waiting.operation.op === "grant" : row.granted;
    if (granted) {
      panel.ask(control, { op: "revoke", grants: [row.name] }, { wrong });
      return;
    }
    const typed = !row.granted && scope.draft ? scope.input.value.trim() : "";
    const grants = grantsFor(row, typed);
    if (grants.length) panel.ask(control, { op: "grant", grants }, typed ? scope : { wrong });
    else {
      const typing = `type one (${row.shape}), or grant it without a scope.`;
      const how = row.name === IMPORTS ? "switch on single imports." : typing;
      panel.explainBeside({ wrong }, `${row.name} takes a scope: ${how}`);
      scope.input.focus();
    }
  }
  changeScope() {
    const { row, scope } = this;
    const typed = scope.typed();
    if (!row.granted) scope.draft = typed !== null;
    else if (typed !== null) {
      const wish = { capability: row.name, scopes: scopesIn(typed), narrowing: !scope.entered };
      this.panel.ask(`scope ${row.name}`, { op: "scope", ...wish }, scope);
    }
  }
  changeUnscoped() {
    const { panel, row, wrong } = this;
    const capability = row.name;
    if (row.bare) panel.ask(`unscoped ${row.name}`, { op: "scope", scopes: row.scopes, capability }, { wrong });
    else panel.ask(`unscoped ${row.name}`, { op: "widen", capability }, { wrong });
  }
};
var Capabilities = class {
  /** @param {Asking} panel */
  constructor(panel) {
    this.panel = panel;
    this.plugin = "";
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Capabilities" }),
      (row) => `${this.plugin} ${row.name}`,
      // what is typed for one plugin never reaches another
      (row) => new Capability(panel, row),
      (capability, row) => capability.draw(row)
    );
    this.imports = new Imports(panel);
    this.empty = element("p", { class: "jd-muted" }, "It asks for no capability, imports none and is granted none.");
    this.presets = PRESETS.map(([preset, label]) => {
      const grant = () => panel.ask(`preset ${preset}`, { op: "preset", preset });
      const attributes = { "data-preset": preset };
      if (preset !== "everything") return [preset, new Button(label, attributes, grant)];
      return [preset, new AskingButton(label, "Really everything?", attributes, grant)];
    });
    const buttons = this.presets.map(([, button]) => button.node);
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "Capabilities and grants" },
      element(
        "div",
        { class: "jd-heading" },
        element("h3", {}, "Capabilities"),
        element("div", { class: "jd-group", role: "group", "aria-label": "Grant a preset" }, ...buttons)
      ),
      this.list.node,
      this.imports.node,
      this.empty
    );
  }
  /** @param {State} state */
  render(state) {
    this.plugin = state.plugin;
    this.list.render(state.capabilities);
    this.imports.render(state);
    this.empty.hidden = state.capabilities.length + state.imports.length > 0;
    for (const [preset, button] of this.presets) button.draw(Boolean(this.panel.pending.of(`preset ${preset}`)));
  }
};

// judicia_notebook/notebook/live/panel/header.js
var Header = class {
  /**
   * @param {Asking} panel
   * @param {(...children: Node[]) => HTMLElement} changing Makes a fieldset for controls that change something.
   */
  constructor(panel, changing) {
    this.panel = panel;
    this.state = null;
    this.title = element("h2", { class: "jd-title" });
    this.status = element("div", { class: "jd-status", "data-status": true });
    this.onDenied = makeSwitch("A denial ends the call", () => this.turnOnDenied(), { "data-on-denied": true });
    this.undo = element(
      "button",
      { type: "button", class: "jd-button", "data-undo": true, onclick: () => this.takeBack() },
      "Undo"
    );
    const denial = element(
      "span",
      { class: "jd-pair", title: "Off: a denied host call is answered with an error value. On: it ends the call." },
      this.onDenied,
      element("span", { "aria-hidden": "true" }, "denial ends the call")
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
};
function statusText(state) {
  if (!state.plugin) return "%plugin load example:checker";
  const facts = [
    state.version,
    state.state,
    counted(state.calls_made, "call"),
    state.calls_failed && `${grouped(state.calls_failed)} failed`,
    state.denied && `${counted(state.denied, "host call")} denied`,
    state.waiting && `${grouped(state.waiting)} waiting`
  ];
  return facts.filter(Boolean).join(" · ");
}

// judicia_notebook/notebook/live/panel/plugins.js
var PluginRow = class {
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
        onclick: () => panel.ask("choose", { op: "choose", plugin: name })
      },
      name
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
};
var Plugins = class {
  /** @param {Asking} panel */
  constructor(panel) {
    this.shown = "";
    this.list = new KeyedList(
      element("tbody"),
      ({ name }) => name,
      ({ name }) => new PluginRow(panel, name),
      (row, choice) => row.draw(choice, this.shown)
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
};
function runningText({ running, waiting }) {
  if (!running) return "–";
  return waiting ? `${grouped(running)}, ${grouped(waiting)} of them waiting` : grouped(running);
}

// judicia_notebook/notebook/live/panel/slider.js
var KIB = 1024;
var MIB = 1 << 20;
function place(row, value) {
  if (value <= row.least) return 0;
  return Math.min(100, 100 * Math.log(value / row.least) / Math.log(row.most / row.least));
}
function valueAt(row, position) {
  if (position >= 100) return row.most;
  const exact = row.least * (row.most / row.least) ** (position / 100);
  const unit = row.unit === "bytes" ? exact >= MIB ? MIB : KIB : 1;
  const round = Number((exact / unit).toPrecision(2)) * unit;
  return Math.min(row.unit === "s" ? round : Math.round(round), row.most);
}
function dragged(row, position) {
  const value = valueAt(row, position);
  return row.value !== null && position <= place(row, row.value) ? Math.min(value, row.value) : value;
}
function amount(row, value) {
  if (row.unit === "bytes")
    return value >= MIB ? `${+(value / MIB).toPrecision(3)} MiB` : `${Math.round(value / KIB)} KiB`;
  if (row.unit === "s") return value >= 1 ? `${+value.toPrecision(3)} s` : `${+(value * 1e3).toPrecision(3)} ms`;
  return grouped(value);
}

// judicia_notebook/notebook/live/panel/quotas.js
var DRAG_EVERY = 120;
var Quota = class {
  /**
   * @param {Asking} panel
   * @param {QuotaRow} row
   */
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    this.limit = null;
    this.dragging = "";
    this.seen = void 0;
    this.sentAt = 0;
    this.wrong = new WrongLine();
    const input = element("input", {
      type: "text",
      class: "jd-field jd-number",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `${row.label} limit`,
      onchange: () => this.field.apply(),
      onkeydown: (event) => this.field.key(event)
    });
    this.field = new Field(input, this.wrong, void 0, () => this.type());
    this.slider = element("input", {
      type: "range",
      class: "jd-slider",
      min: 0,
      max: 100,
      step: "any",
      "aria-label": `${row.label} limit, logarithmic`,
      oninput: () => this.drag(),
      onchange: () => this.drop()
    });
    this.none = element("input", {
      type: "checkbox",
      "aria-label": `${row.label}: no limit of its own`,
      onclick: (event) => {
        event.preventDefault();
        this.change(this.row.value === null ? this.limit ?? this.row.most : "none");
      }
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
      this.wrong.node
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
    if (typeof value === "number" && !Number.isFinite(value)) return;
    const { kind } = this.row;
    this.panel.ask(`quota ${kind}`, { op: "set_quota", kind, value, drag, narrowing }, where);
  }
};
var Quotas = class {
  /** @param {Asking} panel */
  constructor(panel) {
    this.plugin = "";
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Quotas" }),
      (row) => `${this.plugin} ${row.kind}`,
      (row) => new Quota(panel, row),
      (quota, row) => quota.draw(row)
    );
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "Quotas" },
      element("div", { class: "jd-heading" }, element("h3", {}, "Quotas")),
      this.list.node
    );
  }
  /** @param {State} state */
  render(state) {
    this.plugin = state.plugin;
    this.list.render(state.quotas);
  }
};

// judicia_notebook/notebook/live/panel/rows.js
var Rows = class {
  /**
   * @param {string} label
   * @param {Column[]} columns
   * @param {string} empty What is said where there is no row.
   * @param {(row: Row) => string[]} cellsOf
   * @param {(row: Row) => boolean} badOf
   */
  constructor(label, columns, empty, cellsOf, badOf) {
    this.columns = columns;
    this.cellsOf = cellsOf;
    this.badOf = badOf;
    this.seen = "";
    const titles = columns.map(([title, kind]) => element("th", { scope: "col", class: kind || null }, title));
    this.body = element("tbody");
    this.table = element(
      "table",
      { class: "jd-table", "aria-label": label },
      element("thead", {}, element("tr", {}, ...titles)),
      this.body
    );
    this.empty = element("p", { class: "jd-muted" }, empty);
    this.node = element(
      "div",
      { class: "jd-scroll", tabindex: "0", role: "group", "aria-label": label },
      this.table,
      this.empty
    );
  }
  /** @param {Row[]} rows */
  render(rows) {
    const seen = JSON.stringify(rows);
    if (seen === this.seen) return;
    this.seen = seen;
    this.table.hidden = !rows.length;
    this.empty.hidden = rows.length > 0;
    this.body.replaceChildren(...rows.map((row) => this.line(row)));
  }
  /** @param {Row} row */
  line(row) {
    const cells = this.cellsOf(row).map(
      (cell, index) => element("td", { class: this.columns[index][1] || null }, cell)
    );
    return element("tr", { class: this.badOf(row) ? "jd-failed" : null }, ...cells);
  }
};
var CALLS = [
  ["Call", "jd-num"],
  ["Function"],
  ["Outcome"],
  ["Wall", "jd-num"],
  ["CPU", "jd-num"],
  ["Memory", "jd-num"],
  ["Fuel", "jd-num"],
  ["Host calls", "jd-num"],
  ["Denied", "jd-num"],
  ["By"]
];
var callRows = () => new Rows(
  "Last calls",
  CALLS,
  "No call yet.",
  (row) => [
    String(row.call),
    row.function,
    row.error ? `${row.outcome}: ${row.error}` : row.outcome,
    row.wall,
    row.cpu,
    row.memory,
    row.fuel,
    grouped(row.host_calls),
    grouped(row.denied),
    row.origin
  ],
  (row) => !row.ok
);
var lineCells = (row) => [row.at, row.what, row.text, row.by];
var logRows = () => new Rows(
  "Log",
  [["At", "jd-num"], ["Level"], ["Message", "jd-text"], ["From"]],
  "It has written nothing.",
  lineCells,
  (row) => row.what === "error"
);
var auditRows = () => new Rows(
  "Audit",
  [["At", "jd-num"], ["What"], ["Detail", "jd-text"], ["By way of"]],
  "Nothing was changed or denied.",
  lineCells,
  (row) => row.what === "denied" || row.what === "escape"
);

// judicia_notebook/notebook/live/panel/running.js
var RunningCall = class {
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
        onclick: () => panel.ask(`cancel ${call}`, { op: "cancel", call })
      },
      "Cancel"
    );
    this.node = element(
      "li",
      { class: "jd-running" },
      element("span", { class: "jd-name" }, row.function),
      element("span", { class: "jd-muted" }, `call ${call} · ${row.origin}`),
      this.cost,
      this.cancel
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
};
var Running = class {
  /** @param {Asking} panel */
  constructor(panel) {
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Running calls" }),
      (row) => row.call,
      (row) => new RunningCall(panel, row),
      (call, row) => call.draw(row)
    );
    this.empty = element("p", { class: "jd-muted" }, "No call is running.");
    this.node = element("div", {}, this.list.node, this.empty);
  }
  /** @param {State} state */
  render(state) {
    this.list.render(state.running);
    this.empty.hidden = state.running.length > 0;
  }
};

// judicia_notebook/notebook/live/panel/steadiness.js
var STEADY = 300;
var Steadiness = class {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.pressed = false;
    this.movedAt = -Infinity;
    this.held = [];
    root.addEventListener("pointerdown", () => this.press());
    root.addEventListener("pointermove", () => {
      this.movedAt = -Infinity;
    });
    root.addEventListener("click", (event) => this.misses(event), true);
  }
  /**
   * Does something that may move controls, now or when the button of the mouse is up.
   *
   * @param {() => void} act
   */
  move(act) {
    const moving = () => {
      const height = this.root.offsetHeight;
      act();
      if (this.root.offsetHeight !== height) this.movedAt = performance.now();
    };
    if (this.pressed) this.held.push(moving);
    else moving();
  }
  press() {
    this.pressed = true;
    const released = () => {
      window.removeEventListener("pointerup", released, true);
      window.removeEventListener("pointercancel", released, true);
      setTimeout(() => {
        this.pressed = false;
        for (const moving of this.held.splice(0)) moving();
      });
    };
    window.addEventListener("pointerup", released, true);
    window.addEventListener("pointercancel", released, true);
  }
  /** @param {MouseEvent} event */
  misses(event) {
    if (!event.isTrusted || !event.detail || performance.now() - this.movedAt > STEADY) return;
    event.preventDefault();
    event.stopPropagation();
  }
};

// judicia_notebook/notebook/live/panel/tabs.js
var Tabs = class {
  /** @param {Tab[]} tabs */
  constructor(tabs) {
    this.names = tabs.map(({ name }) => name);
    this.buttons = {};
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
          onkeydown: (event) => this.key(event, name)
        },
        label
      );
      this.panes[name] = element("div", { role: "tabpanel", id: pane, "aria-labelledby": id, class: "jd-pane" }, node);
    }
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "What it does and did" },
      element("div", { role: "tablist", class: "jd-tabs", "aria-label": "Views" }, ...Object.values(this.buttons)),
      ...Object.values(this.panes)
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
};
function nextTab(names, name, key) {
  const at = names.indexOf(name);
  const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 };
  return Object.hasOwn(steps, key) ? names[(steps[key] + names.length) % names.length] : null;
}

// judicia_notebook/notebook/live/panel/panel.js
var ERROR_STAYS = 8e3;
var DRAWN_EVERY = 250;
var OLD = "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown below is old.";
var LEAVE_FREE = "a call in the background leaves it free: %plugin call ... --background";
var Panel = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} root
   */
  constructor(model, root) {
    this.session = new LiveSession(model, this);
    this.changers = [];
    this.refusedControl = "";
    this.isOpen = false;
    this.errorTimer = void 0;
    const changing = (...children) => this.changing(...children);
    this.plugins = new Plugins(this);
    this.header = new Header(this, changing);
    this.capabilities = new Capabilities(this);
    this.quotas = new Quotas(this);
    this.running = new Running(this);
    this.callForm = new CallForm(this);
    this.calls = callRows();
    this.log = logRows();
    this.audit = auditRows();
    const columns = element("div", { class: "jd-columns" }, this.capabilities.node, this.quotas.node);
    this.tabs = new Tabs([
      { name: "running", label: "Running", node: changing(this.running.node) },
      { name: "calls", label: "Calls", node: this.calls.node },
      { name: "log", label: "Log", node: this.log.node },
      { name: "audit", label: "Audit", node: this.audit.node },
      { name: "call", label: "Call", node: changing(this.callForm.node) }
    ]);
    this.runningCount = element("span", { "aria-hidden": "true" });
    this.tabs.buttons.running.append(this.runningCount);
    this.banner = element("div", { class: "jd-banner", "data-banner": true, role: "status", "aria-live": "polite" });
    this.error = element("div", { class: "jd-error", "data-error": true, role: "alert" });
    this.lost = element("div", { class: "jd-lost", "data-disconnected": true, role: "alert", hidden: true });
    this.everything = element(
      "fieldset",
      { class: "jd-controls" },
      this.plugins.node,
      this.header.node,
      changing(columns),
      this.tabs.node
    );
    this.root = element(
      "div",
      {
        class: "jd-panel",
        "data-judicia": "panel",
        role: "region",
        "aria-label": "Plugin panel",
        "data-revision": 0,
        "data-pending": 0
      },
      this.everything,
      this.lost,
      element("div", { class: "jd-notices" }, this.error, this.banner)
    );
    this.steadiness = new Steadiness(this.root);
    this.root.style.setProperty("--jd-scale", String(model.get("scale")));
    this.snapshot = new Snapshot(model, this.root);
    root.append(this.root);
    this.tabs.show("running");
    this.draw();
  }
  /**
   * A fieldset for controls that change something, which an unloaded plugin no longer can be.
   *
   * @param {...Node} children
   */
  changing(...children) {
    const fieldset = element("fieldset", { class: "jd-controls" }, ...children);
    this.changers.push(fieldset);
    return fieldset;
  }
  // What the sections ask for
  get pending() {
    return this.session.pending;
  }
  /** The version of the policy that is drawn. */
  get version() {
    return this.session.state?.policy_version ?? 0;
  }
  /**
   * Asks the kernel for something. `where` is the field that was touched, or another holder of what was `seen` then.
   *
   * @param {string} control
   * @param {Wish} wish
   * @param {Where | null} where
   */
  ask(control, wish, where = null) {
    const { state, connected, view } = this.session;
    if (!state?.plugin || !connected) return;
    const seen = where?.seen ?? this.version;
    this.session.ask(control, { plugin: state.plugin, view, seen, ...wish }, where);
  }
  // What the kernel answers
  answered() {
    this.snapshot.answered();
  }
  /** @param {Waiting<Where>} waiting */
  done({ control, where }) {
    if (control === this.refusedControl) setText(this.error, "");
    if (where) this.steadiness.move(() => clearWrong(where));
  }
  /**
   * @param {Waiting<Where>} waiting
   * @param {Failure} failure
   */
  refused({ control, where }, { type, message, hint }) {
    const said = `${message}${hint ? ` ${hint}` : ""}`;
    if (where) this.explainBeside(where, said, type);
    else this.explain(control, `${type}: ${said}`);
  }
  /**
   * Says beside a control why it did not do what was asked of it.
   *
   * @param {Where} where
   * @param {string} said
   * @param {string} type
   */
  explainBeside(where, said, type = "") {
    if (where instanceof Field) {
      if (type === "Unmeant") where.putBack();
      else if (where.blamed(type)) where.mark();
    }
    this.steadiness.move(() => {
      where.wrong.say(said);
      this.draw();
    });
  }
  /**
   * Says why a control did not do what was asked of it.
   *
   * @param {string} control
   * @param {string} text
   */
  explain(control, text) {
    this.refusedControl = control;
    setText(this.error, text);
    clearTimeout(this.errorTimer);
    this.errorTimer = setTimeout(() => setText(this.error, ""), ERROR_STAYS);
  }
  // Drawing
  draw() {
    const { root, session } = this;
    const { state } = session;
    root.classList.toggle("jd-dark", isDark(root));
    this.drawConnection();
    if (state) this.drawState(state);
    setAttribute(root, "data-revision", session.revision);
    setAttribute(root, "data-policy", this.version);
    setAttribute(root, "data-pending", session.pending.size);
  }
  /** @param {State} state */
  drawState(state) {
    if (!this.isOpen) this.tabs.show(state.first_tab);
    this.isOpen = true;
    nameWidget(this.root, state.plugin ? `Panel of ${state.plugin}` : "Panel of no plugin");
    for (const section of [this.plugins, this.header, this.capabilities, this.quotas, this.running, this.callForm])
      section.render(state);
    this.calls.render(state.calls);
    this.log.render(state.log);
    this.audit.render(state.audit);
    setText(this.runningCount, state.running.length ? ` ${state.running.length}` : "");
  }
  drawConnection() {
    const { connected, state } = this.session;
    this.lost.hidden = connected;
    if (!connected) setText(this.lost, OLD);
    this.everything.disabled = !connected || !state;
    const changeable = Boolean(state?.plugin && state.state !== "unloaded");
    for (const fieldset of this.changers) fieldset.disabled = !changeable;
    this.root.classList.toggle("jd-stale", !connected || !state);
    setText(this.banner, this.session.late ? lateText(state?.foreground ?? "", this.pending.size) : "");
  }
};
function lateText(foreground, size) {
  const count = size === 1 ? "1 change is" : `${size} changes are`;
  if (foreground)
    return `This kernel hears clicks only when the cell ends (${foreground} is running in it); ${count} pending. ${capital(LEAVE_FREE)}`;
  return `The kernel has not confirmed this yet: ${count} pending. Where it hears clicks only when a cell ends, ${LEAVE_FREE}`;
}
var capital = (text) => text[0].toUpperCase() + text.slice(1);
function render({ model, el }) {
  const panel = new Panel(model, el);
  return panel.session.start(DRAWN_EVERY, () => panel.draw());
}
var panel_default = { render };
export {
  panel_default as default
};
