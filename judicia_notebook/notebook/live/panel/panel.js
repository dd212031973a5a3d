// The page of a live panel. It draws what the kernel says holds, and nothing else.
//
// - A `state` message is everything there is to draw; its revision only rises, and older ones are ignored.
// - A click is sent as an operation and changes nothing here: its control is pending (aria-busy) until the kernel has
//   said `done` and a state of at least that revision is drawn.
// - Nothing that appears by itself moves a control: somebody may be about to click on it.
//
// It follows page.js, panel_policy.js and panel_activity.js in the one module they make.

const ALIVE_EVERY = 5000;
const SILENCE = 5000; // without a word from the kernel for so long, the panel says that it is disconnected
const PATIENCE = 500; // a click that is unconfirmed for so long is explained
const ERROR_STAYS = 8000;
const STEADY = 300; // for so long a mouse that stands still may mean what stood under it before
const TABS = [
  ["running", "Running"],
  ["calls", "Calls"],
  ["log", "Log"],
  ["audit", "Audit"],
  ["call", "Call"],
];

class Panel {
  constructor(model, root) {
    this.model = model;
    this.view = unique("view");
    this.state = null;
    this.revision = 0;
    this.heardAt = performance.now();
    this.movedAt = -Infinity;
    this.held = []; // what would move a control, until the mouse's button is up
    this.pending = new Pending(
      (message) => this.send(message),
      () => this.draw(),
    );
    this.build(root);
    this.show(TABS[0][0]);
    this.draw();
  }

  build(root) {
    this.capabilities = new Capabilities(this);
    this.quotas = new Quotas(this);
    this.running = new Running(this);
    this.callForm = new CallForm(this);
    this.calls = new Rows(
      "Last calls",
      [
        ["Call", "jd-num"],
        ["Function"],
        ["Outcome"],
        ["Wall", "jd-num"],
        ["CPU", "jd-num"],
        ["Memory", "jd-num"],
        ["Fuel", "jd-num"],
        ["Host calls", "jd-num"],
        ["Denied", "jd-num"],
        ["By"],
      ],
      "No call yet.",
    );
    this.log = new Rows(
      "Log",
      [["At", "jd-num"], ["Level"], ["Message", "jd-text"], ["From"]],
      "It has written nothing.",
    );
    this.audit = new Rows(
      "Audit",
      [["At", "jd-num"], ["What"], ["Detail", "jd-text"], ["By way of"]],
      "Nothing was changed or denied.",
    );
    this.banner = element("div", { class: "jd-banner", "data-banner": true, role: "status", "aria-live": "polite" });
    this.error = element("div", { class: "jd-error", "data-error": true, role: "alert" });
    this.lost = element("div", { class: "jd-lost", "data-disconnected": true, role: "alert", hidden: true });
    this.everything = element(
      "fieldset",
      { class: "jd-controls" },
      this.header(),
      this.changing(element("div", { class: "jd-columns" }, this.capabilities.node, this.quotas.node)),
      this.tabs(),
    );
    this.root = element(
      "div",
      {
        class: "jd-panel",
        "data-judicia": "panel",
        role: "region",
        "aria-label": "Plugin panel",
        onpointerdown: () => this.press(),
        onpointermove: () => {
          this.movedAt = -Infinity;
        },
        "data-revision": 0,
        "data-pending": 0,
      },
      this.everything,
      this.lost,
      element("div", { class: "jd-notices" }, this.error, this.banner),
    );
    this.root.addEventListener("click", (event) => this.misses(event), true);
    this.root.style.setProperty("--jd-scale", this.model.get("scale"));
    root.append(this.root);
  }

  /** A fieldset for controls that change something, which an unloaded plugin no longer can be. */
  changing(...children) {
    this.changers ||= [];
    this.changers.push(element("fieldset", { class: "jd-controls" }, ...children));
    return this.changers.at(-1);
  }

