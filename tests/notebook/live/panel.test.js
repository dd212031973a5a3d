// What the panel says in words, and where keys lead.

import assert from "node:assert/strict";
import { test } from "node:test";
import { costText } from "../../../judicia_notebook/notebook/live/panel/call_form.js";
import { nextTab } from "../../../judicia_notebook/notebook/live/panel/tabs.js";

const ANSWER = { function: "f", ok: true, text: "1", cost: "p.f · 2 ms", made: 1, failed: 0 };

test("arrows lead round all tabs, Home and End to the ends, other keys nowhere", () => {
  const names = ["running", "calls", "log"];
  assert.equal(nextTab(names, "running", "ArrowRight"), "calls");
  assert.equal(nextTab(names, "log", "ArrowRight"), "running");
  assert.equal(nextTab(names, "running", "ArrowLeft"), "log");
  assert.equal(nextTab(names, "calls", "End"), "log");
  assert.equal(nextTab(names, "calls", "Home"), "running");
  for (const key of ["a", "Enter", "toString", "constructor"]) assert.equal(nextTab(names, "calls", key), null);
});

test("the cost of many calls says how many there were", () => {
  assert.equal(costText(null, ""), "");
  assert.equal(costText(ANSWER, ""), "p.f · 2 ms");
  assert.equal(costText({ ...ANSWER, made: 3, failed: 1 }, ""), "3 calls, 1 failed · last: p.f · 2 ms");
  assert.equal(costText(ANSWER, "p.f every 5 ms"), "p.f every 5 ms · 1 call, 0 failed · last: p.f · 2 ms");
});
