// The page of the live charts. It keeps the frames of the last half minute and draws them; nothing can be changed here.
//
// - `about` says of which plugin the frames are that follow; a new epoch begins with none.
// - `frames` are what happened, by the kernel's clock.
// - Every number that is drawn is also text, in the heading above its drawing.

import { element, isDark, nameWidget, setAttribute, setText } from "../dom.js";
import { grouped, sizeText, timeText } from "../formatting.js";
import { LiveSession } from "../session.js";
import { Snapshot } from "../snapshot.js";
import { coloursOf, Drawing, drawOutcomes, drawRates, drawUse } from "./drawing.js";
import { History, ratesOf, sum } from "./history.js";
import { Legend, legendRows, legendTexts } from "./legend.js";
import { keyText, outcomesText } from "./outcomes.js";
import { rounded, scaleOf, useText } from "./scales.js";

/** @import { About, Frame, Frames } from "../messages.d.ts" */
/** @import { Model } from "../session.js" */
/** @import { View } from "./drawing.js" */
/** @import { Use } from "./scales.js" */

const DRAWN_EVERY = 80; // less than from one frame to the next
const IDLE_EVERY = 1000;
const TEXT_EVERY = 250;
const SPOKEN_EVERY = 1000;
const LOOKED_EVERY = 40; // animation frames would keep the page painting
const OLD = "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown is old.";
const PAUSED = "Paused. What happens meanwhile is kept and drawn when you go on.";

/** @type {Use} */
const MEMORY = {
  value: (frame) => frame.memory ?? null,
  limit: (frame) => frame.memory_limit ?? null,
  text: sizeText,
  binary: true,
};
/** @type {Use} */
const CPU = {
  value: (frame) => frame.cpu ?? null,
  limit: (frame) => frame.cpu_limit ?? null,
  text: timeText,
  binary: false,
};

const seconds = () => performance.now() / 1000;

class Charts {
  /**
   * @param {Model} model
   * @param {HTMLElement} root
   */
  constructor(model, root) {
    /** @type {LiveSession<never>} */
    this.session = new LiveSession(model, this);
    this.history = new History();
    /** @type {About | null} */
    this.about = null;
    this.choices = "";
    /** @type {string | null} */
    this.keptOutcomes = null; // as they were when it was paused
    this.fresh = false;
    this.drawnAt = this.writtenAt = this.spokenAt = -Infinity;
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.title = element("h2", { class: "jd-title" });
    this.chooser = element("select", {
      class: "jd-field jd-title",
      "aria-label": "Plugin",
      hidden: true,
      onchange: () => this.session.ask("choose", { op: "choose", plugin: this.chooser.value }),
      onkeydown: (event) => event.stopPropagation(),
    });
    this.status = element("div", { class: "jd-status", "data-status": true });
    this.note = element("div", { class: "jd-status", "data-note": true, role: "status" }); // apart: numbers would never let a screen reader rest
    this.button = element(
      "button",
      { type: "button", class: "jd-button", "data-pause": true, "aria-pressed": "false", onclick: () => this.pause() },
      "Pause",
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
        "data-paused": "false",
      },
      element("div", { class: "jd-header" }, this.title, this.chooser, this.status, this.note, controls),
      element("div", { class: "jd-drawings" }, ...drawings),
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
    // Between frames only the time axis moves: for that once a second will do, and an idle page costs next to nothing.
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
    /** @type {View} */
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
    const series = [...rates].sort(([first], [second]) => (first < second ? -1 : 1));
    const top = rounded(Math.max(1, ...series.flatMap(([, { rates }]) => rates)), false);
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
}

/**
 * @param {About | null} about
 * @param {Frame | undefined} last
 */
function statusText(about, last) {
  if (!about) return "";
  const running = last?.running ? `${last.running} running` : "";
  const waiting = last?.waiting ? `${grouped(last.waiting)} waiting` : "";
  const facts = [about.state, running, waiting].filter(Boolean).join(" · ");
  return facts || (about.plugin ? "" : "%plugin load example:checker");
}

/** @param {{ model: Model, el: HTMLElement }} place */
function render({ model, el }) {
  const charts = new Charts(model, el);
  return charts.session.start(LOOKED_EVERY, () => document.hidden || charts.tick());
}

export default { render };
