// What has changed in a machine's files, since its base or a snapshot: a list, or a patch. Names and texts come out of it: hostile.

import { fill, h } from "./dom.js";
import { call } from "./gateway.js";
import { button, copy, waiting } from "./parts.js";
import { machine, watch } from "./state.js";
import { known, number, size, t } from "./text.js";

const SIGNS = { added: "+", changed: "~", removed: "−" };
/** Lines of a patch that are drawn in colours; what is beyond them is there to be saved. */
const DRAWN = 4000;

/** The comparison that is under way: a person has one at a time. */
let turn = Promise.resolve();

export function open(body, name) {
  const since = h("select", {}, h("option", { value: "" }, t("diff.base")));
  const patch = h("input", { type: "checkbox", onchange: () => look() });
  const find = h("input", { type: "search", placeholder: t("diff.find"), "aria-label": t("diff.find"), hidden: true, oninput: () => draw() });
  const counted = h("p", { class: "quiet", role: "status" });
  const output = h("div", {});
  since.onchange = () => look();
  fill(body, h("div", { class: "card" },
    h("div", { class: "row" }, h("label", { class: "inline" }, t("diff.since"), since), h("label", { class: "check" }, patch, t("diff.patch")), h("span", { class: "grow" }), find, button(t("diff.again"), { sign: "again", onclick: () => look() })),
    counted, output));

  let found = null;
  let asked = 0;
  let tags = "";

  async function look() {
    const mine = ++asked;
    found = null;
    find.hidden = true;
    fill(counted);
    fill(output, waiting(t("diff.looking")));
    const before = turn;
    let over = () => {};
    turn = new Promise((resolve) => (over = resolve));
    await before;
    try {
      if (mine !== asked) return; // something else is wanted by now
      const told = await call("Diff", { name, patch: patch.checked, ...(since.value ? { tag: since.value } : {}) });
      if (mine === asked) found = told;
    } catch (error) {
      if (mine === asked) fill(output, h("p", { class: "problem" }, error.message));
    } finally {
      over();
    }
    if (found && mine === asked) draw();
  }

  function draw() {
    const all = found.differences;
    const of = (change) => all.filter((one) => one.change === change).length;
    const parts = Object.keys(SIGNS).filter(of).map((change) => t(`diff.${change}`, { n: number(of(change)) }));
    counted.textContent = [all.length ? parts.join(", ") : t("diff.none"), found.left_out ? t("diff.more", { n: number(found.left_out) }) : "", found.note ?? ""].filter(Boolean).join(" · ");
    find.hidden = patch.checked || all.length < 12;
    if (patch.checked) return void fill(output, texts(found.patch ?? ""));
    const wanted = find.value.trim().toLowerCase();
    const shown = find.hidden ? all : all.filter(({ path }) => path.toLowerCase().includes(wanted));
    fill(output, shown.length > 0 && h("table", { class: "files changes" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "hidden" }, t("diff.change"))), h("th", { scope: "col" }, t("files.name")), h("th", { scope: "col", class: "number date" }, t("diff.was")), h("th", { scope: "col", class: "number" }, t("files.size")))),
      h("tbody", {}, shown.map(row))));
  }

  function row({ path, change, kind, size: now, was, how }) {
    const more = [kind !== "file" && kind !== "directory" && known("kind", kind), how.length > 0 && how.join() !== "content" && how.map((one) => known("how", one)).join(", ")].filter(Boolean).join("; ");
    return h("tr", { class: change },
      h("td", { class: "sign" }, h("span", { "aria-hidden": "true" }, SIGNS[change]), h("span", { class: "hidden" }, t(`diff.is.${change}`))),
      h("td", {}, h("code", { class: "path" }, path + (kind === "directory" ? "/" : "")), more && h("span", { class: "quiet small" }, ` ${more}`)),
      h("td", { class: "number date quiet" }, was === null ? "" : size(was)), h("td", { class: "number" }, now === null ? "" : size(now)));
  }

  function texts(text) {
    if (!text) return h("p", { class: "quiet" }, t("diff.nopatch"));
    const lines = text.split("\n");
    const kind = (line) => (/^(\+\+\+|---|diff )/.test(line) ? "file" : { "+": "plus", "-": "minus", "@": "at" }[line[0]] ?? null);
    const safe = (line) => line.replace(/[^\P{C}\t]/gu, "\ufffd");
    return [
      h("div", { class: "row end" }, button(t("diff.copy"), { sign: "copy", onclick: () => copy(text) }), button(t("diff.save"), { sign: "down", onclick: () => save(text) })),
      h("pre", { class: "patch", role: "region", tabindex: "0", "aria-label": t("diff.text") }, lines.slice(0, DRAWN).map((line) => h("span", { class: kind(line) }, `${safe(line)}\n`))),
      lines.length > DRAWN && h("p", { class: "quiet" }, t("diff.longer", { n: number(lines.length - DRAWN) })),
    ];
  }

  function save(text) {
    const address = URL.createObjectURL(new Blob([text], { type: "text/x-diff" }));
    h("a", { href: address, download: `${name}.patch` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  const unwatch = watch(() => {
    const now = machine(name)?.snapshots ?? [];
    if (now.join() === tags) return;
    tags = now.join();
    const before = since.value;
    fill(since, h("option", { value: "" }, t("diff.base")), now.map((tag) => h("option", { value: tag }, t("diff.tag", { tag }))));
    since.value = now.includes(before) ? before : "";
  });
  look();
  return () => {
    asked = 0;
    unwatch();
  };
}
