// A page's half of a live session: it says that its view is there, asks for operations, and knows what holds.
//
// `session.py` is the other half, and `messages.d.ts` has the types of what they say.
//
// - A view says hello, then alive every few seconds, then bye. One that was hidden says alive as soon as it is seen
//   again, since the timers of a hidden page hardly run.
// - What holds is the state of the highest revision so far; an older one is ignored.
// - An operation changes nothing here. It is pending until the kernel has said `done` and a state of at least that
//   revision is there.
// - The kernel speaks at least once a second. When it is silent, or the comm is gone, what is shown is old.

import { unique } from "./dom.js";
import { Pending } from "./pending.js";

/** @import { About, Failure, Frames, Said, View } from "./messages.d.ts" */
/** @import { Asked, Waiting } from "./pending.js" */

/**
 * What anywidget hands to a page, as far as it is used.
 *
 * @typedef {object} Model
 * @property {(name: "scale" | "snapshot") => any} get
 * @property {(content: unknown) => void} send
 * @property {(event: string, callback: (message: any) => void) => void} on
 * @property {(event: string, callback: (message: any) => void) => void} off
 */

/**
 * What a page does with what it hears.
 *
 * @template Where
 * @typedef {object} Page
 * @property {() => void} draw Draw what holds, and what is pending.
 * @property {() => void} [answered] The kernel is there: it has said something.
 * @property {(waiting: Waiting<Where>) => void} [done]
 * @property {(waiting: Waiting<Where>, error: Failure) => void} [refused]
 * @property {(message: About | Frames) => void} [told]
 */

export const ALIVE_EVERY = 5000;
export const SILENCE = 5000; // without a word from the kernel for so long, what is shown counts as old
export const PATIENCE = 500; // a click that is unconfirmed for so long is explained

/**
 * @template State
 * @template [Where=never]
 */
export class LiveSession {
  /**
   * @param {Model} model
   * @param {Page<Where>} page
   * @param {() => number} now Milliseconds.
   */
  constructor(model, page, now = () => performance.now()) {
    this.model = model;
    this.page = page;
    this.now = now;
    this.view = unique("view");
    /** @type {State | null} */
    this.state = null;
    this.revision = 0;
    this.heardAt = now();
    this.gone = false;
    /** @type {Pending<Where>} */
    this.pending = new Pending(unique("do"), now);
  }

  /** Whether the kernel can be thought to be there. */
  get connected() {
    return !this.gone && this.now() - this.heardAt < SILENCE;
  }

  /** Whether something has been pending for so long that it needs a word. */
  get late() {
    return this.connected && this.pending.size > 0 && this.pending.oldest > PATIENCE;
  }

  /**
   * Asks the kernel for something; `control` is what shows it as pending.
   *
   * @param {string} control
   * @param {Asked} operation
   * @param {Where | null} where
   */
  ask(control, operation, where = null) {
    const id = this.pending.add(control, operation, where);
    this.#send({ type: "do", id, ...operation });
    this.page.draw();
  }

  /** @param {Said} message */
  hear(message) {
    this.heardAt = this.now();
    this.gone = false;
    this.page.answered?.();
    if ("view" in message && message.view && message.view !== this.view) return; // for a view that has just opened
    this.#take(message);
    this.pending.drawn(this.revision);
    this.page.draw();
  }

  /** @param {Said} message */
  #take(message) {
    if (message.type === "state") {
      if (message.revision <= this.revision) return;
      this.state = JSON.parse(message.state);
      this.revision = message.revision;
    } else if (message.type === "done") {
      const waiting = this.pending.done(message.id, message.revision);
      if (waiting) this.page.done?.(waiting);
    } else if (message.type === "refused") {
      const waiting = this.pending.refused(message.id);
      if (waiting) this.page.refused?.(waiting, message.error);
    } else if (message.type !== "beat") this.page.told?.(message);
  }

  /** The comm is gone: no kernel is left to answer. */
  disconnect() {
    this.gone = true;
    this.pending.clear();
    this.page.draw();
  }

  /**
   * Says hello and listens; what it answers ends all that.
   *
   * @param {number} every Milliseconds from one `tick` to the next.
   * @param {() => void} tick
   * @param {() => boolean} lasts Whether the view still has to say that it is alive.
   */
  start(every, tick, lasts = () => true) {
    const hear = (/** @type {Said} */ message) => this.hear(message);
    const lost = () => this.disconnect();
    const alive = () => lasts() && this.#say("alive");
    const seen = () => document.hidden || alive();
    const leave = () => this.#say("bye");
    this.model.on("msg:custom", hear);
    this.model.on("comm_live_update", lost);
    this.model.on("comm:close", lost);
    this.#say("hello");
    const timers = [setInterval(alive, ALIVE_EVERY), setInterval(tick, every)];
    window.addEventListener("pagehide", leave);
    document.addEventListener("visibilitychange", seen);
    return () => {
      for (const timer of timers) clearInterval(timer);
      window.removeEventListener("pagehide", leave);
      document.removeEventListener("visibilitychange", seen);
      leave();
      this.model.off("msg:custom", hear);
      this.model.off("comm_live_update", lost);
      this.model.off("comm:close", lost);
    };
  }

  /** @param {View["type"]} type */
  #say(type) {
    this.#send({ type, view: this.view });
  }

  /** @param {View | ({ type: "do", id: string } & Asked)} message */
  #send(message) {
    try {
      this.model.send(message);
    } catch {
      this.disconnect();
    }
  }
}
