// What a section of the panel needs of the panel: to ask the kernel for something, and to say why it was refused.

/** @import { Asked, Pending } from "../pending.js" */
/** @import { Failure, State } from "../messages.d.ts" */
/** @import { Where } from "./fields.js" */

/**
 * An operation without what the panel itself knows: the plugin and the version that are drawn, and the view.
 *
 * @template {Asked} [A=Asked]
 * @typedef {A extends Asked ? Omit<A, "view" | "seen"> : never} Wish
 */

/**
 * @typedef {object} Asking
 * @property {(control: string, wish: Wish, where?: Where | null) => void} ask
 * @property {Pending<Where>} pending
 * @property {number} version The version of the policy that is drawn.
 * @property {(where: Where, text: string, kind?: Failure["type"]) => void} explainBeside
 */

/**
 * A part of the panel: its element, and how it draws what the kernel said.
 *
 * @typedef {object} Section
 * @property {HTMLElement} node
 * @property {(state: State) => void} render
 */

export {};
