// What charts keep of the last half minute: the frames, by the kernel's clock, and the outcomes of the last calls.
//
// The kernel's clock is mapped to the page's by the fastest message so far. Nothing here knows a page.

/** @import { About, Frame } from "../messages.d.ts" */

/** @typedef {{ first: number, rates: number[], denied: number[], now: number }} Rates */

export const BIN = 0.5; // seconds over which host calls are counted
export const MOST_OUTCOMES = 80;
const MOST_KEPT = 6000;
const SLACK = 2; // seconds that a frame is kept for beyond what is shown

export class History {
  constructor() {
    /** @type {Frame[]} */
    this.frames = [];
    this.outcomes = "";
    /** @type {number | null} */
    this.epoch = null;
    this.window = 30;
    this.offset = Infinity; // seconds from the kernel's clock to the page's
    /** @type {number | null} */
    this.pausedAt = null;
  }

  /**
   * Frames of this epoch follow; whether it is another one than before, which begins with none.
   *
   * @param {Pick<About, "epoch" | "outcomes" | "window">} about
   */
  begin({ epoch, outcomes, window }) {
    this.window = window;
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
    const news = frames.filter((frame) => frame.at > last); // another view may have just been told of the others
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
}

/**
 * Host calls a second by capability, in bins of the kernel's clock, so that a bin keeps its place and its height as time
 * goes on.
 *
 * @param {Frame[]} frames
 * @param {number} end
 * @param {number} span Seconds.
 */
export function ratesOf(frames, end, span) {
  /** @type {Map<string, Rates>} */
  const found = new Map();
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

/** @param {number[]} numbers */
export const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
