// The imports that Python functions answer: a switch each. It grants exactly the one, or takes exactly the one away.
//
// What is allowed by more than its own grant is on, and its tag says by what. The kernel refuses to switch it off alone,
// and the row shows why.

import { element, KeyedList, setAttribute, setText } from "../dom.js";
import { drawSwitch, makeSwitch } from "./buttons.js";
import { Decisions } from "./decisions.js";
import { WrongLine } from "./fields.js";
import { importTag } from "./grants.js";

/** @import { ImportRow, State } from "../messages.d.ts" */
/** @import { Asking } from "./asking.js" */

class Import {
  /**
   * @param {Asking} panel
   * @param {ImportRow} row
   */
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    this.decisions = new Decisions(row);
    this.toggle = makeSwitch(`Import ${row.name}`, () => this.switch());
    this.wrong = new WrongLine();
    this.tag = element("span", { class: "jd-tag" });
    this.about = element("span", { class: "jd-about" });
    this.node = element(
      "li",
      { class: "jd-capability", "data-capability": row.grant },
      this.toggle,
      element(
        "div",
        { class: "jd-what" },
        element("div", { class: "jd-line" }, element("span", { class: "jd-name" }, row.name), this.tag),
        this.about,
      ),
      this.wrong.node,
      this.decisions.node,
    );
  }

  get control() {
    return `import ${this.row.grant}`;
  }

  /** @param {ImportRow} row */
  draw(row) {
    this.row = row;
    drawSwitch(this.toggle, row.granted, Boolean(this.panel.pending.of(this.control)));
    const [tag, text, title] = importTag(row);
    setAttribute(this.tag, "data-tag", tag);
    setText(this.tag, text);
    this.tag.title = title;
    setText(this.about, row.about);
    this.decisions.draw(row, this.node);
  }

  switch() {
    const { panel, row, wrong, control } = this;
    const waiting = panel.pending.of(control);
    const granted = waiting ? waiting.operation.op === "grant" : row.granted;
    panel.ask(control, { op: granted ? "revoke" : "grant", grants: [row.grant] }, { wrong });
  }
}

export class Imports {
  /** @param {Asking} panel */
  constructor(panel) {
    this.plugin = "";
    /** @type {KeyedList<ImportRow, Import>} */
    this.list = new KeyedList(
      element("ul", { class: "jd-rows", "aria-label": "Imports" }),
      (row) => `${this.plugin} ${row.grant}`,
      (row) => new Import(panel, row),
      (found, row) => found.draw(row),
    );
    this.left = element("p", { class: "jd-muted" });
    const title = element("h4", { class: "jd-subtitle" }, "Imports that Python answers");
    this.node = element("div", { class: "jd-imports" }, title, this.list.node, this.left);
  }

  /** @param {State} state */
  render(state) {
    this.plugin = state.plugin;
    this.node.hidden = !state.imports.length;
    this.list.render(state.imports);
    setText(this.left, state.imports_left);
    this.left.hidden = !state.imports_left;
  }
}
