// The part of a live panel that changes the policy: capabilities and quotas.
//
// A section has `node`, its element, and `render(state)`, which draws what the kernel said.
//
// - Nothing widens by the way. An empty field puts its old text back; one that is left without Enter only narrows; a
//   switch brings back the scopes that stood last, or grants those that were typed beside it; "none" is a word to type
//   or a box to tick; and a capability without any scope has a button of its own, which asks back. The kernel holds to
//   the same.
// - Each operation names the version of the policy that was drawn when its control was touched.

const DRAG_EVERY = 120;
const ARMED_FOR = 6000;
const DOUBLE_CLICK = 500;
const PRESETS = [
  ["nothing", "Nothing"],
  ["asked", "What it asks for"],
  ["everything", "Everything"],
];

const CAPABILITY_TAGS = {
  missing: ["asked for, not granted", "It asks for this and does not have it."],
  unasked: ["granted, not asked for", "It has this although neither its manifest nor its imports ask for it."],
  asked: ["asked for", "Its manifest asks for this."],
  imported: ["imported", "It imports a function that takes this; its manifest does not ask for it."],
  refused: ["asked for, cannot be granted", "Its manifest asks for this with a scope that is none."],
  revoked: ["was granted", "It had this before, although neither its manifest nor its imports ask for it."],
};

function tagOf(row) {
  if (row.asked.length) return row.granted ? "asked" : "missing";
  if (row.imported) return "imported";
  if (row.granted) return "unasked";
  return row.refused.length ? "refused" : "revoked";
}

