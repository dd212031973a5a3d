// The part of a live panel that shows what a plugin does and did: its calls, and a form to make one.

const MOST_MILLISECONDS = 3600000;

/** A table of texts, made again only when what it shows has changed. */
class Rows {
  constructor(label, columns, empty) {
    this.columns = columns;
    this.body = element("tbody");
    this.table = element(
      "table",
      { class: "jd-table", "aria-label": label },
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ...columns.map(([title, kind]) => element("th", { scope: "col", class: kind || null }, title)),
        ),
      ),
      this.body,
    );
    this.empty = element("p", { class: "jd-muted" }, empty);
    this.node = element(
      "div",
      { class: "jd-scroll", tabindex: "0", role: "group", "aria-label": label },
      this.table,
      this.empty,
    );
    this.seen = "";
  }

  render(rows, cellsOf, badOf = () => false) {
    const seen = JSON.stringify(rows);
    if (seen === this.seen) return;
    this.seen = seen;
    this.table.hidden = !rows.length;
    this.empty.hidden = rows.length > 0;
    this.body.replaceChildren(
      ...rows.map((row) =>
        element(
          "tr",
          { class: badOf(row) ? "jd-failed" : null },
          ...cellsOf(row).map((cell, index) => element("td", { class: this.columns[index][1] || null }, cell)),
        ),
      ),
    );
  }
}

class Running {
  constructor(panel) {
    this.panel = panel;
    this.list = element("ul", { class: "jd-rows", "aria-label": "Running calls" });
    this.empty = element("p", { class: "jd-muted" }, "No call is running.");
    this.node = element("div", {}, this.list, this.empty);
  }

  make(row) {
    const cancel = element(
      "button",
      {
        type: "button",
        class: "jd-button",
        "data-cancel": row.call,
        "aria-label": `Cancel call ${row.call}`,
        onclick: () => this.panel.ask(`cancel ${row.call}`, { op: "cancel", call: row.call }),
      },
      "Cancel",
    );
    const cost = element("span", { class: "jd-cost" });
    const child = element(
      "li",
      { class: "jd-running" },
      element("span", { class: "jd-name" }, row.function),
      element("span", { class: "jd-muted" }, `call ${row.call} · ${row.origin}`),
      cost,
      cancel,
    );
    child.parts = { cancel, cost };
    return child;
  }

  draw(child, row) {
    const { cancel, cost } = child.parts;
    const parts = row.waiting ? [`waits since ${row.elapsed}`] : [row.elapsed, row.cpu && `${row.cpu} cpu`, row.memory];
    const denied = row.denied ? `, ${grouped(row.denied)} denied` : "";
    const calls = row.host_calls ? `${counted(row.host_calls, "host call")}${denied}` : "";
    setText(cost, [...parts, calls, row.ending && "ending"].filter(Boolean).join(" · "));
    setAttribute(cancel, "aria-busy", Boolean(this.panel.pending.of(`cancel ${row.call}`)));
  }

  render(state) {
    reconcile(
      this.list,
      state.running,
      (row) => row.call,
      (row) => this.make(row),
      (child, row) => this.draw(child, row),
    );
    this.empty.hidden = state.running.length > 0;
  }
}

