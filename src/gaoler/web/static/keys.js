// Keys that a phone's keyboard lacks, for the terminal and for the desktop.

import { h } from "./dom.js";
import { t } from "./text.js";

const KEYS = [
  ["Esc", "Escape"], ["Tab", "Tab"], ["Ctrl", "Control"], ["Alt", "Alt"], ["↑", "ArrowUp"], ["↓", "ArrowDown"], ["←", "ArrowLeft"], ["→", "ArrowRight"],
  ["/", "/"], ["-", "-"], ["|", "|"], ["~", "~"], ["Home", "Home"], ["End", "End"], ["PgUp", "PageUp"], ["PgDn", "PageDown"],
];

/** A bar of keys. `press(key)` for one; Ctrl and Alt stay held for the next key: `held()` says which, and lets them go. */
export function keyBar(press, further = []) {
  const holding = new Set();
  const sticky = {};
  const bar = h("div", { class: "keys", role: "toolbar", "aria-label": t("keys.title") }, KEYS.map(([label, key]) => {
    const hold = key === "Control" || key === "Alt";
    // Not a click: that would take the focus, and with it the phone's keyboard.
    const element = h("button", { type: "button", tabindex: "-1", "aria-label": label.length === 1 || label === key ? key : `${label} ${key}`, "aria-pressed": hold ? "false" : null, onpointerdown: (event) => event.preventDefault(), onclick: () => {
      if (!hold) return press(key);
      if (holding.has(key)) holding.delete(key);
      else holding.add(key);
      element.setAttribute("aria-pressed", holding.has(key));
    } }, label);
    if (hold) sticky[key] = element;
    return element;
  }), further);
  function held() {
    const now = { ctrl: holding.has("Control"), alt: holding.has("Alt") };
    holding.clear();
    for (const element of Object.values(sticky)) element.setAttribute("aria-pressed", "false");
    return now;
  }
  return { bar, held };
}
