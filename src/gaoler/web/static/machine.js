// One machine: its name and state above, its parts below as tabs with addresses of their own.

import { entries, forget, isDown, isUp, keep, rebase, restore, snapshot, start, unshare } from "./actions.js";
import { fill, h } from "./dom.js";
import { call, ports } from "./gateway.js";
import { at, badge, meters, trouble } from "./machines.js";
import { bar } from "./graph.js";
import { button, copyable, linkButton, menu, tried, waiting } from "./parts.js";
import { machine, state, watch } from "./state.js";
import { moment, size, t, when } from "./text.js";

const TABS = ["overview", "terminal", "desktop", "files", "snapshots", "changes", "console", "rescue"];
/** What somebody may have of a machine that is shared with them. */
const FRIENDS = ["overview", "terminal", "files"];
const FULL = ["terminal", "desktop", "rescue"];

/** A rescue is for one that is down. */
const offered = (one, now) => TABS.filter((tab) => (one.access ? FRIENDS.includes(tab) : tab !== "rescue" || tab === now || isDown(one)));

export function machinePage(main, name, tab, go) {
  document.title = `${name} – ${t(`tab.${tab}`)} – gaoler`;
  const status = h("span", {});
  const doing = h("span", { class: "row doing" });
  const problem = h("div", {});
  const body = h("div", { class: `tab ${tab}` });
  main.classList.toggle("full", FULL.includes(tab));
  const tabs = h("nav", { class: "tabs", "aria-label": t("machine.tabs", { name }) });
  const link = (one) => h("a", { href: at(name, one === "overview" ? "" : one), "aria-current": one === tab ? "page" : null }, t(`tab.${one}`));
  fill(main, h("div", { class: "row title machine-title" }, h("a", { class: "button quiet only", href: "/", "aria-label": t("nav.machines"), title: t("nav.machines") }, "‹"), h("h1", {}, name), status, h("span", { class: "grow" }), doing), problem, tabs, body);

  let leave = null;
  let before = "";
  const unwatch = watch(() => {
    if (!state.machines) return void (leave ?? fill(body, waiting(t("list.loading"))));
    const one = machine(name);
    if (!one) {
      leave?.();
      leave = null;
      tabs.hidden = true;
      fill(doing);
      fill(status);
      return void fill(body, h("p", {}, t("machine.gone", { name })), linkButton(t("page.home"), "/"));
    }
    tabs.hidden = false;
    const wanted = offered(one, tab);
    if (tabs.dataset.shown !== wanted.join()) fill(tabs, wanted.map(link));
    if (tabs.dataset.shown !== wanted.join()) tabs.querySelector("[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
    tabs.dataset.shown = wanted.join();
    if (!wanted.includes(tab)) return void go(at(name), { replace: true });
    const now = JSON.stringify([one.state, one.missing, one.reason, one.killed, one.memory, one.expires, one.doomed, one.newer, state.busy.get(name)]);
    if (now !== before && !doing.querySelector(":popover-open")) {
      before = now;
      fill(status, badge(one));
      fill(problem, trouble(one));
      fill(doing, one.doomed ? button(t("done.undo"), { kind: "primary", onclick: () => keep(name) }) : [
        !one.access && isDown(one) && button(t("machine.start"), { kind: "primary", sign: "play", disabled: state.busy.has(name), onclick: () => start(name) }),
        !one.access && menu(t("machine.more", { name }), "more", () => entries(machine(name), state.me.methods ?? [], (next) => next && go(at(next), { replace: true }))),
      ]);
    }
    if (!leave) leave = part(tab)(body, name);
  });
  main.focus({ preventScroll: true });
  // While one looks at the overview, what the other parts need comes along.
  if (tab === "overview") (window.requestIdleCallback ?? setTimeout)(() => (import("./terminal.js"), import("./desktop.js")));
  return () => {
    unwatch();
    leave?.();
    main.classList.remove("full");
  };
}

function part(tab) {
  if (tab === "overview") return overview;
  if (tab === "snapshots") return snapshots;
  if (tab === "console") return consoleText;
  if (!TABS.includes(tab)) return (body) => (fill(body, h("p", {}, t("page.missing"))), () => {});
  return (body, name) => {
    const rescue = tab === "rescue";
    let leave = null;
    let gone = false;
    import(`./${rescue ? "terminal" : tab}.js`).then((module) => {
      if (!gone) leave = module.open(body, name, { rescue });
    });
    return () => {
      gone = true;
      leave?.();
    };
  };
}

function overview(body, name) {
  const use = h("div", { class: "use" });
  const facts = h("dl", {});
  const shares = h("div", {});
  const listening = h("div", {}, h("p", { class: "quiet" }, t("fact.off")));
  const { user, host } = state.me;
  fill(body,
    h("div", { class: "columns" },
      h("section", { class: "card" }, use, facts),
      h("section", { class: "card" }, h("h2", {}, t("fact.reach")),
        h("p", {}, h("span", { class: "quiet block" }, t("fact.cli")), copyable(`gaol shell ${name}`)),
        h("p", {}, h("span", { class: "quiet block" }, t("fact.ssh")), copyable(`ssh -t ${user}@${host} gaol ${name.includes("/") ? "shell" : "ssh"} ${name}`)),
        h("h3", {}, t("fact.ports")), listening, shares)));
  let keys = "";
  let before = [];
  let looked = 0;
  const unwatch = watch(() => {
    const one = machine(name);
    if (!one) return;
    if (!one.access) fill(use, isUp(one) ? meters(one) : null,
      h("div", { class: "meter" }, h("span", { class: "quiet" }, t("fact.disk")), one.disk ? bar(one.disk_used ?? 0, one.disk, t("fact.disk")) : h("span", {}), h("span", { class: "value" }, one.disk ? t("fact.of", { used: size(one.disk_used), all: size(one.disk) }) : size(one.disk_used))));
    const rows = [
      ["owner", one.access && t("fact.whose", { owner: one.owner, as: t(`as.${one.access}`) })],
      ["address", one.address && copyable(one.address)], ["", one.address6 && copyable(one.address6)], ["base", [one.base, one.generation].filter(Boolean).join(" / ")], ["newer", one.newer && newer(one)], ["kernel", one.kernel],
      ["created", moment(one.created)], ["started", one.started && `${moment(one.started)} (${when(one.started)})`], ["expires", one.expires && when(one.expires)],
      [one.access ? "" : "home", !one.access && t(one.home ? "fact.home.yes" : "fact.home.no")], ["reason", one.reason],
    ].filter(([, value]) => value);
    // Only what has changed is written: a focus in the rest stays.
    const now = rows.map(([, value]) => value.textContent ?? value);
    if (rows.map(([key]) => key).join() !== keys) fill(facts, rows.map(([key, value]) => [h("dt", {}, key && t(`fact.${key}`)), h("dd", {}, value)]));
    else rows.forEach(([, value], at) => now[at] !== before[at] && fill(facts.querySelectorAll("dd")[at], value));
    keys = rows.map(([key]) => key).join();
    before = now;
    const shared = JSON.stringify(one.shares ?? []);
    if (shares.dataset.shown !== shared) fill(shares, (one.shares ?? []).length > 0 && [h("h3", {}, t("fact.shares")), h("ul", { class: "rows" }, one.shares.map((each) => h("li", { class: "row" },
      h("div", {}, h("strong", {}, each.user), h("span", { class: "quiet small block" }, [t(`share.${each.access}`), each.until && t("share.until", { when: moment(each.until) })].filter(Boolean).join(" · "))),
      h("span", { class: "grow" }), button(t("share.end"), { kind: "quiet", onclick: () => unshare(name, each.user) }))))]);
    shares.dataset.shown = shared;
    if (isUp(one) && one.state !== "frozen" && Date.now() - looked > 10000) {
      looked = Date.now();
      ports(name).then(({ ports: found }) => fill(listening, found.length && (one.address || one.address6)
        ? h("ul", { class: "ports" }, found.map((port) => h("li", {}, link(one, port))))
        : h("p", { class: "quiet" }, t("fact.noports")))).catch(() => {});
    }
  });
  return unwatch;
}

/** What its base has by now, and the way there. */
function newer(one) {
  const told = t("fact.newer.is", { base: one.base, generation: one.newer });
  if (!state.me.methods?.includes("Rebase")) return told;
  return h("span", {}, told, " ", button(t("machine.rebase"), { kind: "small", onclick: () => rebase(one.name) }));
}

/** A machine's own server, at its own address, so of another origin: nothing of this page is there for it. */
function link(one, port) {
  const host = one.address ?? `[${one.address6}]`;
  const known = { 80: "http", 8080: "http", 8000: "http", 3000: "http", 5000: "http", 8888: "http", 443: "https", 8443: "https" }[port];
  const text = [`${host}:${port}`, port === 22 ? " ssh" : ""];
  return known || port > 1024 ? h("a", { href: `${known ?? "http"}://${host}:${port}/`, target: "_blank", rel: "noopener noreferrer" }, text) : h("span", {}, text);
}

function snapshots(body, name) {
  const list = h("ul", { class: "rows", "aria-label": t("snap.list", { name }) });
  const none = h("p", { class: "quiet" }, t("snap.none"));
  fill(body, h("div", { class: "card" }, h("div", { class: "row" }, h("h2", {}, t("tab.snapshots")), none, h("span", { class: "grow" }), button(t("snap.take"), { kind: "primary", sign: "camera", onclick: () => snapshot(name) })), list));
  let before = "";
  let over = false;
  async function show() {
    const told = await tried(() => call("SnapshotList", { name }));
    if (over || !told) return;
    fill(list, told.snapshots.reverse().map((one) => h("li", { class: "row" },
      h("div", {}, h("strong", {}, one.tag), h("span", { class: "quiet small block" }, [`${moment(one.taken)} (${when(one.taken)})`, one.memory && t("snap.memory"), one.held !== null && t("snap.held", { size: size(one.held) })].filter(Boolean).join(" · "))),
      h("span", { class: "grow" }), button(t("snap.restore"), { onclick: () => restore(name, one) }), button(t("snap.forget"), { kind: "quiet", onclick: () => forget(name, one.tag) }))));
  }
  const unwatch = watch(() => {
    const tags = machine(name)?.snapshots ?? [];
    none.hidden = tags.length > 0;
    const now = JSON.stringify(tags);
    if (now === before) return;
    before = now;
    if (tags.length) show();
    else fill(list);
  });
  return () => {
    over = true;
    unwatch();
  };
}

function consoleText(body, name) {
  const text = h("pre", { class: "console", tabindex: "0", role: "log", "aria-label": t("console.label", { name }) });
  fill(body, text);
  let over = false;
  async function look() {
    const told = await call("Log", { name }).catch((error) => ({ text: error.message }));
    if (over) return;
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
    const shown = told.text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/[^\P{C}\n\t]/gu, "");
    if (text.textContent !== (shown || t("console.empty"))) {
      text.textContent = shown || t("console.empty");
      if (atEnd) text.scrollTop = text.scrollHeight;
    }
    setTimeout(() => over || look(), 2000);
  }
  look();
  return () => {
    over = true;
  };
}
