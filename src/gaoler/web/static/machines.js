// The list of one's machines.

import { change, entries, isDown, isOpen, isUp, keep, start } from "./actions.js";
import { fill, h } from "./dom.js";
import { bar, line } from "./graph.js";
import { button, linkButton, menu, waiting } from "./parts.js";
import { published } from "./published.js";
import { thrownAway } from "./removed.js";
import { state, watch } from "./state.js";
import { known, number, size, t, when } from "./text.js";

export const at = (name, tab = "") => `/m/${encodeURIComponent(name)}${tab && `/${tab}`}`;

/** How a machine is, in a word. */
export function badge(one) {
  const busy = state.busy.get(one.name);
  const kind = one.doomed ? "doomed" : busy ? "starting" : one.state;
  const text = one.doomed ? t("state.doomed") : busy ?? known("state", one.state);
  return h("span", { class: `badge ${kind}` }, h("span", { class: "dot", "aria-hidden": "true" }), text);
}

/** What is wrong, in words; null where nothing is. */
export function trouble(one) {
  if (one.killed && isUp(one)) {
    return h("p", { class: "trouble mild row" }, h("span", {}, t("machine.killed", { program: one.killed, memory: size(one.memory) })),
      (state.me?.methods ?? []).includes("Set") && button(t("machine.set.memory"), { kind: "small", onclick: () => change(one.name) }));
  }
  const text = one.state === "running" && one.missing.length ? t("machine.missing", { missing: one.missing.join(", ") }) : one.state === "failed" ? one.reason : null;
  return text && h("p", { class: `trouble ${one.state === "running" ? "mild" : ""}` }, text);
}

/** Processor and memory of a machine that runs, drawn small. */
export function meters(one) {
  const points = state.history[one.name] ?? [];
  const [cpu, memory] = points.at(-1) ?? [0, 0];
  const now = `${number(Math.round(cpu * 100))}\u00a0%`;
  const used = t("fact.of", { used: size(memory), all: size(one.memory) });
  return [
    h("div", { class: "meter" }, h("span", { class: "quiet" }, t("fact.cpu")), line(points.map(([part]) => part), Math.max(1, one.cpus), t("graph.cpu", { now })), h("span", { class: "value" }, now)),
    h("div", { class: "meter" }, h("span", { class: "quiet" }, t("fact.memory")), bar(memory, one.memory, t("graph.memory", { now: used })), h("span", { class: "value" }, used)),
  ];
}

/** What a friend's machine uses is its owner's to know. */
const drawn = (one) => isUp(one) && !one.access;

/** A machine's card, and where in it what changes all the time is. */
function card(one, methods) {
  const { name } = one;
  const live = h("div", { class: "use" }, drawn(one) ? meters(one) : null);
  const busy = state.busy.has(name) || one.state === "starting" || one.state === "stopping";
  const element = h("li", { class: "card machine", dataset: { name, state: one.state } },
    h("div", { class: "row" }, h("h2", {}, h("a", { href: at(name), class: "cover" }, name)), badge(one)),
    h("p", { class: "quiet facts" }, [one.access && t("fact.whose", { owner: one.owner, as: t(`as.${one.access}`) }), one.base, one.address ?? one.address6, one.expires && t("fact.expires") + " " + when(one.expires)].filter(Boolean).join(" · ")),
    trouble(one),
    one.access && !isUp(one) && !isOpen(one) && h("p", { class: "quiet small" }, t("fact.owner.starts", { owner: one.owner })),
    live,
    h("div", { class: "row actions" },
      one.doomed ? button(t("done.undo"), { kind: "primary", onclick: () => keep(name) }) : [
        isOpen(one) && linkButton(t("machine.terminal"), at(name, "terminal"), { kind: "primary", sign: "terminal" }),
        isUp(one) && one.desktop && !one.access && linkButton(t("machine.desktop"), at(name, "desktop"), { sign: "desktop" }),
        isUp(one) && (one.access || !one.desktop) && linkButton(t("tab.files"), at(name, "files"), { sign: "files" }),
        !one.access && isDown(one) && button(t("machine.start"), { kind: "primary", sign: "play", disabled: busy, onclick: () => start(name) }),
        !one.access && isDown(one) && linkButton(t("tab.snapshots"), at(name, "snapshots"), { sign: "camera" }),
        h("span", { class: "grow" }),
        !one.access && menu(t("machine.more", { name }), "more", () => entries(one, methods)),
      ]));
  return { element, live };
}

export function machineList(main) {
  document.title = `${t("list.title")} – gaoler`;
  const find = h("input", { type: "search", placeholder: t("list.filter"), "aria-label": t("list.filter"), oninput: () => draw() });
  const list = h("ul", { class: "machines" });
  const friends = h("ul", { class: "machines" });
  const shared = h("section", { class: "shared", hidden: true }, h("h2", {}, t("list.shared")), h("p", { class: "quiet" }, t("list.shared.why")), friends);
  const none = h("div", {});
  const gone = thrownAway();
  const bases = published();
  const heading = h("h1", {}, t("list.title"));
  const make = linkButton(t("list.new"), "/new", { kind: "primary", sign: "plus" });
  fill(main, h("div", { class: "row title" }, heading, h("span", { class: "grow" }), find, make), list, none, shared, bases.element, gone.element);
  const cards = new Map();
  /** A card is made anew only when more than its lines have changed: a focus, a menu, a selection in it stay. */
  function of(one) {
    const key = JSON.stringify([{ ...one, disk_used: 0 }, state.busy.get(one.name)]);
    const known = cards.get(one.name);
    if (known?.key === key || known?.element.querySelector(":popover-open")) {
      fill(known.live, drawn(one) ? meters(one) : null);
      return known.element;
    }
    const made = { key, ...card(one, state.me.methods ?? []) };
    const which = known && [...known.element.querySelectorAll("a, button")].indexOf(document.activeElement);
    cards.set(one.name, made);
    if (which >= 0) requestAnimationFrame(() => [...made.element.querySelectorAll("a, button")][which]?.focus());
    return made.element;
  }
  function draw() {
    const { machines } = state;
    find.hidden = (machines?.length ?? 0) < 6;
    if (!machines) return void fill(none, waiting(t("list.loading")));
    const own = machines.filter(({ access }) => !access);
    make.hidden = !own.length;
    const shown = machines.filter(({ name }) => name.includes(find.value.trim().toLowerCase()));
    show(list, shown.filter(({ access }) => !access).map(of));
    show(friends, shown.filter(({ access }) => access).map(of));
    shared.hidden = !friends.children.length;
    fill(none, own.length ? !shown.length && h("p", { class: "quiet" }, t("list.nothing")) : empty());
  }
  function show(place, elements) {
    if (elements.length !== place.children.length || elements.some((element, index) => element !== place.children[index])) place.replaceChildren(...elements);
  }
  function empty() {
    return h("div", { class: "empty" }, h("span", { class: "mark large", "aria-hidden": "true" }), h("h2", {}, t("list.none")), h("p", {}, t("list.first")), linkButton(t("list.new"), "/new", { kind: "primary", sign: "plus" }));
  }
  const unwatch = watch(() => draw());
  main.focus({ preventScroll: true });
  return () => {
    unwatch();
    gone.leave();
    bases.leave();
  };
}
