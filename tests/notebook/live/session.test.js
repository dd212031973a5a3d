// A page's half of a live session: what it says, what it takes for true, and when it calls what is shown old.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { ALIVE_EVERY, LiveSession, PATIENCE, SILENCE } from "../../../judicia_notebook/notebook/live/session.js";

/** @import { About, Failure, Said } from "../../../judicia_notebook/notebook/live/messages.d.ts" */

/** A comm that keeps what is said to the kernel. */
class Comm {
  constructor() {
    /** @type {any[]} */
    this.said = [];
    this.broken = false;
    /** @type {Map<string, (message: any) => void>} */
    this.listeners = new Map();
  }

  get() {
    return 1;
  }

  /** @param {unknown} content */
  send(content) {
    if (this.broken) throw new Error("the comm is gone");
    this.said.push(content);
  }

  /**
   * @param {string} event
   * @param {(message: any) => void} callback
   */
  on(event, callback) {
    this.listeners.set(event, callback);
  }

  /** @param {string} event */
  off(event) {
    this.listeners.delete(event);
  }

  get types() {
    return this.said.map(({ type }) => type);
  }
}

/** A page that keeps what it is told. */
class Page {
  constructor() {
    this.drawn = 0;
    /** @type {string[]} */
    this.finished = [];
    /** @type {[string, string][]} */
    this.refusals = [];
    /** @type {unknown[]} */
    this.heard = [];
  }

  draw() {
    this.drawn += 1;
  }

  /** @param {{ control: string }} waiting */
  done({ control }) {
    this.finished.push(control);
  }

  /**
   * @param {{ control: string }} waiting
   * @param {Failure} error
   */
  refused({ control }, { message }) {
    this.refusals.push([control, message]);
  }

  /** @param {unknown} message */
  told(message) {
    this.heard.push(message);
  }
}

/** Intervals that go by when the test says so. */
class Intervals {
  constructor() {
    this.now = 0;
    /** @type {Map<number, { every: number, due: number, act: () => void }>} */
    this.all = new Map();
    this.set = (/** @type {() => void} */ act, /** @type {number} */ every) => {
      this.all.set(this.all.size + 1, { every, due: this.now + every, act });
      return this.all.size;
    };
    this.clear = (/** @type {number} */ id) => this.all.delete(id);
  }

  /** @param {number} milliseconds */
  pass(milliseconds) {
    for (const end = this.now + milliseconds; this.now < end; this.now += 1) {
      for (const interval of this.all.values()) {
        if (interval.due > this.now + 1) continue;
        interval.due += interval.every;
        interval.act();
      }
    }
  }
}

const { setInterval: realSetInterval, clearInterval: realClearInterval } = globalThis;
let intervals = new Intervals();
let clock = 0;
let comm = new Comm();
let page = new Page();

/** @returns {LiveSession<{ n: number }, string>} */
const open = () => new LiveSession(comm, page, () => clock);

/**
 * @param {number} revision
 * @param {number} n
 * @returns {Said}
 */
const whole = (revision, n) => ({ type: "state", revision, state: JSON.stringify({ n }) });

beforeEach(() => {
  clock = 1000;
  comm = new Comm();
  page = new Page();
  Object.assign(globalThis, {
    window: new EventTarget(),
    document: Object.assign(new EventTarget(), { hidden: false }),
  });
  intervals = new Intervals();
  Object.assign(globalThis, { setInterval: intervals.set, clearInterval: intervals.clear });
});

afterEach(() => {
  Object.assign(globalThis, { setInterval: realSetInterval, clearInterval: realClearInterval });
});

test("only a state of a higher revision holds", () => {
  const session = open();
  session.hear(whole(3, 30));
  session.hear(whole(2, 20));
  session.hear(whole(3, 31));
  assert.deepEqual([session.revision, session.state], [3, { n: 30 }]);
  session.hear(whole(4, 40));
  assert.deepEqual([session.revision, session.state], [4, { n: 40 }]);
});

test("a click changes nothing until the kernel has said so and the state is there", () => {
  const session = open();
  session.hear(whole(1, 1));
  session.ask("switch", { op: "grant", grants: ["random"] });
  const { id } = comm.said[0];
  assert.deepEqual(session.state, { n: 1 });
  assert.equal(session.pending.of("switch")?.operation.op, "grant");
  session.hear({ type: "done", id, revision: 2 });
  assert.ok(session.pending.of("switch"), "done, but its state is not drawn yet");
  assert.deepEqual(page.finished, ["switch"]);
  session.hear(whole(2, 2));
  assert.equal(session.pending.of("switch"), null);
});

