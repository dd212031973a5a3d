// The part of a live panel that changes the policy: capabilities and quotas.
//
// A section has `node`, its element, and `render(state)`, which draws what the kernel said.

const DRAG_EVERY = 120;
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
};

function tagOf(row) {
  if (row.asked.length) return row.granted ? "asked" : "missing";
  return row.imported ? "imported" : "unasked";
}

class Capabilities {
  constructor(panel) {
    this.panel = panel;
    this.list = element("ul", { class: "jd-rows", "aria-label": "Capabilities" });
    this.empty = element("p", { class: "jd-muted" }, "It asks for nothing, imports nothing and is granted nothing.");
    const presets = PRESETS.map(([preset, label]) =>
      element(
        "button",
        { type: "button", class: "jd-button", "data-preset": preset, onclick: () => this.preset(preset) },
        label,
      ),
    );
    this.presets = element("div", { class: "jd-group", role: "group", "aria-label": "Grant a preset" }, ...presets);
    this.node = element(
      "section",
      { class: "jd-section", "aria-label": "Capabilities and grants" },
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
        onclick: () => this.toggle(child.row),
      },
      element("span", { class: "jd-knob", "aria-hidden": "true" }),
    );
    const scope = element("input", {
      type: "text",
      class: "jd-field",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `Scope of ${row.name}`,
      onchange: () => this.scope(child.row, scope),
      onkeydown: (event) => revertOn(event, scope),
    });
    const parts = {
      toggle,
      scope,
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
      element("div", { class: "jd-what" }, element("div", { class: "jd-line" }, name, parts.tag), parts.about),
      scope,
      counters,
    );
    child.parts = parts;
    child.denied = row.denied;
    return child;
  }

  draw(child, row) {
    const { parts } = child;
    child.row = row;
    setAttribute(parts.toggle, "aria-checked", row.granted);
    setAttribute(parts.toggle, "aria-busy", Boolean(this.panel.pending.of(`capability ${row.name}`)));
    const tag = tagOf(row);
    setAttribute(parts.tag, "data-tag", tag);
    setText(parts.tag, CAPABILITY_TAGS[tag][0]);
    parts.tag.title = CAPABILITY_TAGS[tag][1];
    setText(parts.about, row.about);
    this.drawScope(parts.scope, row);
    for (const kind of ["allowed", "denied", "limited"]) {
      setText(parts[kind], row[kind] || kind !== "limited" ? `${grouped(row[kind])} ${kind}` : "");
    }
    parts.denied.classList.toggle("jd-zero", !row.denied);
    if (row.denied > child.denied) flash(child);
    child.denied = row.denied;
  }

  drawScope(field, row) {
    const control = `scope ${row.name}`;
    field.hidden = !row.shape;
    field.readOnly = !row.granted;
    field.placeholder = row.granted ? `no scope; or ${row.shape}` : scopesOf(row.asked).join(", ");
    field.title = row.granted ? `Scope: ${row.shape}` : `Scope: ${row.shape}. It can be changed once it is granted.`;
    drawField(field, row.scopes.join(", "), this.panel.pending.of(control));
  }

  toggle(row) {
    const control = `capability ${row.name}`;
    const waiting = this.panel.pending.of(control);
    const granted = waiting ? waiting.operation.op === "grant" : row.granted;
    const grants = granted || !row.asked.length ? [row.name] : row.asked;
    this.panel.ask(control, { op: granted ? "revoke" : "grant", grants });
  }

  scope(row, field) {
    const scopes = field.value
      .split(",")
      .map((one) => one.trim())
      .filter(Boolean);
    this.panel.ask(`scope ${row.name}`, { op: "scope", capability: row.name, scopes }, field);
  }

  render(state) {
    reconcile(
      this.list,
      state.capabilities,
      (row) => row.name,
      (row) => this.make(row),
      (child, row) => this.draw(child, row),
    );
    this.empty.hidden = state.capabilities.length > 0;
    for (const button of this.presets.children) {
      setAttribute(button, "aria-busy", Boolean(this.panel.pending.of(`preset ${button.dataset.preset}`)));
    }
  }
}