class CallForm {
  constructor(panel) {
    this.panel = panel;
    const keys = { onkeydown: (event) => this.key(event) };
    this.choice = element("select", {
      class: "jd-field",
      "aria-label": "Function to call",
      onchange: () => this.suggest(),
      ...keys,
    });
    this.payload = element("textarea", {
      class: "jd-field jd-code",
      rows: 3,
      spellcheck: "false",
      placeholder: "JSON, or nothing",
      "aria-label": "Payload, as JSON",
      ...keys,
    });
    this.every = element("input", {
      type: "number",
      class: "jd-field jd-number",
      min: 1,
      max: MOST_MILLISECONDS,
      value: 500,
      "aria-label": "Milliseconds from one call to the next",
    });
    this.wrong = wrongLine();
    this.wrongEvery = wrongLine();
    besideField(this.payload, this.wrong, (type) => type === "InvalidPayload");
    besideField(this.every, this.wrongEvery);
    this.about = element("p", { class: "jd-muted" });
    this.fields = element("table", { class: "jd-table jd-fields", "aria-label": "Fields of the payload" });
    this.run = element(
      "button",
      { type: "button", class: "jd-button jd-primary", "data-run": "once", onclick: () => this.call(null) },
      "Run",
    );
    this.again = element(
      "button",
      { type: "button", class: "jd-button", "data-run": "repeat", onclick: () => this.repeat() },
      "Run every",
    );
    this.cost = element("div", { class: "jd-muted" });
    this.answer = element("pre", {
      class: "jd-answer",
      "data-answer": true,
      tabindex: "0",
      role: "group",
      "aria-label": "Answer",
    });
    this.none = element("p", { class: "jd-muted" }, "It has no function that takes JSON.");
    this.form = element(
      "div",
      { class: "jd-form" },
      element(
        "div",
        { class: "jd-line" },
        this.choice,
        this.run,
        this.again,
        element("label", { class: "jd-none" }, this.every, "ms"),
      ),
      this.wrongEvery,
      this.about,
      this.payload,
      this.wrong,
      this.fields,
    );
    this.node = element("div", {}, this.form, this.none, this.cost, this.answer);
  }

  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.call(null);
  }

  /** Offers a payload with the fields that the function needs, unless somebody has written one. */
  suggest() {
    const { value } = this.choice;
    const { sample = "", about = "", fields = [] } = this.functions.find((one) => one.name === value) || {};
    clearWrong(this.payload);
    setText(this.about, about);
    this.about.hidden = !about;
    this.fields.hidden = !fields.length;
    this.fields.replaceChildren(element("tbody", {}, ...fields.map((field) => this.describe(field))));
    if (!this.payload.value.trim() || this.payload.value === this.sample) this.payload.value = sample;
    this.sample = sample;
  }

  describe({ name, needed, kind, about }) {
    const what = element("td", { class: "jd-text" }, kind, about && element("span", { class: "jd-about" }, about));
    return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, needed ? "needed" : "optional"), what);
  }

  call(every) {
    const operation = { op: "call", function: this.choice.value, payload: this.payload.value };
    if (every !== null) operation.every_ms = every;
    this.panel.ask("call", operation, this.payload);
  }

  repeat() {
    if (this.repeating) this.panel.ask("call", { op: "stop" });
    else this.callEvery(this.every.valueAsNumber);
  }

  callEvery(milliseconds) {
    if (milliseconds >= 1 && milliseconds <= MOST_MILLISECONDS) {
      clearWrong(this.every);
      this.call(milliseconds);
    } else {
      this.panel.explainBeside(this.every, `A number of milliseconds from 1 to ${grouped(MOST_MILLISECONDS)}.`);
    }
  }

  render(state) {
    const names = JSON.stringify(state.functions);
    if (names !== this.names) {
      this.names = names;
      const chosen = this.choice.value;
      this.functions = state.functions;
      this.choice.replaceChildren(...state.functions.map((one) => element("option", { value: one.name }, one.label)));
      if (state.functions.some((one) => one.name === chosen)) this.choice.value = chosen;
      this.suggest();
    }
    this.form.hidden = !state.functions.length;
    this.none.hidden = state.functions.length > 0;
    this.repeating = state.repeating;
    const busy = Boolean(this.panel.pending.of("call"));
    for (const button of [this.run, this.again]) setAttribute(button, "aria-busy", busy);
    setText(this.again, state.repeating ? "Stop" : "Run every");
    const { answer } = state;
    const times =
      answer && (answer.made > 1 || state.repeating)
        ? `${counted(answer.made, "call")}, ${grouped(answer.failed)} failed · last: `
        : "";
    setText(this.cost, [state.repeating, answer ? times + answer.cost : ""].filter(Boolean).join(" · "));
    this.answer.hidden = !answer;
    setText(this.answer, answer ? answer.text : "");
    this.answer.classList.toggle("jd-failed", Boolean(answer && !answer.ok));
  }
}
