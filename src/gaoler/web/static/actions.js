// What one does with a machine, the same from wherever it is asked for.

import { call, post } from "./gateway.js";
import { note, question, tried } from "./parts.js";
import { busy, look, machine } from "./state.js";
import { known, t } from "./text.js";

export const isUp = (one) => one.state === "ready" || one.state === "running" || one.state === "frozen";
export const isDown = (one) => one.state === "stopped" || one.state === "failed" || one.state === "asleep";
const NAME = "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?";

/** Words for a step that the daemon tells. */
export function step(told) {
  const [verb, ...rest] = String(told.step ?? "").split(" ");
  return verb === "cloning" ? t("step.cloning", { base: rest.join(" ") }) : known("step", told.step);
}

async function doing(name, words, work) {
  busy(name, words);
  try {
    return await tried(work);
  } finally {
    busy(name, null);
    look();
  }
}

export const start = (name, spec = {}) => doing(name, t("step.starting"), () => call("Up", { name, spec }, (told) => busy(name, step(told))));
export const stop = (name, force = false) => doing(name, t("state.stopping"), () => call("Down", { name, force }));
export const sleep = (name) => doing(name, t("machine.sleep"), () => call("Sleep", { name }));
export const freeze = (name) => doing(name, t("machine.freeze"), () => call("Freeze", { name }));
export const thaw = (name) => doing(name, t("machine.thaw"), () => call("Thaw", { name }));

export async function restart(name) {
  await stop(name);
  await start(name);
}

export async function throwAway(name) {
  const told = await tried(() => post("/api/throw-away", { name }));
  look();
  if (told) note(t("done.doomed", { name }), { undo: () => keep(name), seconds: told.seconds });
  return told;
}

export async function keep(name) {
  const told = await tried(() => post("/api/keep", { name }));
  look();
  if (told) note(told.kept ? t("done.kept", { name }) : t("done.late"));
}

export async function snapshot(name) {
  const answers = await question(t("ask.snapshot", { name }), { fields: [{ name: "tag", label: t("ask.snapshot.tag") }], yes: t("snap.take") });
  if (!answers) return;
  const told = await doing(name, t("machine.snapshot"), () => call("Snapshot", { name, ...(answers.tag ? { tag: answers.tag } : {}) }));
  if (told) note(t("done.snapshot", { tag: told.tag }) + (told.note ? `: ${told.note}` : ""));
}

export async function restore(name, tag) {
  if (!(await question(t("ask.restore", { name, tag }), { text: t("ask.restore.why"), yes: t("ask.yes.restore"), danger: true }))) return;
  const up = !isDown(machine(name));
  await doing(name, t("snap.restore"), async () => {
    if (up) await call("Down", { name });
    await call("Restore", { name, tag });
    note(t("done.restored", { name, tag }));
    if (up) await call("Up", { name }, (told) => busy(name, step(told)));
  });
}

export async function forget(name, tag) {
  if (await question(t("ask.forget", { tag }), { yes: t("ask.yes.forget"), danger: true })) await doing(name, t("snap.forget"), () => call("SnapshotRemove", { name, tag }));
}

export async function clone(name) {
  const answers = await question(t("ask.clone", { name }), { fields: [{ name: "new", label: t("ask.clone.name"), value: `${name}-2`, required: true, pattern: NAME }] });
  if (answers && (await doing(name, t("machine.clone"), () => call("Clone", { name, new: answers.new })))) note(t("done.cloned", { name: answers.new }));
}

export async function rename(name) {
  const answers = await question(t("ask.rename", { name }), { fields: [{ name: "new", label: t("ask.rename.name"), value: name, required: true, pattern: NAME }] });
  if (!answers || answers.new === name) return null;
  const told = await doing(name, t("machine.rename"), () => call("Rename", { name, new: answers.new }));
  if (told) note(t("done.renamed", { name: answers.new }));
  return told ? answers.new : null;
}

/** The entries of a machine's menu. */
export function entries(one, methods, renamed = () => {}) {
  const { name } = one;
  const can = (method) => methods.includes(method);
  return [
    isUp(one) && [t("machine.restart"), "play", () => restart(name)],
    isUp(one) && [t("machine.stop"), "stop", () => stop(name)],
    isUp(one) && can("Sleep") && [t("machine.sleep"), "moon", () => sleep(name)],
    isUp(one) && one.state !== "frozen" && can("Freeze") && [t("machine.freeze"), "clock", () => freeze(name)],
    one.state === "frozen" && [t("machine.thaw"), "play", () => thaw(name)],
    !isDown(one) && [t("machine.off"), "stop", () => stop(name, true)],
    isDown(one) && [t("machine.start"), "play", () => start(name)],
    null,
    [t("machine.snapshot"), "camera", () => snapshot(name)],
    [t("machine.clone"), "clone", () => clone(name)],
    can("Rename") && isDown(one) && [t("machine.rename"), "pen", async () => renamed(await rename(name))],
    null,
    [t("machine.remove"), "trash", () => throwAway(name), true],
  ].filter((entry) => entry !== false);
}
