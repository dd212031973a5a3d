// The capabilities of a plugin: a switch each, its scopes, and what was allowed and denied. That of all imports together
// has no field for scopes: each import that a Python function answers has a row of its own (imports.js).
//
// A switch brings back the scopes that stood last, or grants those that were typed beside it; a capability without any
// scope has a button of its own, which asks back. The kernel holds to the same.

import { element, KeyedList, setAttribute, setText } from "../dom.js";
import { AskingButton, Button, drawSwitch, makeSwitch } from "./buttons.js";
import { Decisions } from "./decisions.js";
import { Field, WrongLine } from "./fields.js";
import { CAPABILITY_TAGS, grantsFor, scopesIn, scopesOf, tagOf } from "./grants.js";
import { Imports } from "./imports.js";

/** @import { CapabilityRow, Preset, State } from "../messages.d.ts" */
/** @import { Asking } from "./asking.js" */

/** @type {[Preset["preset"], string][]} */
const PRESETS = [
  ["nothing", "Nothing"],
  ["asked", "What it asks for"],
  ["everything", "Everything"],
];
const IMPORTS = "imports";

class Capability {
  /**
   * @param {Asking} panel
   * @param {CapabilityRow} row
   */
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    this.decisions = new Decisions(row);
    this.toggle = makeSwitch(row.name, () => this.switch());
    this.wrong = new WrongLine();
    const input = element("input", {
      type: "text",
      class: "jd-field",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `Scope of ${row.name}`,
      onchange: () => this.scope.apply(),
      onkeydown: (event) => this.scope.key(event),
    });
    this.scope = new Field(input, this.wrong, undefined, () => this.changeScope());
    this.unscoped = new AskingButton(
      "",
      "Really without a scope?",
      { "data-unscoped": row.name },
      () => this.changeUnscoped(),
      () => !this.row.bare,
    );
    this.tag = element("span", { class: "jd-tag" });
    this.about = element("span", { class: "jd-about" });
    this.refused = element("span", { class: "jd-about" });
    this.node = element(
      "li",
      { class: "jd-capability", "data-capability": row.name },
      this.toggle,
      element(
        "div",
        { class: "jd-what" },
        element("div", { class: "jd-line" }, element("span", { class: "jd-name" }, row.name), this.tag),
        this.about,
        this.refused,
      ),
      element("div", { class: "jd-scope" }, input, this.unscoped.node),
      this.wrong.node,
      this.decisions.node,
    );
  }

  /** @param {CapabilityRow} row */
  draw(row) {
    const { pending } = this.panel;
    if (this.row.granted !== row.granted && this.scope.refused && !this.scope.draft) this.scope.putBack();
    this.row = row;
    drawSwitch(this.toggle, row.granted, Boolean(pending.of(`capability ${row.name}`)));
    const tag = tagOf(row);
    setAttribute(this.tag, "data-tag", tag);
    const [text, title] = CAPABILITY_TAGS[tag];
    setText(this.tag, text);
    this.tag.title = title;
    setText(this.about, row.about);
    setText(this.refused, row.refused.map((why) => `Cannot be granted: ${why}`).join("; "));
    this.refused.hidden = !row.refused.length;
    this.drawScope(row);
    this.drawUnscoped(row);
    this.decisions.draw(row, this.node);
  }

  /** @param {CapabilityRow} row */
  drawScope(row) {
    const { input } = this.scope;
    input.hidden = !row.shape || row.name === IMPORTS;
    input.readOnly = !row.exact;
    const bare = row.granted ? row.bare : row.offered.includes(row.name);
    input.placeholder = bare ? `without a scope; or ${row.shape}` : row.shape;
    input.title = row.exact ? `Scope: ${row.shape}` : "These scopes are too long, or too strange, to be edited here.";
    if (!row.granted && this.scope.draft) return; // typed before it is granted: the switch will grant it so
    this.scope.draft = false;
    const scopes = row.granted ? row.scopes : scopesOf(row.offered);
    this.scope.show(scopes.join(", "), Boolean(this.panel.pending.of(`scope ${row.name}`)), this.panel.version);
  }

  /** @param {CapabilityRow} row */
  drawUnscoped(row) {
    const { unscoped } = this;
    const all = row.name === IMPORTS;
    unscoped.node.hidden = !row.shape || (row.bare ? !row.scopes.length : all);
    const these = all ? "Only those below with a grant of their own" : "Only these scopes";
    unscoped.label = row.bare ? these : "Without a scope…";
    unscoped.node.title = row.bare
      ? "It is granted without a scope as well. Click to leave it these scopes alone."
      : `Grant ${row.name} without a scope, which allows all of it.`;
    unscoped.draw(Boolean(this.panel.pending.of(`unscoped ${row.name}`)));
  }

  switch() {
    const { panel, row, scope, wrong } = this;
    const control = `capability ${row.name}`;
    const waiting = panel.pending.of(control);
    const granted = waiting ? waiting.operation.op === "grant" : row.granted;
    if (granted) {
      panel.ask(control, { op: "revoke", grants: [row.name] }, { wrong });
      return;
    }
    const typed = !row.granted && scope.draft ? scope.input.value.trim() : "";
    const grants = grantsFor(row, typed);
    if (grants.length) panel.ask(control, { op: "grant", grants }, typed ? scope : { wrong });
    else {
      const typing = `type one (${row.shape}), or grant it without a scope.`;
      const how = row.name === IMPORTS ? "switch on single imports." : typing;
      panel.explainBeside({ wrong }, `${row.name} takes a scope: ${how}`);
      scope.input.focus();
    }
  }

  changeScope() {
    const { row, scope } = this;
    const typed = scope.typed();
    if (!row.granted) scope.draft = typed !== null;
    else if (typed !== null) {
      const wish = { capability: row.name, scopes: scopesIn(typed), narrowing: !scope.entered };
      this.panel.ask(`scope ${row.name}`, { op: "scope", ...wish }, scope);
    }
  }

  changeUnscoped() {
    const { panel, row, wrong } = this;
    const capability = row.name;
    if (row.bare) panel.ask(`unscoped ${row.name}`, { op: "scope", scopes: row.scopes, capability }, { wrong });
    else panel.ask(`unscoped ${row.name}`, { op: "widen", capability }, { wrong });
  }
}

