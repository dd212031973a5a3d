// Operations that wait for the kernel. An operation is over when it was refused, or when a state that has it is drawn.

/** @import { Operation } from "./messages.d.ts" */

/**
 * What a page fills in of an operation; the session adds the rest.
 *
 * @template {Operation} [O=Operation]
 * @typedef {O extends Operation ? Omit<O, "type" | "id"> : never} Asked
 */

/**
 * @template Where
 * @typedef {object} Waiting
 * @property {string} control What shows the operation as pending.
 * @property {Asked} operation
 * @property {Where | null} where What was touched, and says why it was refused.
 * @property {number} since
 * @property {number | null} revision Of the state that has it; null until the kernel has answered.
 */

/** @template Where */
export class Pending {
  /**
   * @param {string} prefix Of the ids: those of two views differ.
   * @param {() => number} now Milliseconds.
   */
  constructor(prefix, now) {
    this.prefix = prefix;
    this.now = now;
    this.count = 0;
    /** @type {Map<string | number | null, Waiting<Where>>} */
    this.waiting = new Map();
  }

  get size() {
    return this.waiting.size;
  }

  /**
   * Keep an operation; its id.
   *
   * @param {string} control
   * @param {Asked} operation
   * @param {Where | null} where
   */
  add(control, operation, where = null) {
    const id = `${this.prefix}-${++this.count}`;
    this.waiting.set(id, { control, operation, where, since: this.now(), revision: null });
    return id;
  }

  /**
   * The last operation that a control waits for, if any.
   *
   * @param {string} control
   */
  of(control) {
    let found = null;
    for (const waiting of this.waiting.values()) if (waiting.control === control) found = waiting;
    return found;
  }

  /**
   * The kernel has done it, and says in which state it is to be seen.
   *
   * @param {string | number} id
   * @param {number} revision
   */
  done(id, revision) {
    const found = this.waiting.get(id);
    if (found) found.revision = revision;
    return found;
  }

  /** @param {string | number | null} id */
  refused(id) {
    const found = this.waiting.get(id);
    this.waiting.delete(id);
    return found;
  }

  /** @param {number} revision */
  drawn(revision) {
    for (const [id, { revision: wanted }] of this.waiting)
      if (wanted !== null && wanted <= revision) this.waiting.delete(id);
  }

  /** Milliseconds for which the oldest one has waited. */
  get oldest() {
    const now = this.now();
    return Math.max(0, ...[...this.waiting.values()].map(({ since }) => now - since));
  }

  clear() {
    this.waiting.clear();
  }
}
