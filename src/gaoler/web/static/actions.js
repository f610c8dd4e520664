// What one does with a machine, the same from wherever it is asked for.

import { call, post } from "./gateway.js";
import { note, question, tried } from "./parts.js";
import { busy, look, machine, state } from "./state.js";
import { known, number, size, t, when } from "./text.js";

export const isUp = (one) => one.state === "ready" || one.state === "running" || one.state === "frozen";
/** Whether commands can run in it now; where it is a friend's, one that sleeps wakes for them. */
export const isOpen = (one) => isUp(one) || Boolean(one.access && one.state === "asleep");
export const isDown = (one) => one.state === "stopped" || one.state === "failed" || one.state === "asleep";
/** Seconds that a machine may run, with words. */
export const DURATIONS = [[3600, t("time.hour")], [7200, t("time.hours", { n: 2 })], [8 * 3600, t("time.hours", { n: 8 })], [86400, t("time.day")], [7 * 86400, t("time.days", { n: 7 })], [30 * 86400, t("time.days", { n: 30 })]];
const GiB = 2 ** 30;
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
  if (told) note(told.kept ? t(told.stopped ? "done.back" : "done.kept", { name }) : t("done.late"));
}

/** Whether what runs in a machine can be kept or doubled. */
const goesOn = (one) => one && one.state !== "starting" && isUp(one) && one.mode !== "ptrace";

export async function snapshot(name) {
  const fields = [{ name: "tag", label: t("ask.snapshot.tag") }];
  if (goesOn(machine(name))) fields.push({ name: "memory", label: t("ask.snapshot.memory"), kind: "check" });
  const answers = await question(t("ask.snapshot", { name }), { fields, yes: t("snap.take") });
  if (!answers) return;
  const told = await doing(name, t("machine.snapshot"), () => call("Snapshot", { name, ...(answers.tag ? { tag: answers.tag } : {}), ...(answers.memory ? { memory: true } : {}) }));
  if (told) note(t("done.snapshot", { tag: told.tag }) + (told.note ? `: ${told.note}` : ""));
}

/** Back to a snapshot; one with memory goes on with what ran then, unless its files alone are wanted. */
export async function restore(name, { tag, memory }) {
  const fields = memory ? [{ name: "files", label: t("ask.restore.files"), kind: "check" }] : [];
  const answers = await question(t(memory ? "ask.restore.all" : "ask.restore", { name, tag }), { text: t(memory ? "ask.restore.all.why" : "ask.restore.why"), fields, yes: t("ask.yes.restore"), danger: true });
  if (!answers) return;
  const up = !isDown(machine(name));
  const files = !memory || Boolean(answers.files);
  await doing(name, t("snap.restore"), async () => {
    if (up) await call("Down", { name, force: !files });
    await call("Restore", { name, tag, files });
    note(t(files ? "done.restored" : "done.resumed", { name, tag }));
    if (up && files) await call("Up", { name }, (told) => busy(name, step(told)));
  });
}

export async function forget(name, tag) {
  if (await question(t("ask.forget", { tag }), { yes: t("ask.yes.forget"), danger: true })) await doing(name, t("snap.forget"), () => call("SnapshotRemove", { name, tag }));
}

export async function clone(name) {
  const fields = [{ name: "new", label: t("ask.clone.name"), value: `${name}-2`, required: true, pattern: NAME }];
  if (goesOn(machine(name))) fields.push({ name: "running", label: t("ask.clone.running"), kind: "check" });
  const answers = await question(t("ask.clone", { name }), { fields });
  if (answers && (await doing(name, t("machine.clone"), () => call("Clone", { name, new: answers.new, ...(answers.running ? { running: true } : {}) })))) note(t("done.cloned", { name: answers.new }));
}

/** Let it run longer than it might. */
export async function extend(name) {
  const answers = await question(t("ask.extend", { name }), { fields: [{ name: "extend", label: t("ask.extend.for"), kind: "choice", options: DURATIONS, value: String(8 * 3600) }], yes: t("ask.yes.extend") });
  if (!answers) return;
  const told = await doing(name, t("machine.extend"), () => call("Set", { name, extend: Number(answers.extend) }));
  if (told) note(told.machine.expires ? t("done.extended", { when: when(told.machine.expires) }) : t("done.extended.later"));
}

