// The first row of a piece of stock widgets, which cannot tell by themselves whether a kernel is there. Until the kernel
// has answered, and after it has gone, it says so and has the other rows out of sight (`answering.css`).

import { Snapshot } from "../snapshot.js";

/** @import { Model } from "../session.js" */

/** @param {{ model: Model, el: HTMLElement }} place */
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
    lost(); // a saved notebook has no comm
  }
  return () => {
    model.off("msg:custom", answered);
    model.off("comm_live_update", lost);
    model.off("comm:close", lost);
  };
}

export default { render };