class Capabilities {
  constructor(panel) {
    this.panel = panel;
    this.list = element("ul", { class: "jd-rows", "aria-label": "Capabilities" });
    this.empty = element("p", { class: "jd-muted" }, "It asks for nothing, imports nothing and is granted nothing.");
    const presets = PRESETS.map(([preset, label]) => {
      const button = element("button", { type: "button", class: "jd-button", "data-preset": preset }, label);
      const grant = () => this.preset(preset);
      if (preset === "everything") asksBack(button, "Really everything?", grant);
      else button.addEventListener("click", grant);
      button.label = label;
      return button;
    });
    this.presets = element("div", { class: "jd-group", role: "group", "aria-label": "Grant a preset" }, ...presets);
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "Capabilities and grants" },
      element("div", { class: "jd-heading" }, element("h3", {}, "Capabilities"), this.presets),
      this.list,
      this.empty,
    );
  }

  preset(preset) {
    this.panel.ask(`preset ${preset}`, { op: "preset", preset });
  }

  make(row) {
    const name = element("span", { class: "jd-name" }, row.name);
    const toggle = element(
      "button",
      {
        type: "button",
        role: "switch",
        class: "jd-switch",
        "aria-label": row.name,
        "aria-checked": "false",
        onclick: () => this.toggle(child),
      },
      element("span", { class: "jd-knob", "aria-hidden": "true" }),
    );
    const scope = element("input", {
      type: "text",
      class: "jd-field",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `Scope of ${row.name}`,
      onchange: () => apply(scope),
      onkeydown: (event) => revertOn(event, scope),
    });
    const unscoped = element("button", { type: "button", class: "jd-button", "data-unscoped": row.name });
    asksBack(
      unscoped,
      "Really without a scope?",
      () => this.unscoped(child.row, parts),
      () => !child.row.bare,
    );
    const wrong = wrongLine();
    besideField(scope, wrong);
    scope.apply = () => this.scope(child.row, scope);
    const parts = {
      toggle,
      scope,
      unscoped,
      wrong,
      refused: element("span", { class: "jd-about" }),
      tag: element("span", { class: "jd-tag" }),
      about: element("span", { class: "jd-about" }),
      allowed: element("span", {}),
      denied: element("span", { class: "jd-bad" }),
      limited: element("span", {}),
    };
    const counters = element("span", { class: "jd-counters" }, parts.allowed, parts.denied, parts.limited);
    const child = element(
      "li",
      { class: "jd-capability", "data-capability": row.name },
      toggle,
      element(
        "div",
        { class: "jd-what" },
        element("div", { class: "jd-line" }, name, parts.tag),
        parts.about,
        parts.refused,
      ),
      element("div", { class: "jd-scope" }, scope, unscoped),
      wrong,
      counters,
    );
    child.parts = parts;
    child.denied = row.denied;
    return child;
  }

  draw(child, row) {
    const { parts } = child;
    if (child.row && child.row.granted !== row.granted && parts.scope.refused && !parts.scope.draft) putBack(parts.scope);
    child.row = row;
    setAttribute(parts.toggle, "aria-checked", row.granted);
    setAttribute(parts.toggle, "aria-busy", Boolean(this.panel.pending.of(`capability ${row.name}`)));
    const tag = tagOf(row);
    setAttribute(parts.tag, "data-tag", tag);
    setText(parts.tag, CAPABILITY_TAGS[tag][0]);
    parts.tag.title = CAPABILITY_TAGS[tag][1];
    setText(parts.about, row.about);
    setText(parts.refused, row.refused.map((one) => `Cannot be granted: ${one}`).join("; "));
    parts.refused.hidden = !row.refused.length;
    this.drawScope(parts.scope, row);
    this.drawUnscoped(parts.unscoped, row);
    for (const kind of ["allowed", "denied", "limited"]) {
      setText(parts[kind], row[kind] || kind !== "limited" ? `${grouped(row[kind])} ${kind}` : "");
    }
    parts.denied.classList.toggle("jd-zero", !row.denied);
    if (row.denied > child.denied) flash(child);
    child.denied = row.denied;
  }

  drawScope(field, row) {
    field.hidden = !row.shape;
    field.readOnly = !row.exact;
    const bare = row.granted ? row.bare : row.offered.includes(row.name);
    field.placeholder = bare ? `without a scope; or ${row.shape}` : row.shape;
    field.title = row.exact ? `Scope: ${row.shape}` : "These scopes are too long, or too strange, to be edited here.";
    if (!row.granted && field.draft) return; // typed before it is granted: the switch will grant it so
    field.draft = false;
    const scopes = row.granted ? row.scopes : scopesOf(row.offered);
    drawField(field, scopes.join(", "), this.panel.pending.of(`scope ${row.name}`), this.panel.version);
  }

  drawUnscoped(button, row) {
    button.hidden = !row.shape || (row.bare && !row.scopes.length);
    button.label = row.bare ? "Only these scopes" : "Without a scope…";
    button.title = row.bare
      ? "It is granted without a scope as well. Click to leave it these scopes alone."
      : `Grant ${row.name} without a scope, which allows all of it.`;
    drawLabel(button, Boolean(this.panel.pending.of(`unscoped ${row.name}`)));
  }

  toggle(child) {
    const { row } = child;
    const control = `capability ${row.name}`;
    const waiting = this.panel.pending.of(control);
    const granted = waiting ? waiting.operation.op === "grant" : row.granted;
    if (granted) {
      this.panel.ask(control, { op: "revoke", grants: [row.name] }, besideRow(child.parts));
      return;
    }
    const field = child.parts.scope;
    const typed = !row.granted && field.draft ? field.value.trim() : "";
    const grants = typed ? scopesIn(typed).map((scope) => `${row.name}=${scope}`) : row.offered;
    if (grants.length) {
      this.panel.ask(control, { op: "grant", grants }, typed ? field : besideRow(child.parts));
    } else {
      const said = `${row.name} takes a scope: type one (${row.shape}), or grant it without a scope.`;
      this.panel.explainBeside(besideRow(child.parts), said);
      field.focus();
    }
  }

  scope(row, field) {
    const typed = typedIn(field);
    if (!row.granted) field.draft = typed !== null;
    else if (typed !== null) {
      const operation = { op: "scope", capability: row.name, scopes: scopesIn(typed), narrowing: !field.entered };
      this.panel.ask(`scope ${row.name}`, operation, field);
    }
  }

  unscoped(row, parts) {
    const operation = row.bare ? { op: "scope", scopes: row.scopes } : { op: "widen" };
    this.panel.ask(`unscoped ${row.name}`, { ...operation, capability: row.name }, besideRow(parts));
  }

  render(state) {
    reconcile(
      this.list,
      state.capabilities,
      (row) => `${state.plugin} ${row.name}`, // what is typed for one plugin never reaches another
      (row) => this.make(row),
      (child, row) => this.draw(child, row),
    );
    this.empty.hidden = state.capabilities.length > 0;
    for (const button of this.presets.children) {
      drawLabel(button, Boolean(this.panel.pending.of(`preset ${button.dataset.preset}`)));
    }
  }
}

const scopesOf = (grants) => grants.filter((one) => one.includes("=")).map((one) => one.slice(one.indexOf("=") + 1));

/** Several scopes as they are typed. A scope may have a comma in it, but no space after one. */
const scopesIn = (text) =>
  text
    .split(/,\s+|,$|,(?=https?:)/)
    .map((one) => one.trim())
    .filter(Boolean);

