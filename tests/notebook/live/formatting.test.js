// Numbers as the pages write them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, grouped, rateText, sizeText, timeText } from "../../../judicia_notebook/notebook/live/formatting.js";

const THIN = "\u202f";

test("digits stand in groups of three", () => {
  assert.equal(grouped(0), "0");
  assert.equal(grouped(999), "999");
  assert.equal(grouped(1234567), `1${THIN}234${THIN}567`);
});

test("a count has its noun in the right number", () => {
  assert.equal(counted(1, "call"), "1 call");
  assert.equal(counted(0, "call"), "0 calls");
  assert.equal(counted(12000, "host call"), `12${THIN}000 host calls`);
});

test("sizes have the largest unit that they fill, and three digits", () => {
  assert.equal(sizeText(null), "–");
  assert.equal(sizeText(1023), `1${THIN}023 B`);
  assert.equal(sizeText(1024), "1 KiB");
  assert.equal(sizeText(17 * 2 ** 20 + 2 ** 19), "17.5 MiB");
  assert.equal(sizeText(3 * 2 ** 30), "3 GiB");
});

test("times have the unit that people read them in", () => {
  assert.equal(timeText(undefined), "–");
  assert.equal(timeText(0), "0 ms");
  assert.equal(timeText(12e-6), "12 µs");
  assert.equal(timeText(0.0501), "50.1 ms");
  assert.equal(timeText(1.5), "1.5 s");
  assert.equal(timeText(90), "1.5 min");
});

test("rates have two digits below ten, and no fraction above", () => {
  assert.equal(rateText(0), "0");
  assert.equal(rateText(1.239), "1.2");
  assert.equal(rateText(10.6), "11");
  assert.equal(rateText(12345.6), `12${THIN}346`);
});
