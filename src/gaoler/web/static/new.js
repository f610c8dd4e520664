// Making a machine: a name, a base to choose by its picture, and for who wants more, more.

import { DURATIONS, start } from "./actions.js";
import { importMachine } from "./archives.js";
import { fill, h } from "./dom.js";
import { call } from "./gateway.js";
import { at } from "./machines.js";
import { button, tried, waiting } from "./parts.js";
import { state } from "./state.js";
import { size, t } from "./text.js";

const HUES = { debian: 345, "debian-desktop": 330, archlinux: 205, alpine: 215, ubuntu: 20, fedora: 225 };

/** A picture of a base, drawn from its name: the same base looks the same everywhere. */
function picture({ name, desktop }) {
  const hue = HUES[name] ?? [...name].reduce((sum, one) => (sum * 31 + one.codePointAt(0)) % 360, 7);
  const box = h("span", { class: "picture", "aria-hidden": "true" }, desktop ? h("svg", { viewBox: "0 0 24 24", class: "icon" }, h("path", { d: "M3 5h18v11H3zM9 20h6M12 16v4" })) : name.slice(0, 2));
  box.style.setProperty("--hue", hue);
  return box;
}

function sentence(base) {
  const text = t(`base.${base.name}`);
  return text === `base.${base.name}` ? t("base.other") : text;
}

export function newMachine(main, go) {
  document.title = `${t("new.title")} – gaoler`;
  const taken = new Set((state.machines ?? []).map((one) => one.name));
  let free = state.me.user.replace(/[^a-z0-9-]/g, "") || "web";
  for (let number = 2; taken.has(free); number++) free = `${free.replace(/-\d+$/, "")}-${number}`;
  const name = h("input", { name: "name", value: free, required: true, pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?", maxlength: 40, autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-describedby": "name-hint" });
  const bases = h("div", { class: "bases" }, waiting(t("list.loading")));
  const choose = (id, label, options) => h("label", {}, label, h("select", { name: id }, options.map(([value, text]) => h("option", { value }, text))));
  const GiB = 2 ** 30;
  const kernels = h("label", { hidden: true }, t("fact.kernel"), h("select", { name: "kernel" }, h("option", { value: "" }, t("new.default"))));
  const box = (id, label, checked = false) => h("label", { class: "check" }, h("input", { type: "checkbox", name: id, checked, onchange: () => touched.add(id) }), label);
  /** What was chosen by hand stays when another base is chosen. */
  const touched = new Set();
  const more = h("details", {}, h("summary", {}, t("new.more")),
    h("div", { class: "columns tight" },
      choose("memory", t("new.memory"), [["", t("new.default")], ...[0.25, 0.5, 1, 2, 4].map((value) => [value * GiB, size(value * GiB)])]),
      choose("cpus", t("new.cpus"), [["", t("new.default")], ["1", "1"], ["2", "2"], ["4", "4"]]),
      choose("disk", t("new.disk"), [["", t("new.default")], ...[4, 8, 16].map((value) => [value * GiB, size(value * GiB)])]),
      choose("ttl", t("new.ttl"), [["", t("new.default")], ...DURATIONS]),
      kernels),
    box("home", t("new.home"), true), box("network", t("new.network"), true),
    state.me.methods?.includes("Set") && box("autostart", t("set.autostart")),
    box("systemd", t("new.systemd")), box("ptrace", t("set.ptrace")));
  const after = h("select", { name: "after" }, ["terminal", "desktop", "page"].map((one) => h("option", { value: one }, t(`new.after.${one}`))));
  const form = h("form", { class: "card form" },
    h("label", {}, t("new.name"), name, h("span", { class: "quiet small", id: "name-hint" }, t("new.name.hint"))),
    h("fieldset", {}, h("legend", {}, t("new.base")), bases),
    more,
    h("div", { class: "row" }, h("label", { class: "inline" }, t("new.after"), after), h("span", { class: "grow" }), h("a", { class: "button", href: "/" }, t("ask.cancel")), h("button", { class: "button primary" }, h("span", {}, t("new.make")))));
  fill(main, h("div", { class: "row title narrow" }, h("h1", {}, t("new.title")), h("span", { class: "grow" }), state.me.methods?.includes("Import") && button(t("new.file"), { sign: "up", title: t("new.file.why"), onclick: () => importMachine(go) })), form);
  name.focus();
  name.select();

  let over = false;
  call("BaseList").then(({ bases: found }) => {
    if (over) return;
    const there = found.filter((base) => base.generation !== null);
    const asked = new URLSearchParams(location.search).get("base");
    const usual = there.find((base) => base.name === asked) ?? there.find((base) => base.name === "debian") ?? there[0];
    if (usual) preset(usual);
    if (usual?.desktop && asked) after.value = "desktop";
    fill(bases, there.map((base) => h("label", { class: "base" },
      h("input", { type: "radio", name: "base", value: base.name, checked: base === usual, onchange: () => chosen(base) }),
      picture(base), h("span", {}, h("strong", {}, base.name), h("span", { class: "quiet small block" }, sentence(base), base.size ? ` · ${size(base.size)}` : "")))));
  }).catch((error) => over || fill(bases, h("p", { class: "problem" }, error.message)));

  call("KernelList").then(({ kernels: found }) => {
    const series = [...new Set(found.map(({ version }) => version))];
    if (over || series.length < 2) return;
    kernels.querySelector("select").append(...series.map((one) => h("option", { value: one }, one)));
    kernels.hidden = false;
  }).catch(() => {}); // there is nothing to choose then

  /** What machines of a base get where nothing is said. */
  function preset({ defaults }) {
    for (const key of ["home", "network"]) if (!touched.has(key)) form.elements[key].checked = defaults?.[key] ?? true;
  }

  function chosen(base) {
    preset(base);
    if (base.desktop) after.value = "desktop";
    else if (after.value === "desktop") after.value = "terminal";
  }

  form.onsubmit = async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const number = (key) => (data.get(key) ? { [key]: Number(data.get(key)) } : {});
    const spec = { ...(data.get("base") ? { base: data.get("base") } : {}), ...number("memory"), ...number("cpus"), ...number("disk"), ...number("ttl"), home: data.has("home"), network: data.has("network"), ...(data.has("systemd") ? { init: "systemd" } : {}), ...(data.has("ptrace") ? { mode: "ptrace" } : {}), ...(data.get("kernel") ? { kernel: data.get("kernel") } : {}) };
    go("/");
    const made = await start(data.get("name"), spec);
    if (made && data.has("autostart")) await tried(() => call("Set", { name: made.machine.name, autostart: true }));
    if (made && location.pathname === "/") go(at(made.machine.name, data.get("after") === "page" ? "" : data.get("after")));
  };
  return () => {
    over = true;
  };
}
