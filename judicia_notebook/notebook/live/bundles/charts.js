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
      const place = previous ? previous.nextSibling : this.node.firstChild;
      if (entry.node !== place) this.node.insertBefore(entry.node, place);
      this.draw(entry, row);
      previous = entry.node;
    }
    for (const entry of left.values()) entry.node.remove();
  }
};

// judicia_notebook/notebook/live/formatting.js
var grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, " ");
var short = (number) => number >= 100 ? grouped(Math.round(number)) : String(Number(number.toPrecision(3)));
var SIZES = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10]
];
function sizeText(bytes) {
  if (bytes === null || bytes === void 0) return "–";
  for (const [unit, factor] of SIZES) if (bytes >= factor) return `${short(bytes / factor)} ${unit}`;
  return `${short(bytes)} B`;
}
function timeText(seconds2) {
  if (seconds2 === null || seconds2 === void 0) return "–";
  if (seconds2 >= 60) return `${short(seconds2 / 60)} min`;
  if (seconds2 >= 1) return `${short(seconds2)} s`;
  return seconds2 >= 1e-3 || seconds2 === 0 ? `${short(seconds2 * 1e3)} ms` : `${short(seconds2 * 1e6)} µs`;
}
var rateText = (rate) => grouped(rate >= 10 || rate === 0 ? Math.round(rate) : Number(rate.toPrecision(2)));

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

// judicia_notebook/notebook/live/charts/history.js
var BIN = 0.5;
var MOST_OUTCOMES = 80;
var MOST_KEPT = 6e3;
var SLACK = 2;
var History = class {
  constructor() {
    this.frames = [];
    this.outcomes = "";
    this.epoch = null;
    this.window = 30;
    this.offset = Infinity;
    this.pausedAt = null;
  }
  /**
   * Frames of this epoch follow; whether it is another one than before, which begins with none.
   *
   * @param {Pick<About, "epoch" | "outcomes" | "window">} about
   */
  begin({ epoch, outcomes, window: window2 }) {
    this.window = window2;
    if (epoch === this.epoch) return false;
    this.epoch = epoch;
    this.frames = [];
    this.offset = Infinity;
    this.outcomes = outcomes;
    return true;
  }
  /**
   * Keeps the frames that are news, and drops those that are too old to be shown; whether there was news.
   *
   * @param {Frame[]} frames
   * @param {number} clock The page's, in seconds.
   */
  take(frames, clock) {
    const last = this.frames.at(-1)?.at ?? -1;
    const news = frames.filter((frame) => frame.at > last);
    for (const frame of news) {
      this.offset = Math.min(this.offset, clock - frame.at);
      this.frames.push(frame);
      this.outcomes = (this.outcomes + (frame.outcomes ?? "")).slice(-MOST_OUTCOMES);
    }
    const from = this.end(clock) - this.window - SLACK;
    const first = this.frames.findIndex((frame) => frame.at >= from);
    const old = first < 0 ? this.frames.length : first;
    this.frames.splice(0, Math.max(old, this.frames.length - MOST_KEPT));
    return news.length > 0;
  }
  /**
   * The kernel's clock now.
   *
   * @param {number} clock
   */
  now(clock) {
    return Number.isFinite(this.offset) ? clock - this.offset : 0;
  }
  /**
   * Where the time axis ends: now, or when it was paused.
   *
   * @param {number} clock
   */
  end(clock) {
    return this.pausedAt ?? this.now(clock);
  }
  /**
   * The frames that are to be seen.
   *
   * @param {number} end
   */
  shown(end) {
    return this.frames.filter((frame) => frame.at > end - this.window - 1 && frame.at <= end);
  }
};
function ratesOf(frames, end, span) {
  const found = /* @__PURE__ */ new Map();
  const known = frames.length ? Math.max(end - span, frames[0].at) : end - span;
  const first = Math.floor(known / BIN) * BIN;
  const bins = Math.max(1, Math.floor((end - first) / BIN));
  for (const frame of frames) {
    const bin = Math.floor((frame.at - first) / BIN);
    if (bin < 0 || bin >= bins) continue;
    for (const [name, [calls, denied]] of Object.entries(frame.host ?? {})) {
      const none = () => new Array(bins).fill(0);
      const rates = found.get(name) ?? { first, rates: none(), denied: none(), now: 0 };
      found.set(name, rates);
      rates.rates[bin] += calls / BIN;
      rates.denied[bin] += denied;
    }
  }
  for (const rates of found.values()) {
    const last = rates.rates.slice(-2);
    rates.now = sum(last) / last.length;
  }
  return found;
}
var sum = (numbers2) => numbers2.reduce((total, number) => total + number, 0);

