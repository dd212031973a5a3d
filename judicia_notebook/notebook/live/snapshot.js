// Until the kernel has answered, a page shows one line that says so, and the snapshot of its view stands before it. With
// the first answer the page takes the snapshot out of sight, for as long as the page is there itself.

import { element } from "./dom.js";

/** @import { Model } from "./session.js" */

const WAITING = "Waiting for the kernel. This live view shows nothing until the kernel that made it answers.";
const KEY = /^[0-9a-f]+$/; // a saved notebook may hold any text in its place

export class Snapshot {
  /**
   * @param {Model} model
   * @param {HTMLElement} root What the page draws in.
   */
  constructor(model, root) {
    const key = String(model.get("snapshot"));
    this.root = root;
    this.line = element("p", { class: "jd-unheard", role: "status" }, WAITING);
    // A rule of style, and no change of the snapshot itself: the notebook draws that anew when a newer one comes.
    const it = `[data-judicia-snapshot="${key}"]`;
    const rule = `${it}, .jp-OutputArea-child:has(${it}) { display: none; }`;
    this.hiding = element("style", {}, KEY.test(key) ? rule : "");
    root.append(this.hiding);
    this.lost();
  }

  /** The kernel has said something. */
  answered() {
    if (this.root.dataset.heard === "true") return;
    this.root.dataset.heard = "true";
    this.line.replaceWith(this.hiding);
  }

  /** The kernel has not said anything yet, or will not say anything any more. */
  lost() {
    this.root.dataset.heard = "false";
    this.hiding.replaceWith(this.line);
  }
}
