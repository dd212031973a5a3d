// The page of the live charts. It keeps the frames of the last half minute and draws them; nothing can be changed here.
//
// - `about` says of which plugin the frames are that follow; a new epoch begins with none.
// - `frames` are what happened, by the kernel's clock, which is mapped to the page's by the fastest message so far.
// - Every number that is drawn is also text, in the heading above its drawing.
// It follows page.js in the one module they make.

const ALIVE_EVERY = 5000;
const SILENCE = 5000; // without a word from the kernel for so long, the charts say that they are old
const DRAWN_EVERY = 80; // less than from one frame to the next
const IDLE_EVERY = 1000;
const TEXT_EVERY = 250;
const SPOKEN_EVERY = 1000;
const BIN = 0.5; // seconds over which host calls are counted
const REACH = 0.15; // seconds that one frame stands for at most
const MOST_KEPT = 6000;
const MOST_OUTCOMES = 80;
const NARROW = 5; // a limit further off than this many per cent is shown beside the scale instead of on it

const SIGNS = {
  o: { name: "ok", height: 0.45, sign: "" },
  d: { name: "ok despite denials", height: 0.65, sign: "○" },
  q: { name: "over a quota", height: 1, sign: "▲" },
  x: { name: "failed", height: 1, sign: "✕" },
  c: { name: "cancelled", height: 0.8, sign: "–" },
};

const sizeText = (bytes) => {
  if (bytes === null || bytes === undefined) return "–";
  for (const [unit, factor] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) if (bytes >= factor) return `${short(bytes / factor)} ${unit}`;
  return `${short(bytes)} B`;
};
const timeText = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds >= 60) return `${short(seconds / 60)} min`;
  if (seconds >= 1) return `${short(seconds)} s`;
  return seconds >= 1e-3 || seconds === 0 ? `${short(seconds * 1e3)} ms` : `${short(seconds * 1e6)} µs`;
};
const short = (number) => (number >= 100 ? grouped(Math.round(number)) : String(Number(number.toPrecision(3))));
const rateText = (rate) => grouped(rate >= 10 || rate === 0 ? Math.round(rate) : Number(rate.toPrecision(2)));

/** The smallest of 1, 2 or 5 times a power of ten, or of two for sizes, that is not below a number. */
function rounded(number, binary) {
  if (!(number > 0)) return 1;
  if (binary) return 2 ** Math.ceil(Math.log2(number));
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= number * 0.999999);
}

class Drawing {
  constructor(name, title, height) {
    this.title = title;
    this.canvas = element("canvas", { role: "img", "aria-label": title });
    this.text = element("span", { class: "jd-figures" });
    this.node = element("figure", { class: "jd-figure", "data-chart": name },
      element("figcaption", { class: "jd-caption" }, element("h3", {}, title), this.text), this.canvas);
    this.canvas.style.height = `${height}em`;
  }

  /** A context in CSS pixels, cleared, with its size. */
  begin() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const density = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    const context = canvas.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  }

  say(text) {
    setText(this.text, text);
  }

  speak(text) {
    setAttribute(this.canvas, "aria-label", `${this.title}: ${text}`);
  }
}

class Charts {
  constructor(model, root) {
    this.model = model;
    this.view = unique("view");
    this.frames = [];
    this.outcomes = "";
    this.epoch = null;
    this.window = 30;
    this.offset = Infinity;
    this.pausedAt = null;
    this.heardAt = performance.now();
    this.drawnAt = this.writtenAt = this.spokenAt = -Infinity;
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.build(root);
  }

