// The frame: who is logged in, which view an address means, and the bar above them all.

import { fill, h } from "./dom.js";
import * as gateway from "./gateway.js";
import { login } from "./login.js";
import { machinePage } from "./machine.js";
import { machineList } from "./machines.js";
import { menu, tried } from "./parts.js";
import * as store from "./state.js";
import { language, LANGUAGES, t } from "./text.js";

const place = h("div", { id: "app" });
document.body.prepend(place);
let leave = () => {};
let main = null;

/** Go to another address of this page, as a link does. */
export function go(path, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  show();
}

async function view(path) {
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  if (!parts.length) return machineList;
  if (parts[0] === "new" && parts.length === 1) return (await import("./new.js")).newMachine;
  if (parts[0] === "m" && parts.length <= 3) return (where, go) => machinePage(where, parts[1], parts[2] ?? "overview", go);
  return (where) => (fill(where, h("h1", {}, t("page.missing")), h("p", {}, h("a", { href: "/" }, t("page.home")))), () => {});
}

async function show() {
  if (!main) return;
  const path = location.pathname;
  const next = await view(path);
  if (path !== location.pathname) return; // gone on meanwhile
  leave();
  main.className = "";
  leave = next(main, go) ?? (() => {});
  scrollTo(0, 0);
}

function theme(name) {
  if (name) localStorage.setItem("theme", name);
  else localStorage.removeItem("theme");
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  dispatchEvent(new Event("theme"));
}

function choices(kind, options, now, choose) {
  return h("div", { class: "choices", role: "group", "aria-label": kind }, h("span", { class: "quiet" }, kind),
    options.map(([value, label]) => h("button", { type: "button", role: "menuitemradio", tabindex: "-1", "aria-checked": String(value === now), lang: value in LANGUAGES ? value : null, onclick: () => choose(value) }, label)));
}

function frame() {
  const { user, name, host } = store.state.me;
  const lost = h("div", { class: "lost", role: "status" });
  store.watch(({ lost: away, error }) => {
    const text = away ? t("nav.lost") : error ? `${error.what}: ${error.why}` : "";
    if (lost.textContent !== text) lost.textContent = text;
  });
  const account = menu(t("nav.you", { user }), "person", () => [
    h("div", { class: "who" }, h("strong", {}, name || user), h("span", { class: "quiet" }, `${user}@${host}`)),
    choices(t("nav.theme"), [["", t("theme.auto")], ["light", t("theme.light")], ["dark", t("theme.dark")]], document.documentElement.dataset.theme ?? "", (value) => theme(value)),
    choices(t("nav.language"), Object.entries(LANGUAGES).map(([value, [label]]) => [value, label]), language, (value) => (localStorage.setItem("language", value), location.reload())),
    null,
    [t("nav.out"), "leave", () => logOut(false)],
    [t("nav.everywhere"), "leave", () => logOut(true)],
  ]);
  main = h("main", { id: "content", tabindex: "-1" });
  fill(place,
    h("a", { class: "skip", href: "#content", onclick: (event) => (event.preventDefault(), main.focus()) }, t("nav.skip")),
    h("header", { class: "top" }, h("a", { class: "brand", href: "/" }, h("span", { class: "mark", "aria-hidden": "true" }), h("span", {}, "gaoler"), h("span", { class: "quiet host" }, host)), account),
    lost, main);
}

let farewell = "";

async function logOut(everywhere) {
  farewell = t("login.out");
  await tried(() => gateway.post("/api/logout", { everywhere }));
  askIn();
}

function askIn(said = farewell) {
  if (!store.state.me && main === null && place.querySelector(".login")) return;
  store.end();
  leave();
  leave = () => {};
  main = null;
  login(place, enter, said);
}

async function enter() {
  try {
    store.state.me = await gateway.me();
  } catch (error) {
    if (store.state.me === null && !place.querySelector(".login")) askIn(error.what === "not logged in" ? "" : error.message);
    return;
  }
  farewell = "";
  store.begin((told) => import("./archives.js").then((archives) => archives.told(told)));
  frame();
  show();
}

gateway.onLogOut(() => askIn());
addEventListener("popstate", show);
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || link.hasAttribute("download") || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, dialog, .screen, .terminal") || !main) return;
  const field = document.querySelector("input[type=search]");
  if (event.key === "/" && field) (event.preventDefault(), field.focus());
  if (event.key === "n" && location.pathname === "/") go("/new");
});

const first = await gateway.get("/api/host").catch(() => ({ in: true }));
if (first.in) enter();
else login(place, enter);