/** A field shows what holds, unless somebody is typing in it or the kernel has not answered yet. */
function drawField(field, text, waiting, version) {
  setAttribute(field, "aria-busy", Boolean(waiting));
  if (waiting) return;
  const edited = field.value !== field.dataset.confirmed && field.ownerDocument.activeElement === field;
  if (edited) return;
  field.seen = version;
  field.dataset.confirmed = text;
  if (field.refused) setText(field.wrong.holds, `What holds: ${text || "nothing"}.`);
  else if (field.value !== text) field.value = text;
}

/** Where a row says what was wrong, for a control of it that holds no text. */
const besideRow = ({ wrong }, seen = undefined) => ({ wrong, seen });

/** Has what was typed take effect, when a field is left or Enter is pressed in it. */
function apply(field) {
  field.tried = true;
  field.apply();
}

/** What holds stands in the field again. */
function putBack(field) {
  field.value = field.dataset.confirmed || "";
  field.draft = false;
  clearWrong(field);
}

/** What was typed into a field; null where that is nothing or nothing new, and the old text is back then. */
function typedIn(field) {
  const old = field.dataset.confirmed || "";
  const text = field.value.trim();
  if (text && text !== old) return text;
  field.value = old;
  clearWrong(field);
  return null;
}

/** Makes a button that widens ask back: the second click acts, if it is no double click and no key held down. */
function asksBack(button, question, act, needed = () => true) {
  const calm = () => {
    clearTimeout(button.calming);
    button.armedAt = 0;
    drawLabel(button);
  };
  button.question = question;
  button.addEventListener("blur", calm);
  button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
  button.addEventListener("click", () => {
    if (needed() && !button.armedAt) {
      button.armedAt = performance.now();
      button.calming = setTimeout(calm, ARMED_FOR);
      drawLabel(button);
    } else if (!needed() || performance.now() - button.armedAt > DOUBLE_CLICK) {
      calm();
      act();
    }
  });
}

function drawLabel(button, busy = false) {
  button.classList.toggle("jd-armed", Boolean(button.armedAt));
  setText(button, button.armedAt ? button.question : button.label);
  setAttribute(button, "aria-busy", busy);
}

function revertOn(event, field) {
  if (event.key === "Enter") {
    field.entered = true;
    field.tried = false;
    field.blur(); // outside a form, Enter alone makes no change event
    if (field.refused && !field.tried) field.apply(); // what was refused is tried again, though nobody has changed it
    field.entered = false;
  }
  if (event.key === "Escape") {
    putBack(field);
    field.blur();
  }
}

function flash(node) {
  node.classList.remove("jd-flash");
  void node.offsetWidth; // starts the animation again
  node.classList.add("jd-flash");
  clearTimeout(node.flashing);
  node.flashing = setTimeout(() => node.classList.remove("jd-flash"), 1200);
}

