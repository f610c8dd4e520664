// A machine's terminals. They live at the gateway: what is shown here attaches to them, and comes back by itself.

import { isDown, isOpen, start } from "./actions.js";
import { fill, h } from "./dom.js";
import * as gateway from "./gateway.js";
import { keyBar } from "./keys.js";
import { at } from "./machines.js";
import { button, linkButton, question, tried } from "./parts.js";
import { machine, state, watch } from "./state.js";
import { t } from "./text.js";

const SEQUENCES = { Escape: "\x1b", Tab: "\t", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D", Home: "\x1b[H", End: "\x1b[F", PageUp: "\x1b[5~", PageDown: "\x1b[6~" };
const ACKNOWLEDGED = 128 * 1024;
let library = null;

/** xterm.js. It makes style elements, which the page's policy takes by their nonce, and style attributes, which it doesn't take. */
function load() {
  return (library ??= (async () => {
    const base = new URL("vendor/xterm/", import.meta.url);
    document.head.append(h("link", { rel: "stylesheet", href: new URL("xterm.css", base) }));
    const [{ Terminal }, { FitAddon }] = await Promise.all([import(new URL("xterm.mjs", base)), import(new URL("addon-fit.mjs", base))]);
    const nonce = document.querySelector("meta[name=gaoler-nonce]").content;
    const make = document.createElement.bind(document);
    document.createElement = (name, options) => {
      const element = make(name, options);
      if (name === "style") element.nonce = nonce;
      return element;
    };
    const set = Element.prototype.setAttribute;
    Element.prototype.setAttribute = function (name, value) {
      if (name === "style") this.style.cssText = value;
      else set.call(this, name, value);
    };
    return { Terminal, FitAddon };
  })());
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { background: of("--term"), foreground: of("--term-text"), cursor: of("--term-text"), selectionBackground: of("--term-selected"),
    black: of("--ansi-0"), red: of("--ansi-1"), green: of("--ansi-2"), yellow: of("--ansi-3"), blue: of("--ansi-4"), magenta: of("--ansi-5"), cyan: of("--ansi-6"), white: of("--ansi-7"),
    brightBlack: of("--ansi-8"), brightRed: of("--ansi-9"), brightGreen: of("--ansi-10"), brightYellow: of("--ansi-11"), brightBlue: of("--ansi-12"), brightMagenta: of("--ansi-13"), brightCyan: of("--ansi-14"), brightWhite: of("--ansi-15") };
}

// Which terminals this tab of the browser has open in a machine: it finds them again after a reload.
const key = (name) => `terminals:${name}`;
const remembered = (name) => JSON.parse(sessionStorage.getItem(key(name)) ?? "[]");
const remember = (name, ids) => sessionStorage.setItem(key(name), JSON.stringify(ids));

/** As whom one works in it: a friend who may be no other is themselves. */
function users(one) {
  if (!one?.access) return ["root", state.me.user];
  return one.access === "root" ? ["root", one.owner] : [state.me.user];
}

/** A shell in a machine; with `rescue` in one that is made for it, which has the files of this one, which is down. */
export function open(body, name, { rescue = false } = {}) {
  const kept = rescue ? `rescue:${name}` : name;
  const ready = (one) => Boolean(one) && (rescue ? isDown(one) : isOpen(one));
  const screen = h("div", { class: "terminal" });
  const words = h("div", { class: "over", role: "status" });
  const which = h("div", { class: "row terminals", role: "group" });
  const who = h("select", { "aria-label": t("term.who") }, users(machine(name)).map((user) => h("option", { value: user }, t("term.user", { user }))));
  if ([...who.options].some(({ value }) => value === sessionStorage.getItem("as"))) who.value = sessionStorage.getItem("as");
  who.hidden = rescue || who.options.length < 2;
  who.onchange = () => (sessionStorage.setItem("as", who.value), next(null));
  const reader = h("label", { class: "check" }, h("input", { type: "checkbox", checked: localStorage.getItem("reader") === "1", onchange: (event) => {
    localStorage.setItem("reader", event.target.checked ? "1" : "0");
    if (terminal) terminal.options.screenReaderMode = event.target.checked;
  } }), t("term.reader"));
  const keys = keyBar((pressed) => type(SEQUENCES[pressed] ?? pressed), button(t("keys.paste"), { kind: "quiet small", onclick: () => tried(async () => terminal?.paste(await navigator.clipboard.readText())) }));
  const about = rescue && h("span", { class: "quiet" }, t("rescue.about", { name }));
  const done = rescue && button(t("rescue.end"), { kind: "small", hidden: true, onclick: () => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ end: true })) });
  fill(body, h("div", { class: "row bar" }, which, about, h("span", { class: "grow" }), reader, who, done), h("div", { class: "stage" }, screen, words), keys.bar);

  let terminal = null;
  let fit = null;
  let socket = null;
  let over = false;
  let id = remembered(kept).at(-1) ?? null;
  let replaying = false;
  let pause = 300;
  let refused = false;
  let timer = 0;

  const message = (text, ...more) => fill(words, text && h("p", {}, text), more);

  function draw() {
    const ids = remembered(kept);
    if (rescue) return void (done.hidden = !ids.length);
    fill(which, ids.length > 1 && ids.map((one, index) => button(String(index + 1), { kind: "quiet small", "aria-pressed": String(one === id), title: t("term.nth", { n: index + 1 }), onclick: () => next(one) })), button(t("term.new"), { kind: "quiet", sign: "plus", only: true, onclick: () => next(null) }));
  }

  /** Type as if on a keyboard, with the Ctrl and Alt of the bar. */
  function type(text) {
    const { ctrl, alt } = keys.held();
    let data = text;
    if (ctrl && data.length === 1) data = String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f);
    if (alt) data = `\x1b${data}`;
    send(data);
    terminal?.focus();
  }

  function send(text) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(new TextEncoder().encode(text));
  }

  /** From now on what is typed goes to the shell. */
  function takes() {
    replaying = false;
    screen.dataset.connected = "yes";
  }

  /** Why there is none, and the ways out. */
  function refuse() {
    refused = true;
    const one = machine(name);
    if (rescue) return void message(t("rescue.up", { name }), linkButton(t("machine.terminal"), at(name, "terminal"), { kind: "primary", sign: "terminal" }));
    const mine = one && !one.access && isDown(one);
    message(t("term.off", { name }), mine && h("div", { class: "row" }, button(t("machine.start"), { kind: "primary", sign: "play", onclick: () => start(name) }), linkButton(t("rescue.open"), at(name, "rescue"))));
  }

  /** Show another terminal, or a new one. */
  function next(other) {
    id = other;
    connect();
  }

  function connect() {
    clearTimeout(timer);
    refused = false;
    delete screen.dataset.connected;
    if (socket) socket.onclose = socket.onmessage = null;
    socket?.close();
    if (over || !terminal) return;
    if (!ready(machine(name))) return void refuse();
    if (!id) message(t(rescue ? "rescue.opening" : "term.opening"));
    fit.fit();
    const query = { machine: name, user: who.value, rows: terminal.rows, columns: terminal.cols, ...(id ? { terminal: id } : {}), ...(rescue ? { rescue: "1" } : {}) };
    const mine = (socket = gateway.terminal(query));
    let ended = false;
    let unseen = 0;
    mine.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        const bytes = new Uint8Array(data);
        const first = replaying;
        // Answers to questions that were answered long ago would be typed into what runs now.
        terminal.write(bytes, () => {
          if (first) return void takes();
          unseen += bytes.length;
          if (unseen >= ACKNOWLEDGED && mine.readyState === WebSocket.OPEN) mine.send(JSON.stringify({ seen: unseen }));
          if (unseen >= ACKNOWLEDGED) unseen = 0;
        });
        return;
      }
      const told = JSON.parse(data);
      if (told.terminal) {
        pause = 300;
        id = told.terminal;
        if (!remembered(kept).includes(id)) remember(kept, [...remembered(kept), id]);
        terminal.reset();
        replaying = told.replay > 0;
        if (!replaying) takes();
        message("");
        draw();
        if (!document.activeElement || document.activeElement === document.body || document.activeElement.id === "content") terminal.focus();
      } else if (told.error || "ended" in told) {
        ended = true;
        remember(kept, remembered(kept).filter((one) => one !== id));
        const known = id;
        id = null;
        draw();
        if (told.error && known && !rescue) return connect(); // one from before, which has ended meanwhile
        message(told.error ? `${told.error.what}: ${told.error.why}` : rescue ? t("rescue.ended") : told.why || t("term.ended"), button(t(rescue ? "rescue.again" : "term.again"), { kind: "primary", onclick: () => next(remembered(kept).at(-1) ?? null) }));
      }
    };
    mine.onclose = ({ code }) => {
      if (over || mine !== socket) return;
      delete screen.dataset.connected;
      if (ended) return;
      if (code === 4401) return void gateway.me().catch(() => {});
      if (code === 4409) return void message(t("term.elsewhere"), button(t("term.here"), { kind: "primary", onclick: () => next(id) }));
      message(t("term.lost"));
      timer = setTimeout(connect, pause);
      pause = Math.min(pause * 2, 5000);
    };
  }

  load().then(({ Terminal, FitAddon }) => {
    if (over) return;
    terminal = new Terminal({ fontFamily: "ui-monospace, 'Cascadia Mono', 'JetBrains Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace", fontSize: 14, scrollback: 10000, cursorBlink: false, macOptionIsMeta: true, screenReaderMode: localStorage.getItem("reader") === "1", theme: colours(), minimumContrastRatio: 4.5, rightClickSelectsWord: false,
      linkHandler: { activate: (_, text) => visit(text) } });
    fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(screen);
    terminal.onData((data) => {
      if (replaying) return;
      const { ctrl, alt } = data.length === 1 ? keys.held() : {};
      send((alt ? "\x1b" : "") + (ctrl ? String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f) : data));
    });
    terminal.onBinary((data) => socket?.readyState === WebSocket.OPEN && socket.send(Uint8Array.from(data, (one) => one.charCodeAt(0))));
    terminal.onResize(({ rows, cols }) => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ size: [rows, cols] })));
    terminal.attachCustomKeyEventHandler((event) => {
      const control = event.ctrlKey || event.metaKey;
      if (event.type === "keydown" && control && event.code === "KeyC" && terminal.hasSelection()) {
        navigator.clipboard.writeText(terminal.getSelection()).catch(() => {});
        if (!event.shiftKey) terminal.clearSelection();
        event.preventDefault();
        return false;
      }
      // Pasting is the browser's to do: it brings what is in the clipboard without asking.
      return !(control && event.code === "KeyV");
    });
    connect();
    draw();
  });

  /** A link that a program has written: where it really leads is shown before. */
  async function visit(text) {
    if (!/^https?:\/\//i.test(text)) return;
    if (await question(t("ask.link"), { text, yes: t("ask.open") })) window.open(text, "_blank", "noopener,noreferrer");
  }

  const watching = new ResizeObserver(() => fit && screen.clientHeight > 0 && fit.fit());
  watching.observe(screen);
  const recolour = () => terminal && (terminal.options.theme = colours());
  addEventListener("theme", recolour);
  const awake = () => document.visibilityState === "visible" && socket?.readyState === WebSocket.CLOSED && id && connect();
  document.addEventListener("visibilitychange", awake);
  let up = ready(machine(name));
  const unwatch = watch(() => {
    const now = ready(machine(name));
    if (now && !up && !rescue) connect();
    if (!now && !id && !refused) refuse(); // also where it went down a moment before that was known here
    up = now;
  });
  return () => {
    over = true;
    clearTimeout(timer);
    unwatch();
    watching.disconnect();
    removeEventListener("theme", recolour);
    document.removeEventListener("visibilitychange", awake);
    socket?.close();
    terminal?.dispose();
  };
}
