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

// judicia_notebook/notebook/live/formatting.js
var grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, " ");
var counted = (number, noun) => `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
var SIZES = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10]
];

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

// judicia_notebook/notebook/live/call_card/call_card.js
var STATES = {
  waiting: "waits for an instance",
  running: "running",
  ending: "is being ended",
  ok: "ok",
  failed: "✕ failed",
  cancelled: "– cancelled"
};
var OVER = ["ok", "failed", "cancelled"];
var DRAWN_EVERY = 250;
var OLD = "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown is old.";
var LATE = "The kernel has not heard this click yet: it may hear clicks only when the running cell ends.";
var BackgroundCall = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} root
   */
  constructor(model, root) {
    this.session = new LiveSession(model, this);
    this.title = element("span", { class: "jd-name" });
    this.mark = element("span", { class: "jd-tag", "data-state": "", role: "status" });
    this.cost = element("span", { class: "jd-muted jd-cost" });
    this.cancel = element(
      "button",
      { type: "button", class: "jd-button", "data-cancel": "", onclick: () => this.end() },
      "Cancel"
    );
    this.note = element("div", { class: "jd-note jd-muted", "data-banner": true, role: "status" });
    this.answer = element("div", {
      class: "jd-answer",
      tabindex: "0",
      role: "group",
      "aria-label": "Answer",
      hidden: true
    });
    this.root = element(
      "div",
      {
        class: "jd-panel jd-background",
        "data-judicia": "background",
        role: "region",
        "aria-label": "Call in the background",
        "data-revision": 0,
        "data-pending": 0
      },
      element("div", { class: "jd-running" }, this.title, this.mark, this.cost, this.cancel),
      this.note,
      this.answer
    );
    this.root.style.setProperty("--jd-scale", String(model.get("scale")));
    this.snapshot = new Snapshot(model, this.root);
    root.append(this.root);
    this.draw();
  }
  end() {
    const { state, pending } = this.session;
    if (state && !pending.of("cancel")) this.session.ask("cancel", { op: "cancel", call: state.call });
  }
  answered() {
    this.snapshot.answered();
  }
  get over() {
    const { state } = this.session;
    return state !== null && OVER.includes(state.state);
  }
  draw() {
    const { root, over, session } = this;
    const { state, pending } = session;
    const connected = over || session.connected;
    root.classList.toggle("jd-dark", isDark(root));
    root.classList.toggle("jd-stale", !connected);
    setAttribute(root, "data-revision", session.revision);
    setAttribute(root, "data-pending", pending.size);
    this.cancel.hidden = over;
    this.cancel.disabled = !state || !connected || state.state === "ending";
    setAttribute(this.cancel, "aria-busy", Boolean(pending.of("cancel")));
    setText(this.note, !connected ? OLD : !over && session.late ? LATE : "");
    if (state) this.drawState(state);
  }
  /** @param {HandleState} state */
  drawState(state) {
    setText(this.title, state.title);
    nameWidget(this.root, `Call in the background: ${state.title}`);
    setText(this.mark, STATES[state.state]);
    setAttribute(this.mark, "data-state", state.state);
    setAttribute(this.cancel, "data-cancel", state.call);
    setAttribute(this.cancel, "aria-label", `Cancel ${state.title}`);
    setText(this.cost, this.over && state.cost ? withoutName(state.cost) : soFar(state));
    this.answer.hidden = !this.over;
    this.answer.classList.toggle("jd-failed", state.state === "failed");
    setText(this.answer, state.answer);
  }
};
var withoutName = (cost) => cost.slice(cost.indexOf(" · ") + 3);
function soFar(state) {
  const denied = state.denied ? `, ${grouped(state.denied)} denied` : "";
  const calls = state.host_calls ? `${counted(state.host_calls, "host call")}${denied}` : "";
  return [state.elapsed, state.cpu && `${state.cpu} cpu`, calls, state.memory].filter(Boolean).join(" · ");
}
function render({ model, el }) {
  const card = new BackgroundCall(model, el);
  return card.session.start(
    DRAWN_EVERY,
    () => card.draw(),
    () => !card.over
  );
}
var call_card_default = { render };
export {
  call_card_default as default
};