// judicia_notebook/notebook/live/charts/outcomes.js
var SIGNS = {
  o: { name: "ok", height: 0.45, sign: "" },
  d: { name: "ok despite denials", height: 0.65, sign: "○" },
  q: { name: "over a quota", height: 1, sign: "▲" },
  x: { name: "failed", height: 1, sign: "✕" },
  c: { name: "cancelled", height: 0.8, sign: "–" }
};
function outcomesText(letters, rate) {
  if (!letters) return "no call yet";
  const counts = Object.entries(SIGNS).map(([letter, { name }]) => ({ name, count: [...letters].filter((outcome) => outcome === letter).length })).filter(({ count }) => count);
  const each = counts.map(({ name, count }) => `${count} ${name}`).join(", ");
  const often = rateText(rate);
  return `last ${letters.length}: ${each} · ${often} call${often === "1" ? "" : "s"} a second`;
}
function keyText(letters) {
  if (!letters) return "";
  const shown = Object.entries(SIGNS).filter(([letter, { sign }]) => sign && letters.includes(letter));
  return ["newest at the right", "short: ok", ...shown.map(([, { sign, name }]) => `${sign} ${name}`)].join(" · ");
}

// judicia_notebook/notebook/live/charts/scales.js
var NARROW = 5;
var [LEAST_BYTES, LEAST_SECONDS] = [65536, 1e-3];
function rounded(number, binary) {
  if (!(number > 0)) return 1;
  if (binary) return 2 ** Math.ceil(Math.log2(number));
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5].map((step) => step * power).find((step) => step >= number * 0.999999) ?? 10 * power;
}
function scaleOf(frames, { value, limit, binary }) {
  const most = Math.max(0, ...frames.map((frame) => value(frame) ?? 0));
  const limits = frames.map(limit).filter((bound) => bound !== null);
  const highest = limits.length ? Math.max(...limits) : null;
  const near = highest !== null && most * 100 >= highest * NARROW;
  const least = binary ? LEAST_BYTES : LEAST_SECONDS;
  const top = near ? Math.max(highest, most) * 1.04 : rounded(most * 1.2 || least, binary);
  return { most, top, limit: near ? highest : null };
}
function isOver(frame, { value, limit }) {
  const [used, bound] = [value(frame), limit(frame)];
  return used !== null && bound !== null && used >= bound;
}
function useText(frames, use, scale) {
  const last = [...frames].reverse().find((frame) => use.value(frame) !== null);
  const newest = frames.at(-1);
  const limit = newest ? use.limit(newest) : null;
  const beyond = scale.limit !== null || !last ? "" : ", above this scale";
  const bound = limit === null ? "no limit" : `limit ${use.text(limit)}${beyond}`;
  if (!last) return `${bound}; nothing ran`;
  return `${isOver(last, use) ? "▲ " : ""}${use.text(use.value(last))} · most ${use.text(scale.most)} · ${bound}`;
}

