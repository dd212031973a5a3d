// Made by `make pages` from the modules named below. Change those, not this.

// judicia_notebook/notebook/live/dom.js
var TAKES_KEYS = /* @__PURE__ */ new Set(["button", "input", "select", "textarea"]);
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (TAKES_KEYS.has(tag) || "tabindex" in attributes) made.setAttribute("data-lm-suppress-shortcuts", "");
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== void 0) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

// judicia_notebook/notebook/live/snapshot.js
var WAITING = "Waiting for the kernel. This live view shows nothing until the kernel that made it answers.";
var KEY = /^[0-9a-f]+$/;
var Snapshot = class {
  /**
   * @param {Model} model
   * @param {HTMLElement} root What the page draws in.
   */
  constructor(model, root) {
    const key = String(model.get("snapshot"));
    this.root = root;
    this.line = element("p", { class: "jd-unheard", role: "status" }, WAITING);
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
};

// judicia_notebook/notebook/live/widgets/answering.js
function render({ model, el }) {
  el.classList.add("jd-answering");
  const snapshot = new Snapshot(model, el);
  const answered = () => snapshot.answered();
  const lost = () => snapshot.lost();
  model.on("msg:custom", answered);
  model.on("comm_live_update", lost);
  model.on("comm:close", lost);
  try {
    model.send({ type: "hello" });
  } catch {
    lost();
  }
  return () => {
    model.off("msg:custom", answered);
    model.off("comm_live_update", lost);
    model.off("comm:close", lost);
  };
}
var answering_default = { render };
export {
  answering_default as default
};
