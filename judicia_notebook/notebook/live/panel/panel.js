// The page of a live panel. It draws what the kernel says holds, and nothing else.
//
// - A click is sent as an operation and changes nothing here: its control is pending (aria-busy) until the session has
//   drawn a state that has it.
// - Each operation names the version of the policy that was drawn when its control was touched, so that the kernel
//   widens nothing that another user or page has narrowed since.

import { element, isDark, nameWidget, setAttribute, setText } from "../dom.js";
import { LiveSession } from "../session.js";
import { Snapshot } from "../snapshot.js";
import { CallForm } from "./call_form.js";
import { Capabilities } from "./capabilities.js";
import { clearWrong, Field } from "./fields.js";
import { Header } from "./header.js";
import { Plugins } from "./plugins.js";
import { Quotas } from "./quotas.js";
import { auditRows, callRows, logRows } from "./rows.js";
import { Running } from "./running.js";
import { Steadiness } from "./steadiness.js";
import { Tabs } from "./tabs.js";

/** @import { Failure, State } from "../messages.d.ts" */
/** @import { Waiting } from "../pending.js" */
/** @import { Model } from "../session.js" */
/** @import { Wish } from "./asking.js" */
/** @import { Where } from "./fields.js" */

const ERROR_STAYS = 8000;
const DRAWN_EVERY = 250;
const OLD = "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown below is old.";
const LEAVE_FREE = "a call in the background leaves it free: %plugin call ... --background";

class Panel {
  /**
   * @param {Model} model
   * @param {HTMLElement} root
   */
  constructor(model, root) {
    /** @type {LiveSession<State, Where>} */
    this.session = new LiveSession(model, this);
    /** @type {HTMLFieldSetElement[]} */
    this.changers = [];
    this.refusedControl = "";
    this.isOpen = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.errorTimer = undefined;
    const changing = (/** @type {Node[]} */ ...children) => this.changing(...children);
    this.plugins = new Plugins(this);
    this.header = new Header(this, changing);
    this.capabilities = new Capabilities(this);
    this.quotas = new Quotas(this);
    this.running = new Running(this);
    this.callForm = new CallForm(this);
    this.calls = callRows();
    this.log = logRows();
    this.audit = auditRows();
    const columns = element("div", { class: "jd-columns" }, this.capabilities.node, this.quotas.node);
    this.tabs = new Tabs([
      { name: "running", label: "Running", node: changing(this.running.node) },
      { name: "calls", label: "Calls", node: this.calls.node },
      { name: "log", label: "Log", node: this.log.node },
      { name: "audit", label: "Audit", node: this.audit.node },
      { name: "call", label: "Call", node: changing(this.callForm.node) },
    ]);
    this.runningCount = element("span", { "aria-hidden": "true" });
    this.tabs.buttons.running.append(this.runningCount);
    this.banner = element("div", { class: "jd-banner", "data-banner": true, role: "status", "aria-live": "polite" });
    this.error = element("div", { class: "jd-error", "data-error": true, role: "alert" });
    this.lost = element("div", { class: "jd-lost", "data-disconnected": true, role: "alert", hidden: true });
    this.everything = element(
      "fieldset",
      { class: "jd-controls" },
      this.plugins.node,
      this.header.node,
      changing(columns),
      this.tabs.node,
    );
    this.root = element(
      "div",
      {
        class: "jd-panel",
        "data-judicia": "panel",
        role: "region",
        "aria-label": "Plugin panel",
        "data-revision": 0,
        "data-pending": 0,
      },
      this.everything,
      this.lost,
      element("div", { class: "jd-notices" }, this.error, this.banner),
    );
    this.steadiness = new Steadiness(this.root);
    this.root.style.setProperty("--jd-scale", String(model.get("scale")));
    this.snapshot = new Snapshot(model, this.root);
    root.append(this.root);
    this.tabs.show("running");
    this.draw();
  }

  /**
   * A fieldset for controls that change something, which an unloaded plugin no longer can be.
   *
   * @param {...Node} children
   */
  changing(...children) {
    const fieldset = element("fieldset", { class: "jd-controls" }, ...children);
    this.changers.push(fieldset);
    return fieldset;
  }

  // What the sections ask for

  get pending() {
    return this.session.pending;
  }