  header() {
    this.title = element("h2", { class: "jd-title" });
    this.chooser = element("select", {
      class: "jd-field jd-title",
      "aria-label": "Plugin",
      hidden: true,
      onchange: () => this.ask("choose", { op: "choose", plugin: this.chooser.value }),
    });
    this.status = element("div", { class: "jd-status", "data-status": true });
    this.onDenied = element(
      "button",
      {
        type: "button",
        role: "switch",
        class: "jd-switch",
        "data-on-denied": true,
        "aria-label": "A denial ends the call",
        onclick: () => this.ask("on_denied", { op: "on_denied", value: this.trapIsWanted() ? "error" : "trap" }),
      },
      element("span", { class: "jd-knob", "aria-hidden": "true" }),
    );
    this.undo = element(
      "button",
      { type: "button", class: "jd-button", "data-undo": true, onclick: () => this.takeBack() },
      "Undo",
    );
    const denial = element(
      "span",
      { class: "jd-pair", title: "Off: a denied host call is answered with an error value. On: it ends the call." },
      this.onDenied,
      element("span", { "aria-hidden": "true" }, "denial ends the call"),
    );
    return element(
      "div",
      { class: "jd-header" },
      this.title,
      this.chooser,
      this.status,
      this.changing(element("div", { class: "jd-group" }, denial, this.undo)),
    );
  }

  trapIsWanted() {
    const waiting = this.pending.of("on_denied");
    return (waiting ? waiting.operation.value : this.state.on_denied) === "trap";
  }

  tabs() {
    const panes = {
      running: this.changing(this.running.node),
      calls: this.calls.node,
      log: this.log.node,
      audit: this.audit.node,
      call: this.changing(this.callForm.node),
    };
    this.tabButtons = {};
    this.panes = {};
    for (const [name, label] of TABS) {
      const [tab, pane] = [unique("tab"), unique("pane")];
      this.tabButtons[name] = element(
        "button",
        {
          type: "button",
          role: "tab",
          id: tab,
          "aria-controls": pane,
          class: "jd-tab",
          onclick: () => this.show(name),
          onkeydown: (event) => this.tabKey(event, name),
        },
        label,
      );
      this.panes[name] = element(
        "div",
        { role: "tabpanel", id: pane, "aria-labelledby": tab, class: "jd-pane" },
        panes[name],
      );
    }
    this.runningCount = element("span", { "aria-hidden": "true" });
    this.tabButtons.running.append(this.runningCount);
    return element(
      "div",
      { class: "jd-section", role: "group", "aria-label": "What it does and did" },
      element("div", { role: "tablist", class: "jd-tabs", "aria-label": "Views" }, ...Object.values(this.tabButtons)),
      ...Object.values(this.panes),
    );
  }

  tabKey(event, name) {
    const names = TABS.map(([one]) => one);
    const at = names.indexOf(name);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = names[(to + names.length) % names.length];
    this.show(next);
    this.tabButtons[next].focus();
  }

  show(shown) {
    for (const [name] of TABS) {
      setAttribute(this.tabButtons[name], "aria-selected", name === shown);
      this.tabButtons[name].tabIndex = name === shown ? 0 : -1;
      this.panes[name].hidden = name !== shown;
    }
  }

  // To and from the kernel

  send(message) {
    try {
      this.model.send(message);
    } catch {
      this.disconnect();
    }
  }

  /** Asks the kernel for something. `where` is the field that was touched, or what else knows what was `seen` then. */
  ask(control, operation, where = null) {
    if (!this.state || !this.state.plugin || !this.connected) return;
    const seen = where && where.seen !== undefined ? where.seen : this.version;
    this.pending.ask(control, { plugin: this.state.plugin, view: this.view, seen, ...operation }, where);
  }

  /** The version of the policy that is drawn. */
  get version() {
    return this.state.policy_version;
  }

  /** Takes back the step that the button names, once. */
  takeBack() {
    if (!this.pending.of("undo")) this.ask("undo", { op: "undo", step: this.state.undo_step });
  }

  hear(message) {
    this.heardAt = performance.now();
    this.gone = false;
    if (message.type === "state") this.take(message);
    else if (message.type === "done") this.confirm(message);
    else if (message.type === "refused") this.complain(message);
    this.pending.drawn(this.revision);
    this.draw();
  }

