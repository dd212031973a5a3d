// What charts keep and compute: frames by the kernel's clock, rates in bins, scales, and everything in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BIN, History, MOST_OUTCOMES, ratesOf } from "../../../judicia_notebook/notebook/live/charts/history.js";
import { keyText, outcomesText } from "../../../judicia_notebook/notebook/live/charts/outcomes.js";
import { isOver, rounded, scaleOf, useText } from "../../../judicia_notebook/notebook/live/charts/scales.js";

/** @import { Frame } from "../../../judicia_notebook/notebook/live/messages.d.ts" */
/** @import { Use } from "../../../judicia_notebook/notebook/live/charts/scales.js" */

/** @type {Use} */
const CPU = {
  value: (frame) => frame.cpu ?? null,
  limit: (frame) => frame.cpu_limit ?? null,
  text: (value) => `${value} s`,
  binary: false,
};

const begun = () => {
  const history = new History();
  history.begin({ epoch: 1, outcomes: "oo", window: 30 });
  return history;
};

/** @param {History} history */
const times = (history) => history.frames.map(({ at }) => at);

test("frames that were told before are no news", () => {
  const history = begun();
  assert.ok(history.take([{ at: 1 }, { at: 2 }], 100));
  assert.ok(!history.take([{ at: 1 }, { at: 2 }], 100));
  assert.ok(history.take([{ at: 2 }, { at: 3 }], 101));
  assert.deepEqual(times(history), [1, 2, 3]);
});

test("frames that are too old to be seen are dropped", () => {
  const history = begun();
  history.take([{ at: 1 }, { at: 30 }, { at: 50 }], 100);
  assert.deepEqual(times(history), [30, 50]);
  assert.deepEqual(
    history.shown(50).map(({ at }) => at),
    [30, 50],
  );
  assert.deepEqual(
    history.shown(40).map(({ at }) => at),
    [30],
  );
});

test("the fastest message maps the kernel's clock to the page's", () => {
  const history = begun();
  assert.equal(history.now(100), 0);
  history.take([{ at: 10 }], 100.5);
  history.take([{ at: 11 }], 101.1);
  history.take([{ at: 12 }], 102.9);
  assert.ok(Math.abs(history.now(103) - 12.9) < 1e-9);
});

test("while it is paused frames are kept, and time stands still", () => {
  const history = begun();
  history.take([{ at: 1 }], 100);
  history.pausedAt = history.now(100);
  history.take([{ at: 60 }], 159);
  assert.deepEqual(times(history), [1, 60]);
  assert.equal(history.end(200), 1);
});

test("a new epoch begins with nothing but the outcomes that it is told", () => {
  const history = begun();
  history.take([{ at: 1, outcomes: "x" }], 100);
  assert.equal(history.outcomes, "oox");
  assert.ok(!history.begin({ epoch: 1, outcomes: "zzz", window: 30 }));
  assert.equal(history.outcomes, "oox");
  assert.ok(history.begin({ epoch: 2, outcomes: "q", window: 30 }));
  assert.deepEqual([history.frames, history.outcomes], [[], "q"]);
});

test("only the last outcomes are kept", () => {
  const history = begun();
  history.take([{ at: 1, outcomes: "o".repeat(2 * MOST_OUTCOMES) }], 100);
  history.take([{ at: 2, outcomes: "x" }], 101);
  assert.equal(history.outcomes, `${"o".repeat(MOST_OUTCOMES - 1)}x`);
});

test("host calls are counted in bins of the kernel's clock, none of them twice", () => {
  /** @type {Frame[]} */
  const frames = [
    { at: 10.1, host: { random: [3, 1] } },
    { at: 10.4, host: { random: [2, 0] } },
    { at: 10.6, host: { random: [1, 0], "": [4, 0] } },
    { at: 11.2, host: { random: [100, 0] } }, // in a bin that is not over yet
  ];
  const rates = ratesOf(frames, 11.2, 30);
  assert.deepEqual([...rates.keys()], ["random", ""]);
  assert.deepEqual(rates.get("random"), { first: 10, rates: [5 / BIN, 1 / BIN], denied: [1, 0], now: 6 });
  assert.deepEqual(rates.get("")?.rates, [0, 4 / BIN]);
});

test("scales end at 1, 2 or 5 times a power of ten, or at a power of two", () => {
  assert.equal(rounded(0, false), 1);
  assert.equal(rounded(3, false), 5);
  assert.equal(rounded(5, false), 5);
  assert.equal(rounded(6, false), 10);
  assert.ok(Math.abs(rounded(0.0012, false) - 0.002) < 1e-12);
  assert.equal(rounded(65537, true), 131072);
});

test("a limit is on the scale only where the uses come near it", () => {
  const near = scaleOf([{ at: 1, cpu: 0.9, cpu_limit: 1 }], CPU);
  assert.deepEqual([near.limit, near.top], [1, 1.04]);
  const far = scaleOf([{ at: 1, cpu: 0.01, cpu_limit: 1 }], CPU);
  assert.deepEqual([far.limit, far.top], [null, 0.02]);
  assert.equal(scaleOf([], CPU).limit, null);
});

test("a use that reaches its limit is over it, and says so in words", () => {
  /** @type {Frame[]} */
  const frames = [{ at: 1, cpu: 1, cpu_limit: 1 }];
  assert.ok(isOver(frames[0], CPU));
  assert.ok(!isOver({ at: 1, cpu: 1 }, CPU));
  assert.equal(useText(frames, CPU, scaleOf(frames, CPU)), "▲ 1 s · most 1 s · limit 1 s");
  /** @type {Frame[]} */
  const idle = [{ at: 1, cpu_limit: 1 }];
  assert.equal(useText(idle, CPU, scaleOf(idle, CPU)), "limit 1 s; nothing ran");
  /** @type {Frame[]} */
  const low = [{ at: 1, cpu: 0.01, cpu_limit: 1 }];
  assert.equal(useText(low, CPU, scaleOf(low, CPU)), "0.01 s · most 0.01 s · limit 1 s, above this scale");
  assert.equal(useText([], CPU, scaleOf([], CPU)), "no limit; nothing ran");
});

test("outcomes are counted in words, and their signs are explained", () => {
  assert.equal(outcomesText("", 0), "no call yet");
  assert.equal(outcomesText("ooxq", 1), "last 4: 2 ok, 1 over a quota, 1 failed · 1 call a second");
  assert.equal(keyText(""), "");
  assert.equal(keyText("oox"), "newest at the right · short: ok · ✕ failed");
});
