// What was thrown away and can be had back for a while, as `gaol restore --removed` does it.

import { fill, h, say } from "./dom.js";
import { call } from "./gateway.js";
import { button, note, question, tried } from "./parts.js";
import { look as lookAtMachines, machine, watch } from "./state.js";
import { moment, number, size, t, when } from "./text.js";

/** Seconds between looks: what is there goes by itself, too. */
const AGAIN = 60;

/** A part of a view that is there when there is something in it. */
export function thrownAway() {
  const summary = h("summary", {});
  const rows = h("ul", { class: "rows", "aria-label": t("gone.list") });
  const element = h("details", { class: "shared removed", hidden: true }, summary, h("p", { class: "quiet" }, t("gone.why")), h("div", { class: "card" }, rows));
  let names = null;
  let shown = "";
  let over = false;

  async function look() {
    const told = await call("RemovedList").catch(() => null); // the next look tells, and the frame what is wrong
    if (over || !told || shown === JSON.stringify(told.removed)) return;
    shown = JSON.stringify(told.removed);
    const inside = rows.contains(document.activeElement);
    element.hidden = !told.removed.length;
    say(summary, t("gone.title", { n: number(told.removed.length) }));
    fill(rows, told.removed.map(row));
    if (inside) (element.hidden ? document.getElementById("content") : summary).focus();
  }

  function row(one) {
    const about = [t("gone.when", { when: when(one.removed) }), t("gone.until", { until: moment(one.until) }), one.base, one.held !== null && t("snap.held", { size: size(one.held) }), one.snapshots.length > 0 && t("gone.snapshots", { n: number(one.snapshots.length) })];
    return h("li", { class: "row" },
      h("div", {}, h("strong", {}, one.name), h("span", { class: "quiet small block" }, about.filter(Boolean).join(" · "))),
      h("span", { class: "grow" }),
      button(t("gone.back"), { "aria-label": t("gone.back.name", { name: one.name }), onclick: () => back(one) }),
      button(t("gone.drop"), { kind: "quiet", "aria-label": t("gone.drop.name", { name: one.name }), onclick: () => drop(one) }));
  }

  async function back(one) {
    let as = {};
    if (machine(one.name)) {
      const field = { name: "new", label: t("ask.rename.name"), value: `${one.name}-2`, required: true, pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?" };
      const answers = await question(t("ask.back", { name: one.name }), { text: t("ask.back.why"), fields: [field], yes: t("gone.back") });
      if (!answers) return;
      as = { new: answers.new };
    }
    const told = await tried(() => call("RemovedRestore", { name: one.id, ...as }));
    if (told) note(t("done.back", { name: told.machine.name }));
    lookAtMachines();
    look();
  }

  async function drop(one) {
    if (!(await question(t("ask.drop", { name: one.name }), { text: t("ask.drop.why"), yes: t("gone.drop"), danger: true }))) return;
    if (await tried(() => call("RemovedDrop", { name: one.id }))) note(t("done.dropped", { name: one.name }));
    look();
  }

  const unwatch = watch(({ machines }) => {
    if (!machines) return;
    const now = machines.filter(({ access }) => !access).map(({ name, created }) => `${name} ${created}`).join();
    if (now !== names) look(); // one has gone or come
    names = now;
  });
  const timer = setInterval(look, AGAIN * 1000);
  return {
    element,
    leave() {
      over = true;
      clearInterval(timer);
      unwatch();
    },
  };
}