  /** The version of the policy that is drawn. */
  get version() {
    return this.session.state?.policy_version ?? 0;
  }

  /**
   * Asks the kernel for something. `where` is the field that was touched, or another holder of what was `seen` then.
   *
   * @param {string} control
   * @param {Wish} wish
   * @param {Where | null} where
   */
  ask(control, wish, where = null) {
    const { state, connected, view } = this.session;
    if (!state?.plugin || !connected) return;
    const seen = where?.seen ?? this.version;
    this.session.ask(control, { plugin: state.plugin, view, seen, ...wish }, where);
  }

  // What the kernel answers

  answered() {
    this.snapshot.answered();
  }

  /** @param {Waiting<Where>} waiting */
  done({ control, where }) {
    if (control === this.refusedControl) setText(this.error, "");
    if (where) this.steadiness.move(() => clearWrong(where));
  }

  /**
   * @param {Waiting<Where>} waiting
   * @param {Failure} failure
   */
  refused({ control, where }, { type, message, hint }) {
    const said = `${message}${hint ? ` ${hint}` : ""}`;
    if (where) this.explainBeside(where, said, type);
    else this.explain(control, `${type}: ${said}`);
  }

  /**
   * Says beside a control why it did not do what was asked of it.
   *
   * @param {Where} where
   * @param {string} said
   * @param {string} type
   */
  explainBeside(where, said, type = "") {
    if (where instanceof Field) {
      if (type === "Unmeant") where.putBack();
      else if (where.blamed(type)) where.mark();
    }
    this.steadiness.move(() => {
      where.wrong.say(said);
      this.draw();
    });
  }

  /**
   * Says why a control did not do what was asked of it.
   *
   * @param {string} control
   * @param {string} text
   */
  explain(control, text) {
    this.refusedControl = control;
    setText(this.error, text);
    clearTimeout(this.errorTimer);
    this.errorTimer = setTimeout(() => setText(this.error, ""), ERROR_STAYS);
  }

  // Drawing

  draw() {
    const { root, session } = this;
    const { state } = session;
    root.classList.toggle("jd-dark", isDark(root));
    this.drawConnection();
    if (state) this.drawState(state);
    setAttribute(root, "data-revision", session.revision);
    setAttribute(root, "data-policy", this.version);
    setAttribute(root, "data-pending", session.pending.size);
  }

  /** @param {State} state */
  drawState(state) {
    if (!this.isOpen) this.tabs.show(state.first_tab);
    this.isOpen = true;
    nameWidget(this.root, state.plugin ? `Panel of ${state.plugin}` : "Panel of no plugin");
    for (const section of [this.plugins, this.header, this.capabilities, this.quotas, this.running, this.callForm])
      section.render(state);
    this.calls.render(state.calls);
    this.log.render(state.log);
    this.audit.render(state.audit);
    setText(this.runningCount, state.running.length ? ` ${state.running.length}` : "");
  }

  drawConnection() {
    const { connected, state } = this.session;
    this.lost.hidden = connected;
    if (!connected) setText(this.lost, OLD);
    this.everything.disabled = !connected || !state;
    const changeable = Boolean(state?.plugin && state.state !== "unloaded");
    for (const fieldset of this.changers) fieldset.disabled = !changeable;
    this.root.classList.toggle("jd-stale", !connected || !state);
    setText(this.banner, this.session.late ? lateText(state?.foreground ?? "", this.pending.size) : "");
  }
}

/**
 * Why nothing has come of a click yet.
 *
 * @param {string} foreground What runs in the cell, if something does.
 * @param {number} size How much is pending.
 */
function lateText(foreground, size) {
  const count = size === 1 ? "1 change is" : `${size} changes are`;
  if (foreground)
    return `This kernel hears clicks only when the cell ends (${foreground} is running in it); ${count} pending. ${capital(LEAVE_FREE)}`;
  return `The kernel has not confirmed this yet: ${count} pending. Where it hears clicks only when a cell ends, ${LEAVE_FREE}`;
}

/** @param {string} text */
const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** @param {{ model: Model, el: HTMLElement }} place */
function render({ model, el }) {
  const panel = new Panel(model, el);
  return panel.session.start(DRAWN_EVERY, () => panel.draw());
}

export default { render };