const scopesOf = (grants) => grants.filter((one) => one.includes("=")).map((one) => one.slice(one.indexOf("=") + 1));

/** A field shows what holds, unless somebody is typing in it or the kernel has not answered yet. */
function drawField(field, text, waiting) {
  setAttribute(field, "aria-busy", Boolean(waiting));
  if (waiting) return;
  const edited = field.value !== field.dataset.confirmed && field.ownerDocument.activeElement === field;
  if (edited) return;
  if (field.value !== text) field.value = text;
  field.removeAttribute("aria-invalid");
  field.dataset.confirmed = text;
}

function revertOn(event, field) {
  if (event.key === "Enter") field.blur(); // outside a form, Enter alone makes no change event
  if (event.key === "Escape") {
    field.value = field.dataset.confirmed || "";
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
      "section",
      { class: "jd-section", "aria-label": "Quotas" },
      element("div", { class: "jd-heading" }, element("h3", {}, "Quotas")),
      this.list,
    );
  }

  make(row) {
    const change = (value) => this.change(child.row, value);
    const field = element("input", {
      type: "text",
      class: "jd-field jd-number",
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `${row.label} limit`,
      onchange: () => this.change(child.row, field.value, "", field),
      onkeydown: (event) => revertOn(event, field),
    });
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
        change(none.dataset.none === "true" ? row.most : null);
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
      ceiling: element("span", { class: "jd-ceiling" }),
    };
    const label = element("span", { class: "jd-name", title: row.about }, row.label);
    parts.noneLabel = element("label", { class: "jd-none" }, none, "none");
    const bar = element(
      "div",
      { class: "jd-bar" },
      element("span", { class: "jd-track", "aria-hidden": "true" }, parts.fill),
      slider,
    );
    const child = element(
      "li",
      { class: "jd-quota", "data-quota": row.kind },
      element("div", { class: "jd-line" }, label, parts.use, asks),
      bar,
      element("div", { class: "jd-exact" }, field, parts.noneLabel),
      parts.ceiling,
    );
    child.parts = parts;
    return child;
  }

  draw(child, row) {
    const { field, slider, none, noneLabel, asks, use, fill, ceiling } = child.parts;
    child.row = row;
    const waiting = this.panel.pending.of(`quota ${row.kind}`);
    setAttribute(child, "aria-busy", Boolean(waiting));
    drawField(field, row.text, waiting);
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
    const share = row.used ? Math.max(place(row, row.used), 1) : 0;
    fill.style.width = `${Math.min(share, 100)}%`;
    child.classList.toggle("jd-over", row.over);
    if (!child.dragging)
      setText(
        use,
        row.used === null ? "" : `${row.over ? "▲ " : ""}${row.live ? "now" : "last call"} ${row.used_text}`,
      );
    setText(ceiling, row.ceiling ? `ceiling ${row.ceiling}` : "no ceiling");
  }

  drag(child) {
    const now = performance.now();
    child.dragging ||= unique("drag");
    const value = valueAt(child.row, Number(child.parts.slider.value));
    setText(child.parts.use, `to ${amount(child.row, value)}`);
    if (now - (child.sentAt || 0) < DRAG_EVERY) return;
    child.sentAt = now;
    this.change(child.row, value, child.dragging);
  }

  drop(child) {
    const drag = child.dragging || "";
    child.dragging = null;
    this.change(child.row, valueAt(child.row, Number(child.parts.slider.value)), drag);
  }

  change(row, value, drag = "", field = null) {
    this.panel.ask(`quota ${row.kind}`, { op: "set_quota", kind: row.kind, value, drag }, field);
  }

  render(state) {
    reconcile(
      this.list,
      state.quotas,
      (row) => row.kind,
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

function amount(row, value) {
  if (row.unit === "bytes")
    return value >= 1 << 20 ? `${+(value / (1 << 20)).toPrecision(3)} MiB` : `${Math.round(value / 1024)} KiB`;
  if (row.unit === "s") return value >= 1 ? `${+value.toPrecision(3)} s` : `${+(value * 1000).toPrecision(3)} ms`;
  return grouped(value);
}
