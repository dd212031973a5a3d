(function (identity) {
  "use strict";
  // Boxes stand in the order of a walk through the tree, and know their level and their place in the whole.
  const root = document.getElementById(identity);
  const graph = root && root.querySelector(".jf-graph");
  if (!graph) return;
  const boxes = Array.from(graph.children, (element) => ({
    element,
    level: Number(element.getAttribute("aria-level")),
    left: Number(element.dataset.left),
    width: Number(element.dataset.width),
  }));
  const of = new Map(boxes.map((box) => [box.element, box]));
  const boxOf = (event) => of.get(event.target.closest("[role=treeitem]")); // a box has a span for its line
  const detail = root.querySelector(".jf-detail");
  const tools = root.querySelector(".jf-tools");
  const search = tools.querySelector("input");
  const SLACK = 1e-3; // percent; places are rounded

  const inside = (box, outer) =>
    box.left >= outer.left - SLACK && box.left + box.width <= outer.left + outer.width + SLACK;
  const parent = (box) => boxes.find((one) => one.level === box.level - 1 && inside(box, one));
  const children = (box) =>
    boxes.filter((one) => one.level === box.level + 1 && inside(one, box)).sort((a, b) => a.left - b.left);
  const siblings = (box) => (box.level === 1 ? [box] : children(parent(box)));

  let zoomed = boxes[0];
  let current = boxes[0];

  function place() {
    for (const box of boxes) {
      const around = box.level < zoomed.level && inside(zoomed, box);
      const visible = around || (box.level >= zoomed.level && inside(box, zoomed));
      const left = around ? 0 : ((box.left - zoomed.left) / zoomed.width) * 100;
      const width = around ? 100 : (box.width / zoomed.width) * 100;
      box.element.style.left = `${left}%`;
      box.element.style.width = `${width}%`;
      box.element.style.display = visible ? "" : "none";
      box.element.classList.toggle("jf-around", around);
    }
  }

  function show(box) {
    detail.textContent = box.element.title;
  }

  function focus(box) {
    if (!box || box.element.style.display === "none") return;
    current.element.tabIndex = -1;
    current = box;
    current.element.tabIndex = 0;
    current.element.focus();
  }

  function zoom(box) {
    zoomed = box;
    place();
  }

  function find() {
    const wanted = search.value.trim().toLowerCase();
    let share = 0;
    let until = -1;
    const found = boxes.filter((box) => wanted && box.element.textContent.toLowerCase().includes(wanted));
    for (const box of boxes) {
      box.element.classList.toggle("jf-found", found.includes(box));
      box.element.classList.toggle("jf-dim", Boolean(wanted) && !found.includes(box));
    }
    for (const box of found.slice().sort((a, b) => a.left - b.left || a.level - b.level)) {
      if (box.left + box.width <= until + SLACK) continue; // below one that is counted already
      share += box.width;
      until = box.left + box.width;
    }
    if (wanted) detail.textContent = `${found.length} found, ${share.toFixed(1)} % of the time`;
  }

  const steps = {
    ArrowDown: (box) => children(box).reduce((a, b) => (a && a.width >= b.width ? a : b), undefined),
    ArrowUp: parent,
    ArrowRight: (box) => siblings(box)[siblings(box).indexOf(box) + 1],
    ArrowLeft: (box) => siblings(box)[siblings(box).indexOf(box) - 1],
    Home: () => zoomed,
  };

  graph.addEventListener("keydown", (event) => {
    const box = boxOf(event);
    if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) focus(steps[event.key](box));
    else if (event.key === "Enter" || event.key === " ") zoom(box);
    else if (event.key === "Escape") {
      zoom(parent(zoomed) || zoomed);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has meanings of its own for these
  });
  graph.addEventListener("click", (event) => {
    const box = boxOf(event);
    if (!box) return;
    zoom(box);
    focus(box);
  });
  for (const entered of ["focusin", "mouseover"]) {
    graph.addEventListener(entered, (event) => {
      const box = boxOf(event);
      if (box) show(box);
    });
  }
  graph.addEventListener("mouseleave", () => show(current));
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => event.stopPropagation());
  tools.querySelector("button").addEventListener("click", () => {
    zoom(boxes[0]);
    focus(boxes[0]);
  });
  tools.hidden = false;
})
