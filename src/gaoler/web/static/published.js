// Bases that one may change, having published them: who stands on them, and what `gaol base` does with them.

import { DURATIONS } from "./actions.js";
import { fill, h, say } from "./dom.js";
import { call } from "./gateway.js";
import { menu, note, question, staying, tried, waiting } from "./parts.js";
import { watch } from "./state.js";
import { known, number, size, t, when } from "./text.js";

/** Seconds between looks: others make machines of them, too. */
const AGAIN = 60;
const NAMED = 8;
const MEMORY = [0.25, 0.5, 1, 2, 4].map((value) => value * 2 ** 30);
const three = (value) => (value === null || value === undefined ? "" : value ? "yes" : "no");

/** A part of a view that is there when there is something in it. */
export function published() {
  const summary = h("summary", {});
  const rows = h("ul", { class: "rows", "aria-label": t("bases.list") });
  const element = h("details", { class: "shared published", hidden: true }, summary, h("p", { class: "quiet" }, t("bases.why")), h("div", { class: "card" }, rows));
  let shown = "";
  let over = false;

  async function look() {
    const told = await call("BaseList").catch(() => null); // the next look tells, and the frame what is wrong
    if (over || !told) return;
    const all = await Promise.all(told.bases.filter(({ generation }) => generation !== null).map(({ name }) => call("BaseInspect", { name }).catch(() => null)));
    const mine = all.filter((one) => one?.standing); // told to who may change it alone
    if (over || shown === JSON.stringify(mine)) return;
    shown = JSON.stringify(mine);
    const inside = rows.contains(document.activeElement);
    element.hidden = !mine.length;
    say(summary, t("bases.title", { n: number(mine.length) }));
    fill(rows, mine.map(row));
    if (inside) (element.hidden ? document.getElementById("content") : summary).focus();
  }

  function row(one) {
    const { base, standing, generations } = one;
    const about = [t("bases.generation", { n: base.generation }), base.size !== null && size(base.size), base.created && t("bases.made", { when: when(base.created) }), base.source];
    return h("li", { class: "row" },
      h("div", {}, h("strong", {}, base.name),
        h("span", { class: "quiet small block" }, about.filter(Boolean).join(" · ")),
        h("span", { class: "quiet small block" }, standing.length ? t("bases.standing", { names: names(standing) }) : t("bases.nobody")),
        base.result === "failed" && base.reason && h("p", { class: "trouble mild" }, base.reason)),
      h("span", { class: "grow" }),
      menu(t("machine.more", { name: base.name }), "more", () => [
        [t("bases.sync"), "again", () => sync(base)],
        [t("bases.set"), "sliders", () => change(base)],
        generations.length > 1 && [t("bases.rollback"), "back", () => rollback(base)],
        null,
        [t("bases.remove"), "trash", () => remove(one), true],
      ].filter((entry) => entry !== false)));
  }

  /** `ann/web (generation 1, ready)`, and how many more. */
  function names(standing) {
    const some = standing.slice(0, NAMED).map((one) => `${one.owner}/${one.name} (${one.generation ? `${t("bases.generation", { n: one.generation })}, ` : ""}${known("state", one.state)})`);
    return some.join(", ") + (standing.length > NAMED ? ` ${t("bases.more", { n: number(standing.length - NAMED) })}` : "");
  }

  async function sync({ name }) {
    const done = staying(waiting(t("bases.syncing", { name })));
    const told = await tried(() => call("BaseSync", { name }));
    done();
    if (told) note(t(told.new ? "done.base.new" : "done.base.same", { name, n: told.base.generation }));
    look();
  }

  async function change({ name, defaults }) {
    const usual = ["", t("new.default")];
    const choice = (key, label, options) => ({ name: key, label, kind: "choice", options: [usual, ...options], value: defaults?.[key] === null || defaults?.[key] === undefined ? "" : String(defaults[key]) });
    const either = (key, label) => ({ name: key, label, kind: "choice", options: [usual, ["yes", t("bases.yes")], ["no", t("bases.no")]], value: three(defaults?.[key]) });
    const kept = (options, value) => (value === null || value === undefined || options.some(([one]) => Number(one) === value) ? options : [...options, [value, String(value)]]);
    const fields = [
      choice("memory", t("new.memory"), MEMORY.includes(defaults?.memory) || !defaults?.memory ? MEMORY.map((value) => [value, size(value)]) : [...MEMORY, defaults.memory].map((value) => [value, size(value)])),
      choice("cpus", t("new.cpus"), kept([[1, "1"], [2, "2"], [4, "4"]], defaults?.cpus)),
      choice("ttl", t("new.ttl"), kept(DURATIONS, defaults?.ttl)),
      either("home", t("new.home")),
      either("network", t("new.network")),
      { name: "welcome", label: t("bases.welcome"), value: defaults?.welcome ?? "" },
    ];
    const answers = await question(t("ask.base.set", { name }), { text: t("ask.base.set.why"), fields, yes: t("ask.yes.set") });
    if (!answers) return;
    const said = { welcome: answers.welcome };
    const unset = [];
    for (const key of ["memory", "cpus", "ttl"]) answers[key] === "" ? unset.push(key) : (said[key] = Number(answers[key]));
    for (const key of ["home", "network"]) answers[key] === "" ? unset.push(key) : (said[key] = answers[key] === "yes");
    if (await tried(() => call("BaseSet", { name, ...said, unset }))) note(t("done.base.set", { name }));
    look();
  }

  async function rollback({ name, generation }) {
    if (!(await question(t("ask.base.back", { name, n: generation }), { text: t("ask.base.back.why"), yes: t("bases.back") }))) return;
    const told = await tried(() => call("BaseRollback", { name }));
    if (told) note(t("done.base.back", { name, n: told.base.generation }));
    look();
  }

  async function remove({ base: { name }, standing }) {
    const why = standing.length ? t("ask.base.remove.standing", { names: names(standing) }) : t("ask.base.remove.why");
    if (!(await question(t("ask.base.remove", { name }), { text: why, yes: t("bases.yes.remove"), danger: true }))) return;
    if (await tried(() => call("BaseRemove", { name }))) note(t("done.base.removed", { name }));
    look();
  }

  look();
  let made = null;
  const unwatch = watch(({ machines }) => {
    if (!machines) return;
    const now = machines.map(({ owner, name, base, state }) => `${owner}/${name} ${base} ${state}`).join();
    if (made !== null && now !== made) look();
    made = now;
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
