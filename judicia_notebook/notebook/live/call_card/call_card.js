// The page of a call in the background. It draws what the kernel says of the call, and asks for its end.
// It follows page.js in the one module they make.

const ALIVE_EVERY = 5000;
const SILENCE = 5000; // without a word from the kernel for so long while the call goes on, the card says that it is old
const PATIENCE = 500; // a click that is unconfirmed for so long is explained
const STATES = { waiting: "waits for an instance", running: "running", ending: "is being ended", ok: "ok", failed: "✕ failed", cancelled: "– cancelled" };
const OVER = ["ok", "failed", "cancelled"];

class BackgroundCall {
  constructor(model, root) {
    this.model = model;
    this.view = unique("view");
    this.state = null;
    this.revision = 0;
    this.heardAt = performance.now();
    this.pending = new Pending((message) => this.send(message), () => this.draw());
    this.build(root);
    this.draw();
  }

  build(root) {
    this.title = element("span", { class: "jd-name" });
    this.mark = element("span", { class: "jd-tag", "data-state": "", role: "status" });
    this.cost = element("span", { class: "jd-muted jd-cost" });
    this.cancel = element("button", { type: "button", class: "jd-button", "data-cancel": "", onclick: () => this.end() }, "Cancel");
    this.note = element("div", { class: "jd-note jd-muted", "data-banner": true, role: "status" });
    this.answer = element("div", { class: "jd-answer", tabindex: "0", role: "group", "aria-label": "Answer", hidden: true });
    this.root = element("div", { class: "jd-panel jd-background", "data-judicia": "background", role: "region", "aria-label": "Call in the background", "data-revision": 0, "data-pending": 0 },
      element("div", { class: "jd-running" }, this.title, this.mark, this.cost, this.cancel), this.note, this.answer);
    this.root.style.setProperty("--jd-scale", this.model.get("scale"));
    root.append(this.root);
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      this.disconnect();
    }
  }

  end() {
    if (!this.pending.of("cancel")) this.pending.ask("cancel", { op: "cancel", call: this.state.call });
  }

  hear(message) {
    this.heardAt = performance.now();
    this.gone = false;
    if (message.type === "state" && message.revision > this.revision) {
      this.state = JSON.parse(message.state);
      this.revision = message.revision;
    } else if (message.type === "done") this.pending.done(message.id, message.revision);
    else if (message.type === "refused") this.pending.refused(message.id);
    this.pending.drawn(this.revision);
    this.draw();
  }

  disconnect() {
    this.gone = true;
    this.draw();
  }

  get over() {
    return Boolean(this.state) && OVER.includes(this.state.state);
  }

  get connected() {
    return this.over || (!this.gone && performance.now() - this.heardAt < SILENCE);
  }

  draw() {
    const { root, state, over, connected, pending } = this;
    root.classList.toggle("jd-dark", isDark(root));
    root.classList.toggle("jd-stale", !connected);
    setAttribute(root, "data-revision", this.revision);
    setAttribute(root, "data-pending", pending.waiting.size);
    this.cancel.hidden = over;
    this.cancel.disabled = !state || !connected || state.state === "ending";
    setAttribute(this.cancel, "aria-busy", Boolean(pending.of("cancel")));
    const late = connected && !over && pending.waiting.size > 0 && pending.oldest > PATIENCE;
    setText(this.note, !connected ? "Disconnected: the kernel is gone, was restarted, or does not answer. What is shown is old."
      : late ? "The kernel has not heard this click yet: it may hear clicks only when the running cell ends." : "");
    if (!state) return;
    setText(this.title, state.title);
    nameWidget(this.root, `Call in the background: ${state.title}`);
    setText(this.mark, STATES[state.state]);
    setAttribute(this.mark, "data-state", state.state);
    setAttribute(this.cancel, "data-cancel", state.call);
    setAttribute(this.cancel, "aria-label", `Cancel ${state.title}`);
    const denied = state.denied ? `, ${grouped(state.denied)} denied` : "";
    const calls = state.host_calls ? `${counted(state.host_calls, "host call")}${denied}` : "";
    setText(this.cost, over && state.cost ? state.cost.slice(state.cost.indexOf(" · ") + 3) : [state.elapsed, state.cpu && `${state.cpu} cpu`, calls, state.memory].filter(Boolean).join(" · "));
    this.answer.hidden = !over;
    this.answer.classList.toggle("jd-failed", state.state === "failed");
    setText(this.answer, state.answer);
  }
}

function render({ model, el }) {
  const card = new BackgroundCall(model, el);
  const hear = (message) => card.hear(message);
  const lost = () => card.disconnect();
  model.on("msg:custom", hear);
  model.on("comm_live_update", lost);
  model.on("comm:close", lost);
  card.send({ type: "hello", view: card.view });
  const beat = setInterval(() => card.draw(), 250);
  const alive = setInterval(() => { if (!card.over) card.send({ type: "alive", view: card.view }); }, ALIVE_EVERY);
  const leave = () => card.send({ type: "bye", view: card.view });
  window.addEventListener("pagehide", leave);
  return () => {
    clearInterval(beat);
    clearInterval(alive);
    window.removeEventListener("pagehide", leave);
    leave();
    model.off("msg:custom", hear);
    model.off("comm_live_update", lost);
    model.off("comm:close", lost);
  };
}

export default { render };