/** For how long it may run, to choose from; what it has now is there, too. */
const durations = (now) => [...DURATIONS, ...(now && !DURATIONS.some(([value]) => value === now) ? [[now, t("time.hours", { n: number(now / 3600) })]] : []), [0, t("set.ttl.ever")]];

/** What it was made with, to be changed. */
export async function change(name) {
  const one = machine(name);
  const { kernels = [] } = (await tried(() => call("KernelList"))) ?? {};
  const series = [...new Set(kernels.map(({ version }) => version))];
  const sizes = (least, now) => [...new Set([0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32].map((value) => value * GiB).filter((value) => value >= least).concat(now || []))].sort((a, b) => a - b).map((value) => [value, size(value)]);
  const cpus = [...new Set([0.5, 1, 2, 4, one.cpus])].sort((a, b) => a - b).map((value) => [value, number(value)]);
  const fields = [
    { name: "memory", label: t("new.memory"), kind: "choice", options: sizes(0.25 * GiB, one.memory), value: String(one.memory) },
    { name: "cpus", label: t("new.cpus"), kind: "choice", options: cpus, value: String(one.cpus) },
    { name: "disk", label: t("new.disk"), kind: "choice", options: [[0, t("set.disk.all")], ...sizes(2 * GiB, one.disk)], value: String(one.disk ?? 0) },
    { name: "ttl", label: t("new.ttl"), kind: "choice", options: durations(one.ttl), value: String(one.ttl ?? 0) },
    { name: "home", label: t("new.home"), kind: "check", value: one.home },
    { name: "autostart", label: t("set.autostart"), kind: "check", value: one.autostart },
    { name: "network", label: t("new.network"), kind: "check", value: one.network, rare: true },
    { name: "init", label: t("new.systemd"), kind: "check", value: one.init === "systemd", rare: true },
    { name: "mode", label: t("set.ptrace"), kind: "check", value: one.mode === "ptrace", rare: true },
    ...(series.length > 1 ? [{ name: "kernel", label: t("fact.kernel"), kind: "choice", options: [["", t("set.same")], ...series.map((one) => [one, one])], value: "", rare: true }] : []),
  ];
  const answers = await question(t("ask.set", { name }), { text: isDown(one) ? "" : t("ask.set.when"), fields, yes: t("ask.yes.set") });
  if (!answers) return;
  const said = Object.fromEntries(["memory", "cpus", "disk"].filter((key) => Number(answers[key]) !== (one[key] ?? 0)).map((key) => [key, Number(answers[key])]));
  if (answers.home !== one.home) said.home = answers.home;
  if (answers.network !== one.network) said.network = answers.network;
  if (answers.init !== (one.init === "systemd")) said.init = answers.init ? "systemd" : "startenv";
  if (answers.mode !== (one.mode === "ptrace")) said.mode = answers.mode ? "ptrace" : "seccomp";
  if (Number(answers.ttl) !== (one.ttl ?? 0)) said.ttl = Number(answers.ttl);
  if (answers.autostart !== one.autostart) said.autostart = answers.autostart;
  if (answers.kernel) said.kernel = answers.kernel;
  if (!Object.keys(said).length) return;
  const told = await doing(name, t("machine.set"), () => call("Set", { name, ...said }));
  if (told) note(told.later.length ? t("done.set.later", { name }) : t("done.set", { name }));
}

/** Let another user in. */
export async function share(name) {
  const one = machine(name);
  const fields = [
    { name: "user", label: t("ask.share.user"), required: true },
    { name: "access", label: t("ask.share.as"), kind: "choice", options: [["root", t("share.root")], ["user", t("share.user")]], value: "root" },
    { name: "ends", label: t("ask.share.ends"), kind: "choice", options: [["", t("share.always")], ...DURATIONS], value: "" },
    ...(one.home ? [{ name: "home", label: t("ask.share.home"), kind: "check" }] : []),
  ];
  const answers = await question(t("ask.share", { name }), { text: t("ask.share.why"), fields, yes: t("ask.yes.share") });
  if (!answers) return;
  const ends = answers.ends ? { ends: Date.now() / 1000 + Number(answers.ends) } : {};
  const told = await doing(name, t("machine.share"), () => call("Share", { name, user: answers.user, access: answers.access, home: Boolean(answers.home), ...ends }));
  if (told) note(t("done.shared", { user: answers.user, name: `${state.me.user}/${name}` }));
}