test("a state that comes before its answer settles it as well", () => {
  const session = open();
  session.ask("switch", { op: "stop" });
  session.hear(whole(5, 1));
  session.hear({ type: "done", id: comm.said[0].id, revision: 5 });
  assert.equal(session.pending.size, 0);
});

test("what is refused is pending no longer, and its control is told why", () => {
  const session = open();
  session.ask("one", { op: "stop" });
  session.ask("two", { op: "stop" });
  const error = { type: "PolicyError", message: "above the ceiling", hint: "" };
  session.hear({ type: "refused", id: comm.said[0].id, error });
  session.hear({ type: "refused", id: "of another view", error });
  assert.deepEqual(page.refusals, [["one", "above the ceiling"]]);
  assert.equal(session.pending.of("one"), null);
  assert.ok(session.pending.of("two"));
});

test("answers to another view settle nothing here", () => {
  const [session, other] = [open(), open()];
  session.ask("switch", { op: "stop" });
  other.ask("switch", { op: "stop" });
  assert.notEqual(comm.said[0].id, comm.said[1].id);
  session.hear({ type: "done", id: comm.said[1].id, revision: 0 });
  assert.equal(session.pending.size, 1);
});

test("what is for another view is no news here, but says that the kernel is there", () => {
  const session = open();
  /** @type {About} */
  const about = { type: "about", view: "", epoch: 1, window: 30, outcomes: "", plugin: "p", state: "", choices: null };
  clock += SILENCE;
  session.hear({ ...about, view: "another" });
  assert.deepEqual(page.heard, []);
  assert.ok(session.connected);
  session.hear(about);
  session.hear({ ...about, view: session.view });
  assert.equal(page.heard.length, 2);
});

test("silence makes what is shown old, and the next word ends that", () => {
  const session = open();
  clock += SILENCE - 1;
  assert.ok(session.connected);
  clock += 1;
  assert.ok(!session.connected);
  session.hear({ type: "beat" });
  assert.ok(session.connected);
});

test("a click that is unconfirmed for long needs a word, unless nobody is there to answer", () => {
  const session = open();
  session.ask("switch", { op: "stop" });
  clock += PATIENCE;
  assert.ok(!session.late);
  clock += 1;
  assert.ok(session.late);
  session.disconnect();
  assert.ok(!session.late);
  assert.equal(session.pending.size, 0);
});

test("a comm that is gone disconnects and raises nothing", () => {
  const session = open();
  comm.broken = true;
  session.ask("switch", { op: "stop" });
  assert.ok(!session.connected);
  assert.equal(session.pending.size, 0);
});

test("a view says hello, alive as long as it lasts, and bye", () => {
  const session = open();
  let lasts = true;
  let ticks = 0;
  const stop = session.start(
    250,
    () => {
      ticks += 1;
    },
    () => lasts,
  );
  intervals.pass(ALIVE_EVERY);
  assert.deepEqual(comm.types, ["hello", "alive"]);
  assert.equal(ticks, ALIVE_EVERY / 250);
  assert.ok(comm.said.every(({ view }) => view === session.view));
  lasts = false;
  intervals.pass(ALIVE_EVERY);
  assert.deepEqual(comm.types, ["hello", "alive"]);
  stop();
  assert.deepEqual(comm.types, ["hello", "alive", "bye"]);
  intervals.pass(10 * ALIVE_EVERY);
  assert.equal(comm.listeners.size, 0);
  assert.equal(comm.types.length, 3);
});

test("a page that goes says bye, and one that is seen again says alive", () => {
  const stop = open().start(250, () => {});
  window.dispatchEvent(new Event("pagehide"));
  document.dispatchEvent(new Event("visibilitychange"));
  Object.assign(document, { hidden: true });
  document.dispatchEvent(new Event("visibilitychange"));
  assert.deepEqual(comm.types, ["hello", "bye", "alive"]);
  stop();
});

test("what the comm brings is heard, and its end as well", () => {
  const session = open();
  const stop = session.start(250, () => {});
  comm.listeners.get("msg:custom")?.(whole(1, 7));
  assert.deepEqual(session.state, { n: 7 });
  comm.listeners.get("comm:close")?.(undefined);
  assert.ok(!session.connected);
  stop();
});
