// A machine's desktop. What comes from it is hostile: pixels are drawn, and its clipboard is taken only while one works in it.

import { isDown, isUp, start } from "./actions.js";
import { fill, h } from "./dom.js";
import * as gateway from "./gateway.js";
import { keyBar } from "./keys.js";
import { at } from "./machines.js";
import { button, linkButton } from "./parts.js";
import { machine, watch } from "./state.js";
import { t } from "./text.js";

const KEYSYMS = { Escape: 0xff1b, Tab: 0xff09, ArrowLeft: 0xff51, ArrowUp: 0xff52, ArrowRight: 0xff53, ArrowDown: 0xff54, Home: 0xff50, End: 0xff57, PageUp: 0xff55, PageDown: 0xff56, Backspace: 0xff08, Enter: 0xff0d };
const CONTROL = 0xffe3;
const ALT = 0xffe9;
const NO_DESKTOP = 4500;
const CLIPBOARD = 1 << 20;
const library = import(new URL("vendor/novnc/core/rfb.js", import.meta.url));
library.catch(() => {});

const keysym = (character) => {
  const code = character.codePointAt(0);
  return code === 10 || code === 13 ? KEYSYMS.Enter : code < 0x100 ? code : 0x01000000 | code;
};

export function open(body, name) {
  const screen = h("div", { class: "screen", role: "application", "aria-label": t("desk.screen", { name }) });
  const words = h("div", { class: "over", role: "status" });
  const stage = h("div", { class: "stage" }, screen, words);
  // What a phone's keyboard writes into; the desktop gets it as keys.
  const writing = h("textarea", { class: "writing", "aria-label": t("keys.keyboard"), autocapitalize: "none", autocomplete: "off", spellcheck: "false", tabindex: "-1" });
  const taking = button(t("desk.copied"), { kind: "quiet", sign: "copy", hidden: true, onclick: () => take() });
  const keys = keyBar((pressed) => press(KEYSYMS[pressed] ?? keysym(pressed)), button(t("keys.keyboard"), { kind: "quiet small", sign: "keyboard", only: true, onclick: () => writing.focus() }));
  const full = button(t("desk.full"), { kind: "quiet", sign: "screen", only: true, onclick: () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen()) });
  const above = h("div", { class: "row bar" }, taking, h("span", { class: "grow" }), full);
  fill(body, above, stage, writing, keys.bar);

  let rfb = null;
  let absent = false; // whether there is none to connect to
  let over = false;
  let pause = 500;
  let timer = 0;
  let there = ""; // what was copied in the desktop last
  let here = ""; // what was given to the desktop last
  const message = (text, ...more) => fill(words, text && h("p", {}, text), more);

  function press(sym) {
    if (!rfb) return;
    const { ctrl, alt } = keys.held();
    if (ctrl) rfb.sendKey(CONTROL, "ControlLeft", true);
    if (alt) rfb.sendKey(ALT, "AltLeft", true);
    rfb.sendKey(sym, null);
    if (alt) rfb.sendKey(ALT, "AltLeft", false);
    if (ctrl) rfb.sendKey(CONTROL, "ControlLeft", false);
  }

  writing.addEventListener("input", () => {
    for (const character of writing.value) press(keysym(character));
    writing.value = "";
  });
  writing.addEventListener("keydown", (event) => {
    if (!(event.key in KEYSYMS)) return;
    event.preventDefault();
    press(KEYSYMS[event.key]);
  });

  /** What was copied in the desktop becomes what is in one's own clipboard. */
  async function take() {
    try {
      await navigator.clipboard.writeText(there);
      here = there;
      taking.hidden = true;
    } catch {
      taking.hidden = false; // this browser wants a click for it
    }
  }

  /** What is in one's own clipboard becomes what the desktop pastes. */
  async function give() {
    if (!rfb || over || !document.hasFocus()) return;
    try {
      const text = await navigator.clipboard.readText();
      if (text && text !== here && text.length <= CLIPBOARD) rfb.clipboardPasteFrom((here = text));
    } catch {
      // Not allowed, or not in this browser: a paste event brings it.
    }
  }

  const pasted = (event) => {
    const text = event.clipboardData?.getData("text");
    if (rfb && text && text.length <= CLIPBOARD) rfb.clipboardPasteFrom((here = text));
  };

  /** It has none: what has, and the way there. */
  async function none() {
    absent = true;
    above.hidden = keys.bar.hidden = true;
    message(t("desk.none"), h("p", { class: "quiet" }, t("desk.none.why")));
    const { bases = [] } = await gateway.call("BaseList").catch(() => ({}));
    if (over || !absent) return;
    const base = bases.find((one) => one.desktop && one.generation !== null);
    message("", h("h2", {}, t("desk.none")), ...(base
      ? [h("p", { class: "quiet" }, t("desk.none.make", { base: base.name })), linkButton(t("desk.none.go"), `/new?base=${encodeURIComponent(base.name)}`, { kind: "primary", sign: "desktop" })]
      : [h("p", { class: "quiet" }, t("desk.none.add")), h("code", {}, "sudo gaol base add debian-desktop --desktop")]),
      h("p", { class: "quiet small" }, t("desk.none.own")), button(t("desk.none.try"), { kind: "small", onclick: () => connect(true) }));
  }

  async function connect(anyway = false) {
    clearTimeout(timer);
    let RFB;
    try {
      ({ default: RFB } = await library);
    } catch (error) {
      return void message(String(error));
    }
    if (over) return;
    const one = machine(name) ?? { state: "" };
    if (one.desktop === false && !anyway) return void none();
    absent = above.hidden = keys.bar.hidden = false;
    if (!isUp(one)) return void message(t("term.off", { name }), isDown(one) && button(t("machine.start"), { kind: "primary", sign: "play", onclick: () => start(name) }));
    message(t("desk.connecting"), h("p", { class: "quiet" }, t("desk.first")));
    let closed = null;
    const socket = new WebSocket(gateway.desktop(name), "binary");
    socket.addEventListener("close", (event) => (closed = event));
    rfb = new RFB(screen, socket, { shared: true });
    rfb.resizeSession = true;
    rfb.scaleViewport = true;
    rfb.background = "var(--term)";
    rfb.qualityLevel = 8;
    rfb.compressionLevel = 2;
    rfb.showDotCursor = matchMedia("(pointer: coarse)").matches;
    const mine = rfb;
    rfb.addEventListener("connect", () => {
      pause = 500;
      message("");
      screen.dataset.connected = "yes";
      rfb.focus();
      give();
    });
    rfb.addEventListener("clipboard", ({ detail }) => {
      // Only what somebody who is working there has just copied: a machine alone can't fill one's clipboard.
      if (detail.text.length > CLIPBOARD || !(navigator.userActivation?.isActive ?? document.hasFocus())) return;
      there = detail.text;
      if (there !== here) take();
    });
    rfb.addEventListener("disconnect", () => {
      if (mine !== rfb) return;
      rfb = null;
      delete screen.dataset.connected;
      if (over) return;
      if (closed?.code === 4401) return void gateway.me().catch(() => {});
      if (closed?.code === NO_DESKTOP) return void message(closed.reason, button(t("desk.again"), { kind: "primary", onclick: () => connect(true) }));
      message(t("desk.lost"));
      timer = setTimeout(() => connect(true), pause);
      pause = Math.min(pause * 2, 8000);
    });
  }

  addEventListener("focus", give);
  screen.addEventListener("paste", pasted);
  screen.addEventListener("pointerdown", give);
  let up = isUp(machine(name) ?? { state: "" });
  const unwatch = watch(() => {
    const now = isUp(machine(name) ?? { state: "" });
    if ((now && !up) || (absent && machine(name)?.desktop)) connect();
    up = now;
  });
  connect();
  return () => {
    over = true;
    clearTimeout(timer);
    unwatch();
    removeEventListener("focus", give);
    rfb?.disconnect();
  };
}