// judicia_notebook/notebook/live/charts/drawing.js
var REACH = 0.15;
var LINE_EVERY = 10;
var DASHES = [[], [7, 3], [2, 3], [10, 3, 2, 3], [4, 2]];
var Drawing = class {
  /**
   * @param {string} name
   * @param {string} title
   * @param {number} height In ems.
   */
  constructor(name, title, height) {
    this.title = title;
    this.canvas = element("canvas", { role: "img", "aria-label": title });
    this.text = element("span", { class: "jd-figures" });
    this.node = element(
      "figure",
      { class: "jd-figure", "data-chart": name },
      element("figcaption", { class: "jd-caption" }, element("h3", {}, title), this.text),
      this.canvas
    );
    this.canvas.style.height = `${height}em`;
    this.context = /** @type {CanvasRenderingContext2D} */
    this.canvas.getContext("2d");
  }
  /** A context in CSS pixels, cleared, with its size. */
  begin() {
    const { canvas, context } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const density = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  }
  /** @param {string} text */
  say(text) {
    setText(this.text, text);
  }
  /** @param {string} text */
  speak(text) {
    setAttribute(this.canvas, "aria-label", `${this.title}: ${text}`);
  }
};
function coloursOf(root) {
  const style = getComputedStyle(root);
  const of = (name) => style.getPropertyValue(name).trim();
  const size = Math.max(9, Math.round(parseFloat(style.fontSize) * 0.85));
  const [accent, bad, muted] = [of("--jd-accent"), of("--jd-bad"), of("--jd-muted")];
  const outcomes = { o: accent, d: of("--jd-series-2"), q: bad, x: bad, c: muted };
  return {
    accent,
    bad,
    muted,
    ink: style.color,
    line: of("--jd-line"),
    size,
    font: `${size}px ${style.fontFamily}`,
    series: DASHES.map((dash, index) => ({ colour: of(`--jd-series-${index + 1}`), dash })),
    outcomes
  };
}
function axes(view, drawing, top) {
  const { context, width, height } = drawing.begin();
  const { colours, end, window: span } = view;
  const [left, right, high, bottom] = [1, width - 1, colours.size + 4, height - colours.size - 6];
  const area = {
    context,
    left,
    right,
    top: high,
    bottom,
    x: (at) => right - (end - at) / span * (right - left),
    y: (value) => bottom - Math.min(value, top * 1.02) / top * (bottom - high)
  };
  context.font = colours.font;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.fillStyle = colours.muted;
  for (let back = 0; back <= span; back += LINE_EVERY) {
    const x = Math.round(area.x(end - back)) + 0.5;
    line(context, x, high, x, bottom);
    context.textAlign = back === 0 ? "right" : back >= span ? "left" : "center";
    context.textBaseline = "top";
    const text = back === 0 ? view.paused ? "paused" : "now" : `−${back} s`;
    context.fillText(text, area.x(end - back), bottom + 3);
  }
  line(context, left, bottom + 0.5, right, bottom + 0.5);
  return area;
}
function line(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}
function writeTop({ colours }, { context, left, top }, text) {
  context.fillStyle = colours.muted;
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillText(text, left, top - 2);
}
function drawUse(view, drawing, frames, use, { top, limit }) {
  const area = axes(view, drawing, top);
  fillUse(view, area, frames, use);
  if (limit !== null) drawLimit(view, area, frames, use, top);
  writeTop(view, area, use.text(limit ?? top));
}
function fillUse({ colours }, area, frames, use) {
  const { context } = area;
  let before = null;
  let wasOver = false;
  for (const frame of frames) {
    const value = use.value(frame);
    const from = Math.max(before ? Math.max(before.at, frame.at - REACH) : frame.at - REACH, 0);
    before = frame;
    if (value === null) continue;
    const [left, right] = [Math.max(area.left, area.x(from)), area.x(frame.at)];
    const over = isOver(frame, use);
    const y = area.y(value);
    context.globalAlpha = 0.25;
    context.fillStyle = over ? colours.bad : colours.accent;
    context.fillRect(left, y, Math.max(right - left, 1), area.bottom - y);
    context.globalAlpha = 1;
    context.fillRect(left, y - 1, Math.max(right - left, 1), 2);
    if (over && !wasOver) {
      context.textAlign = "center";
      context.textBaseline = "bottom";
      context.fillText("▲", (left + right) / 2, y - 1);
    }
    wasOver = over;
  }
}
function drawLimit({ colours }, area, frames, use, top) {
  const { context } = area;
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.beginPath();
  let y = null;
  let x = area.left;
  for (const frame of frames) {
    const limit = use.limit(frame);
    const next = limit === null || limit > top ? null : area.y(limit);
    const at = Math.max(area.left, area.x(frame.at));
    if (y !== null) context.lineTo(at, y);
    if (next !== null && next !== y) {
      if (y === null) context.moveTo(x, next);
      else context.lineTo(at, next);
    }
    [x, y] = [at, next];
  }
  if (y !== null) context.lineTo(area.right, y);
  context.stroke();
  context.setLineDash([]);
}
function drawRates(view, drawing, series, top) {
  const area = axes(view, drawing, top);
  const { context } = area;
  const { colours } = view;
  series.forEach(([, { rates, denied, first }], index) => {
    const { colour, dash } = colours.series[index % colours.series.length];
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.beginPath();
    rates.forEach((rate, bin) => {
      const [left, right] = [bin, bin + 1].map((edge) => Math.max(area.left, area.x(first + edge * BIN)));
      if (bin === 0) context.moveTo(left, area.y(rate));
      context.lineTo(left, area.y(rate));
      context.lineTo(right, area.y(rate));
    });
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = colours.bad;
    context.textAlign = "center";
    context.textBaseline = "bottom";
    denied.forEach((count, bin) => {
      const x = area.x(first + (bin + 0.5) * BIN);
      if (count && x > area.left + 4) context.fillText("✕", x, area.bottom - 2 - 9 * (index % 3));
    });
  });
  writeTop(view, area, rateText(top));
}
function drawOutcomes(colours, drawing, outcomes) {
  const { context, width, height } = drawing.begin();
  const most = Math.max(1, Math.min(MOST_OUTCOMES, Math.floor(width / colours.size)));
  const letters = outcomes.slice(-most);
  const step = width / most;
  const wide = Math.max(2, Math.min(step - 2, 12));
  const room = height - colours.size;
  context.font = `${Math.min(colours.size, step)}px sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  [...letters].reverse().forEach((letter, back) => {
    const { height: part, sign } = SIGNS[letter] ?? SIGNS.x;
    const x = width - (back + 0.5) * step;
    context.fillStyle = colours.outcomes[letter] || colours.bad;
    context.fillRect(x - wide / 2, height - part * room, wide, part * room);
    if (sign) context.fillText(sign, x, height - part * room - 2);
  });
  return letters;
}

// judicia_notebook/notebook/live/charts/legend.js
var Line = class {
  constructor() {
    this.swatch = element("span", { class: "jd-swatch", "aria-hidden": "true" });
    this.rate = element("span");
    this.refused = element("span", { class: "jd-bad" });
    this.node = element("li", {}, this.swatch, this.rate, this.refused);
  }
  /**
   * @param {Row} row
   * @param {Colours["series"]} series
   */
  draw({ name, index, rate, refused }, series) {
    const { colour, dash } = series[index % series.length];
    this.swatch.style.borderTop = `3px ${dash.length ? "dashed" : "solid"} ${colour}`;
    setText(this.rate, `${labelOf(name)} ${rateText(rate)}/s`);
    setText(this.refused, refused ? `✕ ${grouped(refused)} denied` : "");
  }
};
var Legend = class {
  constructor() {
    this.series = [];
    this.node = element("ul", { class: "jd-legend", "aria-label": "Host calls a second, by capability" });
    this.list = new KeyedList(
      this.node,
      ({ name }) => name,
      () => new Line(),
      (line2, row) => line2.draw(row, this.series)
    );
  }
  /**
   * @param {Row[]} rows
   * @param {Colours["series"]} series
   */
  render(rows, series) {
    this.series = series;
    this.list.render(rows);
  }
};
var labelOf = (name) => name || "no capability";
var legendRows = (series) => series.map(([name, { now, denied }], index) => ({ name, index, rate: now, refused: sum(denied) }));
function legendTexts(rows) {
  const none = "none in this half minute";
  if (!rows.length) return { total: none, each: none };
  const total = `${rateText(sum(rows.map(({ rate }) => rate)))} in all`;
  const each = rows.map(({ name, rate, refused }) => {
    const denied = refused ? `, ${grouped(refused)} denied` : "";
    return `${labelOf(name)} ${rateText(rate)} a second${denied}`;
  });
  return { total, each: each.join("; ") };
}

// judicia_notebook/notebook/live/charts/charts.js
var DRAWN_EVERY = 80;
var IDLE_EVERY = 1e3;
var TEXT_EVERY = 250;
var SPOKEN_EVERY = 1e3;
var LOOKED_EVERY = 40;
var OLD = "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown is old.";
var PAUSED = "Paused. What happens meanwhile is kept and drawn when you go on.";
var MEMORY = {
  value: (frame) => frame.memory ?? null,
  limit: (frame) => frame.memory_limit ?? null,
  text: sizeText,
  binary: true
};
var CPU = {
  value: (frame) => frame.cpu ?? null,
  limit: (frame) => frame.cpu_limit ?? null,
  text: timeText,
  binary: false
};
var seconds = () => performance.now() / 1e3;
var Charts = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} root
   */
  constructor(model, root) {
    this.session = new LiveSession(model, this);
    this.history = new History();
    this.about = null;
    this.choices = "";
    this.keptOutcomes = null;
    this.fresh = false;
    this.drawnAt = this.writtenAt = this.spokenAt = -Infinity;
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.title = element("h2", { class: "jd-title" });
    this.chooser = element("select", {
      class: "jd-field jd-title",
      "aria-label": "Plugin",
      hidden: true,
      onchange: () => this.session.ask("choose", { op: "choose", plugin: this.chooser.value }),
      onkeydown: (event) => event.stopPropagation()
    });
    this.status = element("div", { class: "jd-status", "data-status": true });
    this.note = element("div", { class: "jd-status", "data-note": true, role: "status" });
    this.button = element(
      "button",
      { type: "button", class: "jd-button", "data-pause": true, "aria-pressed": "false", onclick: () => this.pause() },
      "Pause"
    );
    this.memory = new Drawing("memory", "Memory", 8.5);
    this.cpu = new Drawing("cpu", "CPU time", 8.5);
    this.host = new Drawing("host", "Host calls a second", 8.5);
    this.calls = new Drawing("outcomes", "Outcomes", 3.2);
    this.legend = new Legend();
    this.host.node.append(this.legend.node);
    this.key = element("p", { class: "jd-key jd-muted" });
    this.calls.node.append(this.key);
    const controls = element("div", { class: "jd-group" }, this.button);
    const drawings = [this.memory, this.cpu, this.host, this.calls].map((drawing) => drawing.node);
    this.root = element(
      "div",
      {
        class: "jd-panel jd-charts",
        "data-judicia": "charts",
        role: "region",
        "aria-label": "Plugin charts",
        "data-frames": 0,
        "data-paused": "false"
      },
      element("div", { class: "jd-header" }, this.title, this.chooser, this.status, this.note, controls),
      element("div", { class: "jd-drawings" }, ...drawings)
    );
    this.root.style.setProperty("--jd-scale", String(model.get("scale")));
    this.snapshot = new Snapshot(model, this.root);
    root.append(this.root);
  }
  pause() {
    const paused = this.history.pausedAt === null;
    this.history.pausedAt = paused ? this.history.now(seconds()) : null;
    this.keptOutcomes = paused ? this.history.outcomes : null;
    setAttribute(this.button, "aria-pressed", paused);
    setText(this.button, paused ? "Go on" : "Pause");
    setAttribute(this.root, "data-paused", paused);
    this.drawnAt = this.writtenAt = this.spokenAt = -Infinity;
  }
  // From the kernel
  answered() {
    this.snapshot.answered();
  }
  /** @param {About | Frames} message */
  told(message) {
    if (message.type === "about") this.begin(message);
    else if (message.epoch === this.history.epoch) this.take(JSON.parse(message.frames));
  }
  /** @param {About} about */
  begin(about) {
    this.about = about;
    nameWidget(this.root, about.plugin ? `Charts of ${about.plugin}` : "Charts of no plugin");
    if (this.history.begin(about) && this.history.pausedAt !== null) this.pause();
    const choices = JSON.stringify(about.choices);
    if (choices !== this.choices) {
      this.choices = choices;
      this.chooser.replaceChildren(...(about.choices ?? []).map((name) => element("option", { value: name }, name)));
    }
    this.chooser.value = about.plugin;
    this.chooser.hidden = !about.choices || !about.plugin;
    this.title.hidden = !this.chooser.hidden;
    setText(this.title, about.plugin || "No plugin is loaded");
  }
  /** @param {Frame[]} frames */
  take(frames) {
    if (this.history.take(frames, seconds())) this.fresh = this.history.pausedAt === null;
    setAttribute(this.root, "data-frames", this.history.frames.length);
  }
  // Drawing
  /** What is drawn follows the clock, not the messages; only that the kernel is gone cannot wait. */
  draw() {
    if (this.session.gone) this.drawnAt = -Infinity;
  }
  tick() {
    const now = performance.now();
    const every = this.calm.matches ? SPOKEN_EVERY : this.fresh ? DRAWN_EVERY : IDLE_EVERY;
    if (now - this.drawnAt < every || !this.root.isConnected || !this.root.clientWidth) return;
    this.drawnAt = now;
    this.fresh = false;
    this.drawAll(now);
  }
  /** @param {number} clock */
  drawAll(clock) {
    const { history, root } = this;
    root.classList.toggle("jd-dark", isDark(root));
    root.classList.toggle("jd-stale", !this.session.connected);
    const end = history.end(seconds());
    const frames = history.shown(end);
    const view = { end, window: history.window, paused: history.pausedAt !== null, colours: coloursOf(root) };
    const memory = this.drawUse(view, this.memory, frames, MEMORY);
    const cpu = this.drawUse(view, this.cpu, frames, CPU);
    const host = this.drawHost(view, frames);
    const outcomes = this.drawOutcomes(view, frames);
    if (clock - this.writtenAt >= TEXT_EVERY) {
      this.writtenAt = clock;
      this.memory.say(memory);
      this.cpu.say(cpu);
      this.host.say(host.total);
      this.calls.say(outcomes);
      this.writeStatus(frames.at(-1));
    }
    if (clock - this.spokenAt >= SPOKEN_EVERY) {
      this.spokenAt = clock;
      this.memory.speak(memory);
      this.cpu.speak(cpu);
      this.host.speak(host.each);
      this.calls.speak(outcomes);
    }
  }
  /** @param {Frame | undefined} last */
  writeStatus(last) {
    const { connected } = this.session;
    const note = !connected ? OLD : this.history.pausedAt !== null ? PAUSED : "";
    setText(this.note, note);
    setText(this.status, note ? "" : statusText(this.about, last));
    this.note.classList.toggle("jd-bad", !connected);
  }
  /**
   * @param {View} view
   * @param {Drawing} drawing
   * @param {Frame[]} frames
   * @param {Use} use
   */
  drawUse(view, drawing, frames, use) {
    const scale = scaleOf(frames, use);
    drawUse(view, drawing, frames, use, scale);
    return useText(frames, use, scale);
  }
  /**
   * @param {View} view
   * @param {Frame[]} frames
   */
  drawHost(view, frames) {
    const rates = ratesOf(frames, view.end, view.window);
    const series = [...rates].sort(([first], [second]) => first < second ? -1 : 1);
    const top = rounded(Math.max(1, ...series.flatMap(([, { rates: rates2 }]) => rates2)), false);
    drawRates(view, this.host, series, top);
    const rows = legendRows(series);
    this.legend.render(rows, view.colours.series);
    return legendTexts(rows);
  }
  /**
   * @param {View} view
   * @param {Frame[]} frames
   */
  drawOutcomes(view, frames) {
    const letters = drawOutcomes(view.colours, this.calls, this.keptOutcomes ?? this.history.outcomes);
    setText(this.key, keyText(letters));
    return outcomesText(letters, sum(frames.map((frame) => frame.ended ?? 0)) / view.window);
  }
};
function statusText(about, last) {
  if (!about) return "";
  const running = last?.running ? `${last.running} running` : "";
  const waiting = last?.waiting ? `${grouped(last.waiting)} waiting` : "";
  const facts = [about.state, running, waiting].filter(Boolean).join(" · ");
  return facts || (about.plugin ? "" : "%plugin load example:checker");
}
function render({ model, el }) {
  const charts = new Charts(model, el);
  return charts.session.start(LOOKED_EVERY, () => document.hidden || charts.tick());
}
var charts_default = { render };
export {
  charts_default as default
};
