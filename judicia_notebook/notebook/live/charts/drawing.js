// Drawings on canvases: axes, uses against their limits, host calls, outcomes. What is drawn comes as numbers.

import { element, setAttribute, setText } from "../dom.js";
import { rateText } from "../formatting.js";
import { BIN, MOST_OUTCOMES } from "./history.js";
import { SIGNS } from "./outcomes.js";
import { isOver } from "./scales.js";

/** @import { Frame } from "../messages.d.ts" */
/** @import { Rates } from "./history.js" */
/** @import { Use } from "./scales.js" */

/** @typedef {ReturnType<typeof coloursOf>} Colours */
/** @typedef {ReturnType<typeof axes>} Area */

/**
 * The time axis, and how everything looks.
 *
 * @typedef {object} View
 * @property {number} end Seconds, by the kernel's clock.
 * @property {number} window Seconds that are to be seen.
 * @property {boolean} paused
 * @property {Colours} colours
 */

const REACH = 0.15; // seconds that one frame stands for at most
const LINE_EVERY = 10; // seconds
const DASHES = [[], [7, 3], [2, 3], [10, 3, 2, 3], [4, 2]];

export class Drawing {
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
      this.canvas,
    );
    this.canvas.style.height = `${height}em`;
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
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
}

/** @param {Element} root */
export function coloursOf(root) {
  const style = getComputedStyle(root);
  const of = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const size = Math.max(9, Math.round(parseFloat(style.fontSize) * 0.85));
  const [accent, bad, muted] = [of("--jd-accent"), of("--jd-bad"), of("--jd-muted")];
  /** @type {{ [letter: string]: string }} */
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
    outcomes,
  };
}

/**
 * A frame of axes: the time from left to right, zero to `top` upwards.
 *
 * @param {View} view
 * @param {Drawing} drawing
 * @param {number} top
 */
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
    x: (/** @type {number} */ at) => right - ((end - at) / span) * (right - left),
    y: (/** @type {number} */ value) => bottom - (Math.min(value, top * 1.02) / top) * (bottom - high),
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
    const text = back === 0 ? (view.paused ? "paused" : "now") : `−${back} s`;
    context.fillText(text, area.x(end - back), bottom + 3);
  }
  line(context, left, bottom + 0.5, right, bottom + 0.5);
  return area;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} fromX
 * @param {number} fromY
 * @param {number} toX
 * @param {number} toY
 */
function line(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

/**
 * Writes what the upper end of a scale stands for, over everything else.
 *
 * @param {View} view
 * @param {Area} area
 * @param {string} text
 */
function writeTop({ colours }, { context, left, top }, text) {
  context.fillStyle = colours.muted;
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillText(text, left, top - 2);
}

/**
 * Memory or CPU against the limit that the calls ran under.
 *
 * @param {View} view
 * @param {Drawing} drawing
 * @param {Frame[]} frames
 * @param {Use} use
 * @param {{ top: number, limit: number | null }} scale
 */
export function drawUse(view, drawing, frames, use, { top, limit }) {
  const area = axes(view, drawing, top);
  fillUse(view, area, frames, use);
  if (limit !== null) drawLimit(view, area, frames, use, top);
  writeTop(view, area, use.text(limit ?? top));
}

/**
 * @param {View} view
 * @param {Area} area
 * @param {Frame[]} frames
 * @param {Use} use
 */
function fillUse({ colours }, area, frames, use) {
  const { context } = area;
  /** @type {Frame | null} */
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

/**
 * @param {View} view
 * @param {Area} area
 * @param {Frame[]} frames
 * @param {Use} use
 * @param {number} top
 */
function drawLimit({ colours }, area, frames, use, top) {
  const { context } = area;
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.beginPath();
  /** @type {number | null} */
  let y = null;
  let x = area.left;
  for (const frame of frames) {
    const limit = use.limit(frame);
    /** @type {number | null} */
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

/**
 * Host calls a second, a stepped line for each capability, and a cross where some were denied.
 *
 * @param {View} view
 * @param {Drawing} drawing
 * @param {[name: string, rates: Rates][]} series
 * @param {number} top
 */
export function drawRates(view, drawing, series, top) {
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

/**
 * A bar for each of the last calls, the newest at the right; the letters that there was room for.
 *
 * @param {Colours} colours
 * @param {Drawing} drawing
 * @param {string} outcomes
 */
export function drawOutcomes(colours, drawing, outcomes) {
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
