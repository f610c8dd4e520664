// What several views are made of: buttons, menus, questions, notes at the edge of the screen.

import { fill, h, icon } from "./dom.js";
import { Failure } from "./gateway.js";
import { t } from "./text.js";

export function button(label, { kind = "", sign = "", onclick, title, only = false, ...rest } = {}) {
  const text = only ? null : h("span", {}, label);
  return h("button", { type: "button", "data-sign": sign || null, class: `button ${kind} ${only ? "only" : ""}`.trim(), onclick, title: title ?? (only ? label : null), "aria-label": only ? label : null, ...rest }, sign && icon(sign), text);
}

export function linkButton(label, href, { kind = "", sign = "" } = {}) {
  return h("a", { class: `button ${kind}`.trim(), href }, sign && icon(sign), h("span", {}, label));
}

const notes = h("div", { class: "notes", role: "status", "aria-live": "polite" });
document.body.append(notes);

/** A note that goes by itself; one with something to undo stays longer. Returns what takes it away. */
export function note(text, { undo = null, seconds = undo ? 12 : 5, kind = "" } = {}) {
  const gone = () => element.remove();
  const element = h("div", { class: `note ${kind}` }, h("span", {}, text), undo && button(t("done.undo"), { kind: "quiet", onclick: () => (gone(), undo()) }));
  notes.append(element);
  setTimeout(gone, seconds * 1000);
  return gone;
}

/** A note that stays until the returned function is called. */
export function staying(...children) {
  const element = h("div", { class: "note" }, children);
  notes.append(element);
  return () => element.remove();
}

/** What failed, in the daemon's words: what, why, and what to do. */
export function complain(error) {
  if (!(error instanceof Failure)) console.error(error);
  const hint = error.hint ? h("code", {}, error.hint) : null;
  const element = h("div", { class: "note bad", role: "alert" }, h("span", {}, error.message, hint && h("br"), hint), button("×", { kind: "quiet", onclick: () => element.remove() }));
  notes.append(element);
  setTimeout(() => element.remove(), 15000);
}

/** Run what may fail, and say so. */
export async function tried(work) {
  try {
    return await work();
  } catch (error) {
    complain(error);
    return undefined;
  }
}

export function copy(text) {
  return tried(async () => {
    await navigator.clipboard.writeText(text);
    note(t("done.copied"));
  });
}

/** A field of a question: text, or of a `kind`: "check", or "choice" of `options`, each a value and its words. */
function input({ kind, name, value, required, pattern, options }) {
  if (kind === "check") return h("input", { type: "checkbox", name, checked: Boolean(value) });
  if (kind === "choice") return h("select", { name }, options.map(([each, words]) => h("option", { value: each, selected: String(each) === value }, words)));
  return h("input", { name, value: value ?? "", required, pattern, autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
}

const labelled = ({ kind, label, input }) => kind === "check" ? h("label", { class: "check" }, input, h("span", {}, label)) : h("label", {}, label, input);

/** A question; what is `rare` among its fields is folded away. The answer is an object of its fields' values, or null. */
export function question(title, { text = "", fields = [], yes = t("ask.ok"), danger = false } = {}) {
  return new Promise((resolve) => {
    const inputs = fields.map((field) => ({ ...field, input: input(field) }));
    const heading = h("h2", { id: "question" }, title);
    const form = h("form", { method: "dialog" },
      heading,
      text && h("p", {}, text),
      inputs.filter(({ rare }) => !rare).map(labelled),
      inputs.some(({ rare }) => rare) && h("details", {}, h("summary", {}, t("new.more")), inputs.filter(({ rare }) => rare).map(labelled)),
      h("div", { class: "row end" }, button(t("ask.cancel"), { onclick: () => dialog.close() }), h("button", { class: `button ${danger ? "danger" : "primary"}`, value: "yes" }, yes)));
    const dialog = h("dialog", { "aria-labelledby": "question" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? Object.fromEntries(inputs.map(({ kind, name, input }) => [name, kind === "check" ? input.checked : input.value.trim()])) : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A button with a menu: `items()` makes entries `[label, sign, action, danger?]`, null for a line, when it is opened. */
export function menu(label, sign, items, { only = true, kind = "quiet" } = {}) {
  const list = h("div", { class: "menu", role: "menu", "aria-label": label, popover: "auto" });
  const opener = button(label, { sign, only, kind, "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => (list.matches(":popover-open") ? list.hidePopover() : open()) });
  const entries = () => [...list.querySelectorAll("[role^=menuitem]")];
  function open() {
    fill(list, items().map((entry) => entry === null ? h("hr") : entry instanceof Element ? entry : item(...entry)));
    list.showPopover();
    const at = opener.getBoundingClientRect();
    const box = list.getBoundingClientRect();
    list.style.left = `${Math.max(8, Math.min(at.right - box.width, innerWidth - box.width - 8))}px`;
    list.style.top = `${at.bottom + box.height + 4 > innerHeight ? Math.max(8, at.top - box.height - 4) : at.bottom + 4}px`;
    entries()[0]?.focus();
  }
  function item(text, itemSign, action, danger = false) {
    return h("button", { type: "button", role: "menuitem", tabindex: "-1", class: danger ? "danger" : null, onclick: () => (list.hidePopover(), action()) }, itemSign && icon(itemSign), h("span", {}, text));
  }
  // Before it is hidden: afterwards nothing in it has the focus any more.
  list.addEventListener("beforetoggle", (event) => {
    opener.setAttribute("aria-expanded", event.newState === "open");
    if (event.newState === "closed" && list.contains(document.activeElement)) opener.focus();
  });
  list.addEventListener("keydown", (event) => {
    const all = entries();
    const now = all.indexOf(document.activeElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  });
  return h("span", { class: "has-menu" }, opener, list);
}

/** Text that is copied by a click. */
export function copyable(text) {
  return h("span", { class: "copyable" }, h("code", {}, text), button(t("done.copy", { text }), { kind: "quiet small", sign: "copy", only: true, onclick: () => copy(text) }));
}

/** Words while something is on its way, shown only when that takes a while. */
export function waiting(text) {
  return h("p", { class: "waiting", role: "status" }, text);
}

