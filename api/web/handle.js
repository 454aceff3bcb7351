// The handle on the curves: an upright line that is dragged to another horizon. It is for a pointer
// alone; the keyboard has the slider, which moves it too.

import { fill, h } from "./dom.js";

/** `{element, set(value, text), place(plot)}`; `onDrag(value)` in the unit of the plot's x axis. */
export function handle(onDrag) {
  const label = h("span", null);
  const element = h("div", { class: "handle", hidden: true, "aria-hidden": "true" }, label);
  let value = null;
  let axis = null;
  let isHeld = false;

  const move = (event) => {
    if (!isHeld) return;
    const left = element.parentElement.getBoundingClientRect().left;
    onDrag(axis.p2d(event.clientX - left - axis._offset));
  };
  element.addEventListener("pointerdown", (event) => {
    isHeld = true;
    element.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  element.addEventListener("pointermove", move);
  element.addEventListener("lostpointercapture", () => {
    isHeld = false;
  });

  const put = () => {
    if (!axis || !value) return;
    const pixels = axis.d2p(value);
    element.hidden = !(pixels >= 0 && pixels <= axis._length);
    element.style.left = `${axis._offset + pixels}px`;
    element.classList.toggle("left", pixels > axis._length / 2);
  };
  return {
    element,
    set(changed, text) {
      value = changed;
      fill(label, text);
      put();
    },
    /** Plotly says under its own names where the axis lies on the page. */
    place(plot) {
      const { xaxis, yaxis } = plot._fullLayout;
      axis = xaxis;
      element.style.top = `${yaxis._offset}px`;
      element.style.height = `${yaxis._length}px`;
      put();
    },
  };
}
