// A machine's files: look, take, put.

import { fill, h, icon } from "./dom.js";
import * as gateway from "./gateway.js";
import { button, menu, note, question, tried, waiting } from "./parts.js";
import { machine, state } from "./state.js";
import { moment, size, t } from "./text.js";

export function open(body, name) {
  const user = "root"; // who may be no other is themselves, whatever is said here
  const access = machine(name)?.access;
  let path = sessionStorage.getItem(`path:${name}`) ?? (access === "root" ? "/root" : `/home/${state.me.user}`);
  let over = false;
  const where = h("nav", { class: "path", "aria-label": t("files.path") });
  const rows = h("tbody", {});
  const table = h("table", { class: "files" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("files.name")), h("th", { scope: "col", class: "number" }, t("files.size")), h("th", { scope: "col", class: "date" }, t("files.changed")), h("th", { scope: "col" }, h("span", { class: "hidden" }, t("files.actions"))))), rows);
  const words = h("div", {});
  const sending = h("div", { class: "sending", role: "status" });
  const chosen = h("input", { type: "file", multiple: true, hidden: true, onchange: () => send([...chosen.files].map((file) => [file.name, file])) });
  const area = h("div", { class: "card drop", dataset: { words: t("files.drop") } },
    h("div", { class: "row" }, where, h("span", { class: "grow" }),
      button(t("files.folder"), { sign: "folder", onclick: folder }), button(t("files.upload"), { kind: "primary", sign: "up", onclick: () => chosen.click() }), chosen),
    sending, table, words);
  fill(body, area);

  const join = (entry) => `${path.replace(/\/$/, "")}/${entry}`;

  async function show(to) {
    if (!rows.children.length) fill(words, waiting(t("files.loading")));
    const told = await tried(() => gateway.files({ machine: name, path: to, user }));
    if (over || !told) return void (told ?? fill(words));
    path = told.path;
    sessionStorage.setItem(`path:${name}`, path);
    const parts = path.split("/").filter(Boolean);
    fill(where, h("button", { type: "button", class: "link", onclick: () => show("/") }, "/"), parts.map((part, index) => [index > 0 && h("span", { "aria-hidden": "true" }, "/"), h("button", { type: "button", class: "link", "aria-current": index === parts.length - 1 ? "true" : null, onclick: () => show(`/${parts.slice(0, index + 1).join("/")}`) }, part)]));
    fill(rows, told.entries.map(row));
    table.hidden = !told.entries.length;
    fill(words, h("p", { class: "quiet" }, told.more ? t("files.more") : told.entries.length ? "" : t("files.empty")));
  }

  function row(entry) {
    const full = join(entry.name);
    const directory = entry.kind === "d";
    const label = [icon(directory ? "folder" : "file"), h("span", {}, entry.name)];
    const get = gateway.fileAddress({ machine: name, path: full, user });
    return h("tr", {},
      h("td", {}, directory ? h("button", { type: "button", class: "link entry", onclick: () => show(full) }, label) : h("a", { class: "entry", href: get, download: "" }, label)),
      h("td", { class: "number" }, directory ? "" : size(entry.size)),
      h("td", { class: "date quiet" }, moment(entry.changed)),
      h("td", { class: "end" },
        menu(t("machine.more", { name: entry.name }), "more", () => [
          h("a", { role: "menuitem", tabindex: "-1", href: get, download: "" }, icon("down"), h("span", {}, t("files.get", { name: entry.name }))),
          [t("files.delete", { name: entry.name }), "trash", () => remove(entry.name), true],
        ])));
  }

  async function remove(entry) {
    if (!(await question(t("files.delete.ask", { name: entry }), { yes: t("files.delete.yes"), danger: true }))) return;
    await tried(() => gateway.changeFiles({ machine: name, path: join(entry), user, do: "delete" }));
    show(path);
  }

  async function folder() {
    const answers = await question(t("files.folder"), { fields: [{ name: "name", label: t("files.folder.name"), required: true }] });
    if (!answers) return;
    await tried(() => gateway.changeFiles({ machine: name, path: join(answers.name), user, do: "mkdir" }));
    show(path);
  }

  /** Send files one after the other, each under its path below this directory. */
  async function send(files) {
    const into = path;
    for (const [as, file] of files) {
      const progress = h("progress", { max: 1, value: 0, "aria-label": t("files.sending", { name: as }) });
      const line = h("div", { class: "row" }, h("span", { class: "quiet" }, t("files.sending", { name: as })), progress);
      sending.append(line);
      const done = await tried(() => gateway.upload({ machine: name, path: into, name: as, user }, file, (part) => (progress.value = part)).then(() => true));
      line.remove();
      if (done && files.length < 4) note(t("files.sent", { name: as }));
    }
    chosen.value = "";
    if (!over) show(path);
  }

  /** The files of what was dropped, directories gone through. */
  async function dropped(items) {
    const found = [];
    async function walk(entry, above) {
      if (entry.isFile) found.push([above + entry.name, await new Promise((resolve, reject) => entry.file(resolve, reject))]);
      else if (entry.isDirectory) {
        const reader = entry.createReader();
        for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) for (const one of some) await walk(one, `${above}${entry.name}/`);
      }
    }
    for (const entry of [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)) await walk(entry, "");
    return found;
  }

  area.addEventListener("dragover", (event) => (event.preventDefault(), area.classList.add("over")));
  area.addEventListener("dragleave", (event) => area.contains(event.relatedTarget) || area.classList.remove("over"));
  area.addEventListener("drop", async (event) => {
    event.preventDefault();
    area.classList.remove("over");
    const found = await tried(() => dropped(event.dataTransfer.items));
    if (found) send(found);
  });
  show(path);
  return () => {
    over = true;
  };
}
