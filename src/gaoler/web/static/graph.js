// A line of the last minutes, small enough to stand in a row.

import { h } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

/** `points` from 0 to `most`, the newest at the right end; half a minute has the room to itself at first. */
export function line(points, most, label) {
  const room = Math.max(15, points.length);
  const step = WIDTH / (room - 1);
  const from = WIDTH - (points.length - 1) * step;
  const place = (value, at) => `${(from + at * step).toFixed(1)},${(HEIGHT - 1.5 - Math.min(1, value / most) * (HEIGHT - 3)).toFixed(1)}`;
  const drawn = points.map(place);
  const area = drawn.length > 1 ? `M${from.toFixed(1)},${HEIGHT} L${drawn.join(" L")} L${WIDTH},${HEIGHT} Z` : "";
  return h("svg", { class: "graph", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    area && h("path", { class: "area", d: area }),
    drawn.length > 1 && h("polyline", { points: drawn.join(" ") }));
}

/** A bar of what is used of something. */
export function bar(used, all, label) {
  return h("div", { class: "bar", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": Math.round((100 * used) / all) || 0 },
    filled(Math.min(1, used / all) || 0));
}

function filled(part) {
  const element = h("span", { "aria-hidden": "true" });
  element.style.width = `${(100 * part).toFixed(1)}%`;
  return element;
}
