// The names of the axes of parallel coordinates, as elements above the canvas: they are
// dragged to move an axis, and hold the keyboard's handle of its brush.

import { describeBrush, wireBrushKeys } from "./brushing.js";

const DRAGGED = 6;

// moveAxis(name, places): by how many places an axis moves; settle(): the drag has ended.
export function axisTitles(frame, linked, { help, moveAxis, settle }) {
  const titles = new Map();
  let layout = null;

  function wireKeys(element, name) {
    wireBrushKeys(element, linked, () => titles.get(name).laid.axis);
    element.addEventListener("keydown", (event) => {
      const direction = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (!event.altKey || !direction || titles.get(name).laid.axis.kind === "value") return;
      event.preventDefault();
      moveAxis(name, direction);
      settle();
      element.focus();
    });
  }

  function wireDrag(element, name) {
    let from = null;
    const at = (event) => (layout.flat ? event.clientY : event.clientX);
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || titles.get(name).laid.axis.kind === "value") return;
      from = at(event);
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(at(event) - from) < DRAGGED) return;
      element.classList.add("is-dragged");
      const gap = layout.axes.length > 1 ? layout.axes[1].across - layout.axes[0].across : 1;
      const places = Math.round((at(event) - from) / gap);
      if (places === 0) return;
      moveAxis(name, places);
      from += places * gap;
    });
    const end = () => {
      if (from !== null && element.classList.contains("is-dragged")) settle();
      from = null;
      element.classList.remove("is-dragged");
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  }

  function create(name) {
    const element = document.createElement("span");
    element.className = "axis-title";
    element.setAttribute("aria-label", name);
    if (help) element.setAttribute("aria-describedby", help);
    frame.append(element);
    wireKeys(element, name);
    wireDrag(element, name);
    return { element, laid: null };
  }

  function place(element, laid, width) {
    const gap = layout.axes.length > 1 ? layout.axes[1].across - layout.axes[0].across : width;
    element.style.maxWidth = `${Math.round(layout.flat ? width - 24 : Math.max(40, gap - 4))}px`;
    const size = element.offsetWidth;
    const middle = Math.min(laid.across - size / 2, width - size - 2);
    const [x, y] = layout.flat ? [12, laid.across - 25] : [Math.max(0, middle), 2];
    element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  return {
    show(next, width) {
      layout = { flat: next.frame.flat, axes: next.axes };
      const names = new Set(next.axes.map(({ axis }) => axis.field));
      for (const [name, { element }] of titles) {
        if (names.has(name)) continue;
        element.remove();
        titles.delete(name);
      }
      for (const laid of next.axes) {
        const name = laid.axis.field;
        if (!titles.has(name)) titles.set(name, create(name));
        const title = titles.get(name);
        title.laid = laid;
        if (title.element.textContent !== laid.axis.title) title.element.textContent = laid.axis.title;
        title.element.title = laid.axis.title;
        title.element.classList.toggle("is-fixed", laid.axis.kind === "value");
        describeBrush(title.element, linked, laid.axis);
        place(title.element, laid, width);
        // In the order of the axes, so that Tab follows them.
        if (frame.lastElementChild !== title.element && document.activeElement !== title.element) frame.append(title.element);
      }
    },
    // What is selected on each axis has changed.
    describe() {
      for (const { element, laid } of titles.values()) describeBrush(element, linked, laid.axis);
    },
    remove() {
      for (const { element } of titles.values()) element.remove();
    },
  };
}