  take(message) {
    if (message.revision <= this.revision) return;
    const first = !this.state;
    this.state = JSON.parse(message.state);
    if (first) this.show(this.state.first_tab);
    this.revision = message.revision;
  }

  confirm({ id, revision }) {
    const one = this.pending.done(id, revision);
    if (!one) return;
    if (one.control === this.refused) setText(this.error, "");
    if (one.where && one.where.wrong) this.move(() => clearWrong(one.where));
  }

  complain(message) {
    const one = this.pending.refused(message.id);
    if (!one) return;
    const { type, message: text, hint } = message.error;
    const said = `${text}${hint ? ` ${hint}` : ""}`;
    const { where } = one;
    if (!where || !where.wrong) this.explain(one.control, `${type}: ${said}`);
    else this.explainBeside(where, said, type);
  }

  /** Says beside a control why it did not do what was asked of it. */
  explainBeside(where, said, type = "") {
    const field = where instanceof Element ? where : null;
    if (field && type === "Unmeant") putBack(field);
    else if (field && field.blamed(type)) markWrong(field);
    this.move(() => {
      setText(where.wrong.said, said);
      setText(where.wrong.holds, "");
      where.wrong.hidden = false;
      this.draw();
    });
  }

  // Nothing moves while a button of the mouse is down; and where something has moved under a mouse that stands still, its
  // next click is not taken at once.

  move(act) {
    const moving = () => {
      const height = this.root.offsetHeight;
      act();
      if (this.root.offsetHeight !== height) this.movedAt = performance.now();
    };
    if (this.pressed) this.held.push(moving);
    else moving();
  }

  press() {
    this.pressed = true;
    const released = () => {
      window.removeEventListener("pointerup", released, true);
      window.removeEventListener("pointercancel", released, true);
      setTimeout(() => {
        this.pressed = false;
        for (const moving of this.held.splice(0)) moving();
      });
    };
    window.addEventListener("pointerup", released, true);
    window.addEventListener("pointercancel", released, true);
  }

  misses(event) {
    if (!event.isTrusted || !event.detail || performance.now() - this.movedAt > STEADY) return; // keys never miss
    event.preventDefault();
    event.stopPropagation();
  }

  /** Says why a control did not do what was asked of it. */
  explain(control, text) {
    this.refused = control;
    setText(this.error, text);
    clearTimeout(this.errorTimer);
    this.errorTimer = setTimeout(() => setText(this.error, ""), ERROR_STAYS);
  }

  disconnect() {
    this.gone = true;
    this.pending.waiting.clear(); // nobody is left to answer
    this.draw();
  }

  get connected() {
    return !this.gone && performance.now() - this.heardAt < SILENCE;
  }

  // Drawing

  draw() {
    const { state, root } = this;
    root.classList.toggle("jd-dark", isDark(root));
    this.drawConnection();
    if (state) {
      this.drawHeader(state);
      this.capabilities.render(state);
      this.quotas.render(state);
      this.running.render(state);
      this.callForm.render(state);
      this.calls.render(
        state.calls,
        (row) => [
          String(row.call),
          row.function,
          row.error ? `${row.outcome}: ${row.error}` : row.outcome,
          row.wall,
          row.cpu,
          row.memory,
          row.fuel,
          grouped(row.host_calls),
          grouped(row.denied),
          row.origin,
        ],
        (row) => !row.ok,
      );
      this.log.render(
        state.log,
        (row) => [row.at, row.what, row.text, row.by],
        (row) => row.what === "error",
      );
      this.audit.render(
        state.audit,
        (row) => [row.at, row.what, row.text, row.by],
        (row) => row.what === "denied",
      );
      setText(this.runningCount, state.running.length ? ` ${state.running.length}` : "");
    }
    setAttribute(root, "data-revision", this.revision);
    setAttribute(root, "data-policy", state ? this.version : 0);
    setAttribute(root, "data-pending", this.pending.waiting.size);
  }

