// The page of a call in the background. It draws what the kernel says of the call, and asks for its end.

import { element, isDark, nameWidget, setAttribute, setText } from "../dom.js";
import { counted, grouped } from "../formatting.js";
import { LiveSession } from "../session.js";
import { Snapshot } from "../snapshot.js";

/** @import { HandleState } from "../messages.d.ts" */
/** @import { Model } from "../session.js" */

/** @type {{ [state in HandleState["state"]]: string }} */
const STATES = {
  waiting: "waits for an instance",
  running: "running",
  ending: "is being ended",
  ok: "ok",
  failed: "✕ failed",
  cancelled: "– cancelled",
};
const OVER = ["ok", "failed", "cancelled"];
const DRAWN_EVERY = 250;
const OLD = "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown is old.";
const LATE = "The kernel has not heard this click yet: it may hear clicks only when the running cell ends.";

class BackgroundCall {
  /**
   * @param {Model} model
   * @param {HTMLElement} root
   */
  constructor(model, root) {
    /** @type {LiveSession<HandleState>} */
    this.session = new LiveSession(model, this);
    this.title = element("span", { class: "jd-name" });
    this.mark = element("span", { class: "jd-tag", "data-state": "", role: "status" });
    this.cost = element("span", { class: "jd-muted jd-cost" });
    this.cancel = element(
      "button",
      { type: "button", class: "jd-button", "data-cancel": "", onclick: () => this.end() },
      "Cancel",
    );
    this.note = element("div", { class: "jd-note jd-muted", "data-banner": true, role: "status" });
    this.answer = element("div", {
      class: "jd-answer",
      tabindex: "0",
      role: "group",
      "aria-label": "Answer",
      hidden: true,
    });
    this.root = element(
      "div",
      {
        class: "jd-panel jd-background",
        "data-judicia": "background",
        role: "region",
        "aria-label": "Call in the background",
        "data-revision": 0,
        "data-pending": 0,
      },
      element("div", { class: "jd-running" }, this.title, this.mark, this.cost, this.cancel),
      this.note,
      this.answer,
    );
    this.root.style.setProperty("--jd-scale", String(model.get("scale")));
    this.snapshot = new Snapshot(model, this.root);
    root.append(this.root);
    this.draw();
  }

  end() {
    const { state, pending } = this.session;
    if (state && !pending.of("cancel")) this.session.ask("cancel", { op: "cancel", call: state.call });
  }

  answered() {
    this.snapshot.answered();
  }

  get over() {
    const { state } = this.session;
    return state !== null && OVER.includes(state.state);
  }

  draw() {
    const { root, over, session } = this;
    const { state, pending } = session;
    const connected = over || session.connected;
    root.classList.toggle("jd-dark", isDark(root));
    root.classList.toggle("jd-stale", !connected);
    setAttribute(root, "data-revision", session.revision);
    setAttribute(root, "data-pending", pending.size);
    this.cancel.hidden = over;
    this.cancel.disabled = !state || !connected || state.state === "ending";
    setAttribute(this.cancel, "aria-busy", Boolean(pending.of("cancel")));
    setText(this.note, !connected ? OLD : !over && session.late ? LATE : "");
    if (state) this.drawState(state);
  }

  /** @param {HandleState} state */
  drawState(state) {
    setText(this.title, state.title);
    nameWidget(this.root, `Call in the background: ${state.title}`);
    setText(this.mark, STATES[state.state]);
    setAttribute(this.mark, "data-state", state.state);
    setAttribute(this.cancel, "data-cancel", state.call);
    setAttribute(this.cancel, "aria-label", `Cancel ${state.title}`);
    setText(this.cost, this.over && state.cost ? withoutName(state.cost) : soFar(state));
    this.answer.hidden = !this.over;
    this.answer.classList.toggle("jd-failed", state.state === "failed");
    setText(this.answer, state.answer);
  }
}

/**
 * A call's cost without the name that it begins with, which the title says.
 *
 * @param {string} cost
 */
const withoutName = (cost) => cost.slice(cost.indexOf(" · ") + 3);

/** @param {HandleState} state */
function soFar(state) {
  const denied = state.denied ? `, ${grouped(state.denied)} denied` : "";
  const calls = state.host_calls ? `${counted(state.host_calls, "host call")}${denied}` : "";
  return [state.elapsed, state.cpu && `${state.cpu} cpu`, calls, state.memory].filter(Boolean).join(" · ");
}

/** @param {{ model: Model, el: HTMLElement }} place */
function render({ model, el }) {
  const card = new BackgroundCall(model, el);
  return card.session.start(
    DRAWN_EVERY,
    () => card.draw(),
    () => !card.over,
  );
}

export default { render };
