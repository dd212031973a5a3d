// Scopes as they are typed, and what a switch asks the kernel for.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CAPABILITY_TAGS,
  grantsFor,
  importTag,
  scopesIn,
  scopesOf,
  tagOf,
} from "../../../judicia_notebook/notebook/live/panel/grants.js";

test("scopes are parted by a comma with a space, at the end, or before an address", () => {
  assert.deepEqual(scopesIn("a, b"), ["a", "b"]);
  assert.deepEqual(scopesIn("a,b"), ["a,b"]);
  assert.deepEqual(scopesIn("https://a.org,https://b.org"), ["https://a.org", "https://b.org"]);
  assert.deepEqual(scopesIn(" a,"), ["a"]);
});

test("nothing typed is no scope, not an empty one", () => {
  for (const text of ["", "  ", ",", " , "]) assert.deepEqual(scopesIn(text), [], JSON.stringify(text));
});

test("the scope of a grant is all behind its first sign of equality", () => {
  assert.deepEqual(scopesOf(["random", "file_read=/a=b"]), ["/a=b"]);
});

test("a switch grants what was typed beside it, else what is offered, and nothing else", () => {
  const row = { name: "network_access", offered: ["network_access=https://a.org"] };
  assert.deepEqual(grantsFor(row, ""), ["network_access=https://a.org"]);
  assert.deepEqual(grantsFor(row, "https://b.org"), ["network_access=https://b.org"]);
  assert.deepEqual(grantsFor({ ...row, offered: [] }, ""), []);
  assert.deepEqual(grantsFor(row, ","), [], "a comma alone is no grant without a scope");
});

test("every row has a tag that is explained", () => {
  const row = { asked: [""].slice(1), granted: false, imported: false, refused: [""].slice(1) };
  assert.equal(tagOf(row), "revoked");
  assert.equal(tagOf({ ...row, asked: ["random"] }), "missing");
  assert.equal(tagOf({ ...row, asked: ["random"], granted: true }), "asked");
  assert.equal(tagOf({ ...row, granted: true }), "unasked");
  assert.equal(tagOf({ ...row, granted: true, imported: true }), "imported");
  assert.equal(tagOf({ ...row, refused: ["random="] }), "refused");
  for (const tag of ["missing", "unasked", "asked", "imported", "refused", "revoked"])
    assert.equal(CAPABILITY_TAGS[tag].length, 2);
});

test("an import that is on says whether its own grant or something wider allows it", () => {
  const row = { grant: "imports=env.now", granted: false, asked: false, by: [""].slice(1) };
  assert.equal(importTag(row)[1], "not granted");
  assert.equal(importTag({ ...row, asked: true })[0], "missing");
  assert.equal(importTag({ ...row, granted: true, by: ["imports=env.now"] })[1], "granted");
  assert.equal(importTag({ ...row, granted: true, by: ["imports"] })[1], "allowed by imports");
  const both = { ...row, granted: true, by: ["imports=env.now", "imports", "random"] };
  assert.equal(importTag(both)[1], "allowed by imports, random");
});