  drawConnection() {
    const { connected, state, pending } = this;
    this.lost.hidden = connected;
    if (!connected)
      setText(
        this.lost,
        "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown below is old.",
      );
    this.everything.disabled = !connected || !state;
    const changeable = Boolean(state && state.plugin && state.state !== "unloaded");
    for (const fieldset of this.changers) fieldset.disabled = !changeable;
    this.root.classList.toggle("jd-stale", !connected || !state);
    const late = connected && pending.waiting.size > 0 && pending.oldest > PATIENCE;
    const busy = state && state.foreground;
    const count = pending.waiting.size === 1 ? "1 change is" : `${pending.waiting.size} changes are`;
    setText(
      this.banner,
      !late
        ? ""
        : busy
          ? `This kernel hears clicks only when the cell ends (${state.foreground} is running in it); ${count} pending. A call in the background leaves it free: %plugin call ... --background`
          : `The kernel has not confirmed this yet: ${count} pending. Where it hears clicks only when a cell ends, a call in the background leaves it free: %plugin call ... --background`,
    );
  }

  drawHeader(state) {
    const chooses = state.choices !== null;
    nameWidget(this.root, state.plugin ? `Panel of ${state.plugin}` : "Panel of no plugin");
    setText(this.title, state.plugin || "No plugin is loaded");
    this.title.hidden = chooses && Boolean(state.plugin);
    this.chooser.hidden = !chooses || !state.plugin;
    if (chooses) this.drawChoices(state);
    const facts = state.plugin
      ? [
          state.version,
          state.state,
          counted(state.calls_made, "call"),
          state.calls_failed && `${grouped(state.calls_failed)} failed`,
          state.denied && `${counted(state.denied, "host call")} denied`,
          state.waiting && `${grouped(state.waiting)} waiting`,
        ]
      : ["%plugin load example:checker"];
    setText(this.status, facts.filter(Boolean).join(" · "));
    this.status.classList.toggle("jd-bad", state.state === "unloaded");
    this.status.title = state.plugin ? `${state.about} sha256 ${state.digest}, ${state.abi}` : "";
    setAttribute(this.onDenied, "aria-checked", state.on_denied === "trap");
    setAttribute(this.onDenied, "aria-busy", Boolean(this.pending.of("on_denied")));
    this.undo.disabled = !state.undo;
    this.undo.title = state.undo ? `Take back: ${state.undo}` : "Nothing to take back";
    setAttribute(this.undo, "aria-busy", Boolean(this.pending.of("undo")));
  }

  drawChoices(state) {
    reconcile(
      this.chooser,
      state.choices,
      (one) => one.name,
      (one) => element("option", { value: one.name }),
      (option, one) => setText(option, one.running ? `${one.name} (${one.running} running)` : one.name),
    );
    if (this.chooser.value !== state.plugin) this.chooser.value = state.plugin; // what is below is of this one
    setAttribute(this.chooser, "aria-busy", Boolean(this.pending.of("choose")));
  }
}

function render({ model, el }) {
  const panel = new Panel(model, el);
  const hear = (message) => panel.hear(message);
  const lost = () => panel.disconnect();
  model.on("msg:custom", hear);
  model.on("comm_live_update", lost);
  model.on("comm:close", lost);
  panel.send({ type: "hello", view: panel.view });
  const alive = setInterval(() => panel.send({ type: "alive", view: panel.view }), ALIVE_EVERY);
  const watch = setInterval(() => panel.draw(), 250);
  const leave = () => panel.send({ type: "bye", view: panel.view });
  const back = () => document.hidden || panel.send({ type: "alive", view: panel.view });
  window.addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", back); // a hidden page's timers hardly run
  return () => {
    clearInterval(alive);
    clearInterval(watch);
    window.removeEventListener("pagehide", leave);
    document.removeEventListener("visibilitychange", back);
    leave();
    model.off("msg:custom", hear);
    model.off("comm_live_update", lost);
    model.off("comm:close", lost);
  };
}

export default { render };