export class Capabilities {
  /** @param {Asking} panel */
  constructor(panel) {
    this.panel = panel;
    this.plugin = "";
    /** @type {KeyedList<CapabilityRow, Capability>} */
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Capabilities" }),
      (row) => `${this.plugin} ${row.name}`, // what is typed for one plugin never reaches another
      (row) => new Capability(panel, row),
      (capability, row) => capability.draw(row),
    );
    this.imports = new Imports(panel);
    this.empty = element("p", { class: "jd-muted" }, "It asks for no capability, imports none and is granted none.");
    /** @type {[string, Button][]} */
    this.presets = PRESETS.map(([preset, label]) => {
      const grant = () => panel.ask(`preset ${preset}`, { op: "preset", preset });
      const attributes = { "data-preset": preset };
      if (preset !== "everything") return [preset, new Button(label, attributes, grant)];
      return [preset, new AskingButton(label, "Really everything?", attributes, grant)];
    });
    const buttons = this.presets.map(([, button]) => button.node);
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "Capabilities and grants" },
      element(
        "div",
        { class: "jd-heading" },
        element("h3", {}, "Capabilities"),
        element("div", { class: "jd-group", role: "group", "aria-label": "Grant a preset" }, ...buttons),
      ),
      this.list.node,
      this.imports.node,
      this.empty,
    );
  }

  /** @param {State} state */
  render(state) {
    this.plugin = state.plugin;
    this.list.render(state.capabilities);
    this.imports.render(state);
    this.empty.hidden = state.capabilities.length + state.imports.length > 0;
    for (const [preset, button] of this.presets) button.draw(Boolean(this.panel.pending.of(`preset ${preset}`)));
  }
}