export async function unshare(name, user) {
  if (await doing(name, t("share.end"), () => call("Unshare", { name, user }))) note(t("done.unshared", { user }));
}

/** A base of its files as they are now. */
export async function publish(name) {
  const answers = await question(t("ask.publish", { name }), { text: t("ask.publish.why"), fields: [{ name: "base", label: t("ask.publish.name"), value: name, required: true, pattern: NAME }], yes: t("ask.yes.publish") });
  if (answers && (await doing(name, t("machine.publish"), () => call("Publish", { name, base: answers.base }, (told) => busy(name, step(told)))))) note(t("done.published", { base: answers.base }));
}

export async function rename(name) {
  const answers = await question(t("ask.rename", { name }), { fields: [{ name: "new", label: t("ask.rename.name"), value: name, required: true, pattern: NAME }] });
  if (!answers || answers.new === name) return null;
  const told = await doing(name, t("machine.rename"), () => call("Rename", { name, new: answers.new }));
  if (told) note(t("done.renamed", { name: answers.new }));
  return told ? answers.new : null;
}

/** Over to the newest generation of its base, with what was changed in it. */
export async function rebase(name) {
  const one = machine(name);
  const up = !isDown(one);
  if (!(await question(t("ask.rebase", { name, base: one.base, generation: one.newer }), { text: t(up ? "ask.rebase.why.up" : "ask.rebase.why"), yes: t("ask.yes.rebase") }))) return;
  await doing(name, t("machine.rebase"), async () => {
    if (up) await call("Down", { name });
    try {
      const told = await call("Rebase", { name }, (told) => busy(name, step(told)));
      note(t("done.rebased", { name, base: one.base, generation: told.machine.generation, tag: told.tag }), { seconds: 12 });
    } finally {
      if (up) await call("Up", { name }, (told) => busy(name, step(told)));
    }
  });
}

/** The entries of a machine's menu; on its own page, where `renamed` is told, also what one does rarely. */
export function entries(one, methods, renamed = null) {
  const { name } = one;
  const can = (method) => methods.includes(method);
  if (one.access) return []; // a friend's: in it, and nothing else
  return [
    isUp(one) && [t("machine.restart"), "again", () => restart(name)],
    isUp(one) && [t("machine.stop"), "stop", () => stop(name)],
    !isDown(one) && [t("machine.off"), "stop", () => stop(name, true)],
    isUp(one) && can("Sleep") && [t("machine.sleep"), "moon", () => sleep(name)],
    isUp(one) && one.state !== "frozen" && can("Freeze") && [t("machine.freeze"), "pause", () => freeze(name)],
    one.state === "frozen" && [t("machine.thaw"), "play", () => thaw(name)],
    isDown(one) && [t("machine.start"), "play", () => start(name)],
    null,
    [t("machine.snapshot"), "camera", () => snapshot(name)],
    [t("machine.clone"), "clone", () => clone(name)],
    can("Rename") && isDown(one) && [t("machine.rename"), "pen", () => rename(name).then((now) => renamed?.(now))],
    can("Share") && [t("machine.share"), "person", () => share(name)],
    one.newer && can("Rebase") && [t("machine.rebase"), "up", () => rebase(name)],
    renamed && can("Export") && [t("machine.export"), "down", () => import("./archives.js").then((archives) => archives.exportMachine(name))],
    renamed && can("Publish") && [t("machine.publish"), "up", () => publish(name)],
    null,
    can("Set") && one.expires && [t("machine.extend"), "clock", () => extend(name)],
    can("Set") && [t("machine.set"), "sliders", () => change(name)],
    null,
    [t("machine.remove"), "trash", () => throwAway(name), true],
  ].filter((entry) => entry !== false);
}