class Quotas {
  constructor(panel) {
    this.panel = panel;
    this.list = element("ul", { class: "jd-rows", "aria-label": "Quotas" });
    this.node = element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "Quotas" },
      element("div", { class: "jd-heading" }, element("h3", {}, "Quotas")),
      this.list,
    );
  }

  make(row) {
    const change = (value) => this.change(child.row, value, "", besideRow(child.parts));
    const field = element("input", {
      type: "text",
      class: "jd-field jd-number",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `${row.label} limit`,
      onchange: () => apply(field),
      onkeydown: (event) => revertOn(event, field),
    });
    field.apply = () => this.type(child.row, field);
    const slider = element("input", {
      type: "range",
      class: "jd-slider",
      min: 0,
      max: 100,
      step: "any",
      "aria-label": `${row.label} limit, logarithmic`,
      oninput: () => this.drag(child),
      onchange: () => this.drop(child),
    });
    const none = element("input", {
      type: "checkbox",
      "aria-label": `${row.label}: no limit of its own`,
      onclick: (event) => {
        event.preventDefault();
        change(none.dataset.none === "true" ? (child.limit ?? child.row.most) : "none");
      },
    });
    const asks = element("button", { type: "button", class: "jd-link", onclick: () => change(child.row.asks) });
    const parts = {
      field,
      slider,
      none,
      asks,
      use: element("span", { class: "jd-use" }),
      fill: element("span", { class: "jd-fill" }),
      wrong: wrongLine(),
      ceiling: element("span", { class: "jd-ceiling" }),
    };
    parts.track = element("span", { class: "jd-track", "aria-hidden": "true" }, parts.fill);
    besideField(field, parts.wrong);
    const label = element("span", { class: "jd-name", title: row.about }, row.label);
    parts.noneLabel = element("label", { class: "jd-none" }, none, "none");
    const child = element(
      "li",
      { class: "jd-quota", "data-quota": row.kind },
      element("div", { class: "jd-line" }, label, parts.use, asks),
      parts.track,
      element("div", { class: "jd-bar" }, slider),
      element("div", { class: "jd-exact" }, field, parts.noneLabel),
      parts.ceiling,
      parts.wrong,
    );
    child.parts = parts;
    return child;
  }

  draw(child, row) {
    const { field, slider, none, noneLabel, asks, use, fill, track, ceiling } = child.parts;
    child.row = row;
    const waiting = this.panel.pending.of(`quota ${row.kind}`);
    setAttribute(child, "aria-busy", Boolean(waiting));
    if (row.value !== null) child.limit = row.value; // comes back when "none" is no longer ticked
    drawField(field, row.text, waiting, this.panel.version);
    if (!waiting && !child.dragging) slider.value = row.value === null ? 100 : place(row, row.value);
    setAttribute(slider, "aria-busy", Boolean(waiting));
    setAttribute(
      slider,
      "aria-valuetext",
      row.value === null ? `no limit of its own${row.ceiling ? `; ceiling ${row.ceiling}` : ""}` : row.text,
    );
    child.classList.toggle("jd-unlimited", row.value === null);
    noneLabel.hidden = !row.may_be_none;
    none.checked = row.value === null;
    none.dataset.none = row.value === null;
    setAttribute(none, "aria-busy", Boolean(waiting));
    asks.hidden = !row.asks;
    setText(asks, row.asks ? `asks for ${row.asks}` : "");
    asks.title = "Its manifest asks for this. Click to allow it.";
    track.classList.toggle("jd-endless", row.share === null);
    track.title = row.share === null ? "" : `Of ${row.of}, to scale from nothing`;
    fill.style.width = `${100 * (row.share || 0)}%`;
    child.classList.toggle("jd-over", row.over);
    if (!child.dragging)
      setText(
        use,
        row.used === null
          ? ""
          : `${row.over ? "▲ " : ""}${row.live ? "now" : "last call"} ${row.used_text}${row.of && ` of ${row.of}`}`,
      );
    setText(ceiling, row.ceiling ? `ceiling ${row.ceiling}` : "no ceiling");
  }

  drag(child) {
    const now = performance.now();
    if (!child.dragging) child.seen = this.panel.version;
    child.dragging ||= unique("drag");
    const value = dragged(child.row, Number(child.parts.slider.value));
    setText(child.parts.use, `to ${amount(child.row, value)}`);
    if (now - (child.sentAt || 0) < DRAG_EVERY) return;
    child.sentAt = now;
    this.change(child.row, value, child.dragging, besideRow(child.parts, child.seen));
  }

  drop(child) {
    const drag = child.dragging || "";
    child.dragging = null;
    const seen = drag ? child.seen : this.panel.version;
    this.change(child.row, dragged(child.row, Number(child.parts.slider.value)), drag, besideRow(child.parts, seen));
  }

  type(row, field) {
    const typed = typedIn(field);
    if (typed !== null) this.change(row, typed, "", field, !field.entered);
  }

  change(row, value, drag = "", where = null, narrowing = false) {
    if (typeof value === "number" && !Number.isFinite(value)) return; // would be sent as null
    this.panel.ask(`quota ${row.kind}`, { op: "set_quota", kind: row.kind, value, drag, narrowing }, where);
  }

  render(state) {
    reconcile(
      this.list,
      state.quotas,
      (row) => `${state.plugin} ${row.kind}`,
      (row) => this.make(row),
      (child, row) => this.draw(child, row),
    );
  }
}

/** Where a value is on a logarithmic slider from 0 to 100, and back. */
function place(row, value) {
  if (value <= row.least) return 0;
  return Math.min(100, (100 * Math.log(value / row.least)) / Math.log(row.most / row.least));
}

function valueAt(row, position) {
  if (position >= 100) return row.most;
  const exact = row.least * (row.most / row.least) ** (position / 100);
  const unit = row.unit === "bytes" ? (exact >= 1 << 20 ? 1 << 20 : 1024) : 1;
  const round = Number((exact / unit).toPrecision(2)) * unit;
  return Math.min(row.unit === "s" ? round : Math.round(round), row.most);
}

/** The value that a place on the slider stands for; a thumb that went down never raises the limit by its rounding. */
function dragged(row, position) {
  const value = valueAt(row, position);
  return row.value !== null && position <= place(row, row.value) ? Math.min(value, row.value) : value;
}

function amount(row, value) {
  if (row.unit === "bytes")
    return value >= 1 << 20 ? `${+(value / (1 << 20)).toPrecision(3)} MiB` : `${Math.round(value / 1024)} KiB`;
  if (row.unit === "s") return value >= 1 ? `${+value.toPrecision(3)} s` : `${+(value * 1000).toPrecision(3)} ms`;
  return grouped(value);
}