  build(root) {
    this.title = element("h2", { class: "jd-title" });
    this.chooser = element("select", { class: "jd-field jd-title", "aria-label": "Plugin", hidden: true,
      onchange: () => this.send({ type: "do", id: unique("choose"), op: "choose", plugin: this.chooser.value }), onkeydown: (event) => event.stopPropagation() });
    this.status = element("div", { class: "jd-status", "data-status": true });
    this.note = element("div", { class: "jd-status", "data-note": true, role: "status" }); // apart: numbers would never let a screen reader rest
    this.button = element("button", { type: "button", class: "jd-button", "data-pause": true, "aria-pressed": "false", onclick: () => this.pause() }, "Pause");
    this.memory = new Drawing("memory", "Memory", 8.5);
    this.cpu = new Drawing("cpu", "CPU time", 8.5);
    this.host = new Drawing("host", "Host calls a second", 8.5);
    this.calls = new Drawing("outcomes", "Outcomes", 3.2);
    this.legend = element("ul", { class: "jd-legend", "aria-label": "Host calls a second, by capability" });
    this.host.node.append(this.legend);
    this.key = element("p", { class: "jd-key jd-muted" });
    this.calls.node.append(this.key);
    this.root = element("div", { class: "jd-panel jd-charts", "data-judicia": "charts", role: "region", "aria-label": "Plugin charts", "data-frames": 0, "data-paused": false },
      element("div", { class: "jd-header" }, this.title, this.chooser, this.status, this.note, element("div", { class: "jd-group" }, this.button)),
      element("div", { class: "jd-drawings" }, this.memory.node, this.cpu.node, this.host.node, this.calls.node));
    this.root.style.setProperty("--jd-scale", this.model.get("scale"));
    root.append(this.root);
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      this.gone = true;
    }
  }

  disconnect() {
    this.gone = true;
    this.drawnAt = -Infinity;
  }

  get connected() {
    return !this.gone && performance.now() - this.heardAt < SILENCE;
  }

  pause() {
    const paused = this.pausedAt === null;
    this.pausedAt = paused ? this.now() : null;
    setAttribute(this.button, "aria-pressed", paused);
    setText(this.button, paused ? "Go on" : "Pause");
    setAttribute(this.root, "data-paused", paused);
    this.drawnAt = this.writtenAt = this.spokenAt = -Infinity;
  }

  // From the kernel

  hear(message) {
    this.heardAt = performance.now();
    this.gone = false;
    if (message.view && message.view !== this.view) return;
    if (message.type === "about") this.begin(message);
    else if (message.type === "frames" && message.epoch === this.epoch) this.take(JSON.parse(message.frames));
  }

  begin(message) {
    this.about = message;
    nameWidget(this.root, message.plugin ? `Charts of ${message.plugin}` : "Charts of no plugin");
    this.window = message.window;
    if (message.epoch !== this.epoch) {
      this.epoch = message.epoch;
      this.frames = [];
      this.offset = Infinity;
      this.outcomes = message.outcomes;
      if (this.pausedAt !== null) this.pause();
    }
    const key = JSON.stringify(message.choices);
    if (key !== this.choicesKey) {
      this.choicesKey = key;
      this.chooser.replaceChildren(...(message.choices || []).map((name) => element("option", { value: name }, name)));
    }
    this.chooser.value = message.plugin;
    this.chooser.hidden = !message.choices || !message.plugin;
    this.title.hidden = !this.chooser.hidden;
    setText(this.title, message.plugin || "No plugin is loaded");
  }

  take(frames) {
    const last = this.frames.length ? this.frames[this.frames.length - 1].at : -1;
    for (const frame of frames) {
      if (frame.at <= last) continue; // another view has just been told of it
      this.offset = Math.min(this.offset, performance.now() / 1000 - frame.at);
      this.frames.push(frame);
      this.fresh = this.pausedAt === null;
      this.outcomes = (this.outcomes + (frame.outcomes || "")).slice(-MOST_OUTCOMES);
    }
    const from = (this.pausedAt ?? this.now()) - this.window - 2;
    let old = 0;
    while (old < this.frames.length && this.frames[old].at < from) old += 1;
    this.frames.splice(0, Math.max(old, this.frames.length - MOST_KEPT));
    setAttribute(this.root, "data-frames", this.frames.length);
  }

  /** The kernel's clock now. */
  now() {
    return Number.isFinite(this.offset) ? performance.now() / 1000 - this.offset : 0;
  }

  // Drawing

  tick() {
    const now = performance.now();
    // Between frames only the time axis moves: for that once a second will do, and an idle page costs next to nothing.
    const every = this.calm.matches ? SPOKEN_EVERY : this.fresh ? DRAWN_EVERY : IDLE_EVERY;
    if (now - this.drawnAt < every || !this.root.isConnected || !this.root.clientWidth) return;
    this.drawnAt = now;
    this.fresh = false;
    this.draw(now);
  }

  draw(clock) {
    const { root } = this;
    root.classList.toggle("jd-dark", isDark(root));
    root.classList.toggle("jd-stale", !this.connected);
    this.colours = coloursOf(root);
    const end = this.pausedAt ?? this.now();
    const frames = this.frames.filter((frame) => frame.at > end - this.window - 1 && frame.at <= end);
    const texts = {
      memory: drawUse(this, this.memory, frames, end, "memory", sizeText, true),
      cpu: drawUse(this, this.cpu, frames, end, "cpu", timeText, false),
      host: this.drawHost(frames, end),
      outcomes: this.drawOutcomes(frames),
    };
    texts.hostTotal = texts.host.total;
    texts.host = texts.host.each;
    if (clock - this.writtenAt >= TEXT_EVERY) {
      this.writtenAt = clock;
      this.write(texts, frames);
    }
    if (clock - this.spokenAt >= SPOKEN_EVERY) {
      this.spokenAt = clock;
      this.memory.speak(texts.memory);
      this.cpu.speak(texts.cpu);
      this.host.speak(texts.host);
      this.calls.speak(texts.outcomes);
    }
  }

  write(texts, frames) {
    this.memory.say(texts.memory);
    this.cpu.say(texts.cpu);
    this.host.say(texts.hostTotal);
    this.calls.say(texts.outcomes);
    const last = frames[frames.length - 1];
    const running = last ? last.running || 0 : 0;
    const state = this.about ? this.about.state : "";
    const facts = [state, running ? `${running} running` : "", last && last.waiting ? `${grouped(last.waiting)} waiting` : ""];
    const note = !this.connected ? "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown is old."
      : this.pausedAt !== null ? "Paused. What happens meanwhile is kept and drawn when you go on." : "";
    setText(this.note, note);
    setText(this.status, note ? "" : facts.filter(Boolean).join(" · ") || (this.about && !this.about.plugin ? "%plugin load example:checker" : ""));
    this.note.classList.toggle("jd-bad", !this.connected);
  }

  drawHost(frames, end) {
    const rates = ratesOf(frames, end, this.window);
    const names = [...rates.keys()].sort();
    const top = rounded(Math.max(1, ...[...rates.values()].flatMap((one) => one.rates)), false);
    const area = axes(this, this.host, end, top, (value) => rateText(value));
    const { context } = area;
    const series = this.colours.series;
    names.forEach((name, index) => {
      const { rates: values, denied, first } = rates.get(name);
      const { colour, dash } = series[index % series.length];
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = 2;
      context.setLineDash(dash);
      context.beginPath();
      values.forEach((value, bin) => {
        const [left, right] = [first + bin * BIN, first + (bin + 1) * BIN].map((at) => Math.max(area.left, area.x(at)));
        if (bin === 0) context.moveTo(left, area.y(value));
        context.lineTo(left, area.y(value));
        context.lineTo(right, area.y(value));
      });
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = this.colours.bad;
      context.textAlign = "center";
      context.textBaseline = "bottom";
      denied.forEach((count, bin) => {
        const x = area.x(first + (bin + 0.5) * BIN);
        if (count && x > area.left + 4) context.fillText("✕", x, area.bottom - 2 - 9 * (index % 3));
      });
    });
    area.finish();
    return this.legendOf(names, rates);
  }

  legendOf(names, rates) {
    const series = this.colours.series;
    const rows = names.map((name, index) => {
      const one = rates.get(name);
      const refused = one.denied.reduce((sum, count) => sum + count, 0);
      return { name, index, rate: one.now, refused };
    });
    reconcile(this.legend, rows, (row) => row.name, () => legendRow(), (node, row) => {
      const { colour, dash } = series[row.index % series.length];
      node.children[0].style.borderTop = `3px ${dash.length ? "dashed" : "solid"} ${colour}`;
      setText(node.children[1], `${row.name || "no capability"} ${rateText(row.rate)}/s`);
      setText(node.children[2], row.refused ? `✕ ${grouped(row.refused)} denied` : "");
    });
    if (!rows.length) return { total: "none in this half minute", each: "none in this half minute" };
    const total = `${rateText(rows.reduce((sum, row) => sum + row.rate, 0))} in all`;
    const each = rows.map((row) => `${row.name || "no capability"} ${rateText(row.rate)} a second${row.refused ? `, ${grouped(row.refused)} denied` : ""}`).join("; ");
    return { total, each };
  }

  drawOutcomes(frames) {
    if (this.pausedAt === null) this.keptOutcomes = undefined;
    else if (this.keptOutcomes === undefined) this.keptOutcomes = this.outcomes;
    const { context, width, height } = this.calls.begin();
    const { colours } = this;
    const most = Math.max(1, Math.min(MOST_OUTCOMES, Math.floor(width / colours.size)));
    const letters = (this.keptOutcomes ?? this.outcomes).slice(-most);
    const step = width / most;
    const wide = Math.max(2, Math.min(step - 2, 12));
    const room = height - colours.size;
    context.font = `${Math.min(colours.size, step)}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    [...letters].reverse().forEach((letter, back) => {
      const { height: part, sign } = SIGNS[letter] || SIGNS.x;
      const x = width - (back + 0.5) * step;
      context.fillStyle = colours.outcomes[letter] || colours.bad;
      context.fillRect(x - wide / 2, height - part * room, wide, part * room);
      if (sign) context.fillText(sign, x, height - part * room - 2);
    });
    const rate = frames.reduce((sum, frame) => sum + (frame.ended || 0), 0) / this.window;
    this.drawKey(letters);
    const counted = Object.entries(SIGNS).map(([letter, { name }]) => [[...letters].filter((one) => one === letter).length, name]).filter(([count]) => count);
    if (!letters) return "no call yet";
    return `last ${letters.length}: ${counted.map(([count, name]) => `${count} ${name}`).join(", ")} · ${rateText(rate)} call${rateText(rate) === "1" ? "" : "s"} a second`;
  }

  drawKey(letters) {
    const shown = Object.entries(SIGNS).filter(([letter, { sign }]) => sign && letters.includes(letter));
    setText(this.key, letters ? ["newest at the right", "short: ok", ...shown.map(([, { sign, name }]) => `${sign} ${name}`)].join(" · ") : "");
  }
}

function legendRow() {
  return element("li", {}, element("span", { class: "jd-swatch", "aria-hidden": "true" }), element("span", {}), element("span", { class: "jd-bad" }));
}

/** Host calls a second in bins of the kernel's clock, so that a bin keeps its place and its height as time goes on. */
function ratesOf(frames, end, span) {
  const found = new Map();
  const known = frames.length ? Math.max(end - span, frames[0].at) : end - span;
  const start = Math.floor(known / BIN) * BIN;
  const bins = Math.max(1, Math.floor((end - start) / BIN));
  for (const frame of frames) {
    const bin = Math.floor((frame.at - start) / BIN);
    if (bin < 0 || bin >= bins) continue;
    for (const [name, [calls, denied]] of Object.entries(frame.host || {})) {
      if (!found.has(name)) found.set(name, { first: start, rates: new Array(bins).fill(0), denied: new Array(bins).fill(0), now: 0 });
      const one = found.get(name);
      one.rates[bin] += calls / BIN;
      one.denied[bin] += denied;
    }
  }
  for (const one of found.values()) {
    const last = one.rates.slice(-2);
    one.now = last.reduce((sum, rate) => sum + rate, 0) / last.length;
  }
  return found;
}

// Axes and lines -----------------------------------------------------------------------------------------------------

/** A frame of axes: the time from left to right, zero to `top` upwards. */
function axes(charts, drawing, end, top, textOf) {
  const { context, width, height } = drawing.begin();
  const { colours } = charts;
  const area = { context, left: 1, right: width - 1, top: colours.size + 4, bottom: height - colours.size - 6 };
  area.x = (at) => area.right - ((end - at) / charts.window) * (area.right - area.left);
  area.y = (value) => area.bottom - (Math.min(value, top * 1.02) / top) * (area.bottom - area.top);
  context.font = colours.font;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.fillStyle = colours.muted;
  for (let back = 0; back <= charts.window; back += 10) {
    const x = Math.round(area.x(end - back)) + 0.5;
    context.beginPath();
    context.moveTo(x, area.top);
    context.lineTo(x, area.bottom);
    context.stroke();
    context.textAlign = back === 0 ? "right" : back >= charts.window ? "left" : "center";
    context.textBaseline = "top";
    context.fillText(back === 0 ? (charts.pausedAt === null ? "now" : "paused") : `−${back} s`, area.x(end - back), area.bottom + 3);
  }
  context.beginPath();
  context.moveTo(area.left, area.bottom + 0.5);
  context.lineTo(area.right, area.bottom + 0.5);
  context.stroke();
  area.finish = () => {
    context.fillStyle = colours.muted;
    context.textAlign = "left";
    context.textBaseline = "bottom";
    context.fillText(textOf(top), area.left, area.top - 2);
  };
  return area;
}

/** Memory or CPU against the limit that the calls ran under. Answers what it shows, as text. */
function drawUse(charts, drawing, frames, end, kind, textOf, binary) {
  const limitKey = `${kind}_limit`;
  const valueOf = (frame) => frame[kind] ?? null;
  const limitOf = (frame) => frame[limitKey] ?? null;
  const most = Math.max(0, ...frames.map((frame) => valueOf(frame) ?? 0));
  const limits = frames.map(limitOf).filter((limit) => limit !== null);
  const highest = limits.length ? Math.max(...limits) : null;
  const near = highest !== null && most * 100 >= highest * NARROW;
  const top = near ? Math.max(highest, most) * 1.04 : rounded(most * 1.2 || (binary ? 65536 : 1e-3), binary);
  const area = axes(charts, drawing, end, top, (value) => textOf(near ? highest : value));
  fillUse(charts, area, frames, valueOf, limitOf);
  if (near) drawLimit(charts, area, frames, limitOf, top);
  area.finish();
  const last = [...frames].reverse().find((frame) => valueOf(frame) !== null);
  const limit = frames.length ? limitOf(frames[frames.length - 1]) : null;
  const over = last && limitOf(last) !== null && valueOf(last) >= limitOf(last);
  const bound = limit === null ? "no limit" : `limit ${textOf(limit)}${near || !last ? "" : ", above this scale"}`;
  if (!last) return `${bound}; nothing ran`;
  return `${over ? "▲ " : ""}${textOf(valueOf(last))} · most ${textOf(most)} · ${bound}`;
}

function fillUse(charts, area, frames, valueOf, limitOf) {
  const { context } = area;
  const { accent, bad } = charts.colours;
  let before = null;
  let wasOver = false;
  for (const frame of frames) {
    const value = valueOf(frame);
    const from = Math.max(before ? Math.max(before.at, frame.at - REACH) : frame.at - REACH, 0);
    before = frame;
    if (value === null) continue;
    const [left, right] = [Math.max(area.left, area.x(from)), area.x(frame.at)];
    const over = limitOf(frame) !== null && value >= limitOf(frame);
    const y = area.y(value);
    context.globalAlpha = 0.25;
    context.fillStyle = over ? bad : accent;
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

function drawLimit(charts, area, frames, limitOf, top) {
  const { context } = area;
  context.strokeStyle = charts.colours.ink;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.beginPath();
  let y = null;
  let x = area.left;
  for (const frame of frames) {
    const limit = limitOf(frame);
    const next = limit === null || limit > top ? null : area.y(limit);
    const at = Math.max(area.left, area.x(frame.at));
    if (y !== null) context.lineTo(at, y);
    if (next !== null && next !== y) (y === null ? context.moveTo(x, next) : context.lineTo(at, next));
    [x, y] = [at, next];
  }
  if (y !== null) context.lineTo(area.right, y);
  context.stroke();
  context.setLineDash([]);
}

function coloursOf(root) {
  const style = getComputedStyle(root);
  const of = (name) => style.getPropertyValue(name).trim();
  const names = ["--jd-series-1", "--jd-series-2", "--jd-series-3", "--jd-series-4", "--jd-series-5"];
  const size = Math.max(9, Math.round(parseFloat(style.fontSize) * 0.85));
  const dashes = [[], [7, 3], [2, 3], [10, 3, 2, 3], [4, 2]];
  return {
    accent: of("--jd-accent"), bad: of("--jd-bad"), ink: style.color, muted: of("--jd-muted"), line: of("--jd-line"),
    size, font: `${size}px ${style.fontFamily}`,
    series: names.map((name, index) => ({ colour: of(name), dash: dashes[index] })),
    outcomes: { o: of("--jd-accent"), d: of("--jd-series-2"), q: of("--jd-bad"), x: of("--jd-bad"), c: of("--jd-muted") },
  };
}

function render({ model, el }) {
  const charts = new Charts(model, el);
  const hear = (message) => charts.hear(message);
  const lost = () => charts.disconnect();
  model.on("msg:custom", hear);
  model.on("comm_live_update", lost);
  model.on("comm:close", lost);
  charts.send({ type: "hello", view: charts.view });
  const alive = setInterval(() => charts.send({ type: "alive", view: charts.view }), ALIVE_EVERY);
  const beat = setInterval(() => document.hidden || charts.tick(), 40); // animation frames would keep the page painting
  const leave = () => charts.send({ type: "bye", view: charts.view });
  window.addEventListener("pagehide", leave);
  return () => {
    clearInterval(beat);
    clearInterval(alive);
    window.removeEventListener("pagehide", leave);
    leave();
    model.off("msg:custom", hear);
    model.off("comm_live_update", lost);
    model.off("comm:close", lost);
  };
}

export default { render };
