// Quotas on a slider: a place and its value belong together, and a thumb that goes down never raises a limit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { amount, dragged, place, valueAt } from "../../../judicia_notebook/notebook/live/panel/slider.js";

const MEMORY = { least: 65536, most: 2 ** 30, unit: "bytes", value: 16 * 2 ** 20 };
const CPU = { least: 0.001, most: 60, unit: "s", value: 0.05 };
const FUEL = { least: 1e3, most: 1e12, unit: "instructions", value: null };

test("the ends of the slider are the ends of its scale", () => {
  for (const row of [MEMORY, CPU, FUEL]) {
    assert.equal(place(row, row.least), 0);
    assert.equal(place(row, row.least / 2), 0);
    assert.equal(place(row, row.most), 100);
    assert.equal(place(row, row.most * 2), 100);
    assert.equal(valueAt(row, 100), row.most);
  }
});

test("the scale is logarithmic", () => {
  assert.ok(Math.abs(place({ ...CPU, least: 1, most: 100 }, 10) - 50) < 1e-9);
});

test("values are rounded to two digits, and bytes to whole KiB or MiB", () => {
  assert.equal(valueAt(CPU, place(CPU, 0.01234)), 0.012);
  assert.equal(valueAt(MEMORY, place(MEMORY, 12.34 * 2 ** 20)), 12 * 2 ** 20);
  assert.equal(valueAt(MEMORY, place(MEMORY, 123456)) % 1024, 0);
  assert.ok(Number.isInteger(valueAt(FUEL, 33.3)));
});

test("rounding never leads above the end", () => {
  const row = { ...CPU, most: 0.0555 };
  assert.ok(valueAt(row, 99.99) <= row.most);
});

test("a thumb that goes down never raises the limit", () => {
  const row = { ...CPU, value: 0.0516 }; // in two digits it would be 0.052
  for (let position = 0; position <= place(row, row.value); position += 0.01)
    assert.ok(dragged(row, position) <= row.value, String(position));
  assert.ok(dragged(row, place(row, 0.0529)) > 0.0516);
});

test("without a limit every place is its value", () => {
  assert.equal(dragged(FUEL, 50), valueAt(FUEL, 50));
});

test("a value is said with its unit while the thumb moves", () => {
  assert.equal(amount(MEMORY, 16 * 2 ** 20), "16 MiB");
  assert.equal(amount(MEMORY, 65536), "64 KiB");
  assert.equal(amount(CPU, 0.05), "50 ms");
  assert.equal(amount(CPU, 1.5), "1.5 s");
  assert.equal(amount(FUEL, 1000), "1\u202f000");
});
