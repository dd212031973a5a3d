// Makes the places on the card before this script buttons that lead to their lines in the editor of the same cell.
// JupyterLab runs it where output is trusted. On any other page, and where an output stands in a view of its own, there is
// no editor, and the places stay text. JupyterLab has no command that goes to a line of a cell, so CodeMirror is asked, by
// the property through which its own `EditorView.findFromDOM` finds an editor.
((/** @type {HTMLOrSVGScriptElement | null} */ script) => {
  const cell = script?.closest(".jp-Cell");
  const card = script?.previousElementSibling;
  if (!cell || !card) return;

  /** @returns {any} CodeMirror's view, of its newer or its older releases. */
  const editor = () => {
    /** @type {any} */
    const content = cell.querySelector(".jp-InputArea .cm-content");
    return content?.cmTile?.root?.view ?? content?.cmView?.rootView?.view;
  };

  /** @param {number} number @param {number} column In characters; CodeMirror counts UTF-16. */
  const go = (number, column) => {
    const view = editor();
    if (!view) return;
    const line = view.state.doc.line(Math.min(number, view.state.doc.lines));
    const before = Array.from(line.text).slice(0, column - 1);
    view.dispatch({ selection: { anchor: line.from + before.join("").length }, scrollIntoView: true });
    view.focus();
  };

  if (!editor()) return;
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (card.querySelectorAll("[data-line]"))) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = place.textContent;
    button.setAttribute("aria-label", `Go to ${place.textContent}`);
    button.setAttribute("data-lm-suppress-shortcuts", "true"); // or JupyterLab takes Enter and the space bar
    button.style.cssText =
      "all: unset; cursor: pointer; text-decoration: underline; color: var(--jp-content-link-color, LinkText)";
    button.onfocus = () => {
      button.style.outline = button.matches(":focus-visible") ? "2px solid currentColor" : "";
    };
    button.onblur = () => {
      button.style.outline = "";
    };
    button.onclick = () => go(Number(place.dataset.line), Number(place.dataset.column));
    place.replaceChildren(button);
  }
})(document.currentScript);
