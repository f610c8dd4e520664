// One's machines as they are now, for whoever wants to be told.

import * as gateway from "./gateway.js";

export const state = { me: null, machines: null, bases: null, busy: new Map(), history: {}, lost: false, error: null };
const listeners = new Set();
const SAMPLES = 120;
let feed = null;

/** Be told of changes, until the returned function is called; told once at once. */
export function watch(tell) {
  listeners.add(tell);
  tell(state);
  return () => listeners.delete(tell);
}

export function changed() {
  for (const tell of [...listeners]) tell(state);
}

export const machine = (name) => state.machines?.find((one) => one.name === name);

/** Look at once: something has been done. */
export const look = () => feed?.look();

/** `tellOf(told)` has what has become of something that was asked for and goes on by itself. */
export function begin(tellOf) {
  feed ??= gateway.live(
    (told) => {
      if (told.exported || told.failed) return void tellOf(told);
      state.lost = false;
      state.error = told.error ?? null;
      if (told.machines) state.machines = told.machines.sort((a, b) => a.name.localeCompare(b.name));
      if (told.history) state.history = told.history;
      for (const [name, sample] of Object.entries(told.samples ?? {})) (state.history[name] ??= []).push(sample);
      for (const name of Object.keys(state.history)) {
        if (told.samples && !(name in told.samples)) delete state.history[name];
        else state.history[name] = state.history[name].slice(-SAMPLES);
      }
      changed();
    },
    () => {
      state.lost = true;
      changed();
    },
  );
}

export function end() {
  feed?.end();
  feed = null;
  Object.assign(state, { me: null, machines: null, bases: null, history: {}, lost: false });
  state.busy.clear();
}

/** What is being done with a machine, in words, beside what the daemon tells of it. */
export function busy(name, words) {
  if (words) state.busy.set(name, words);
  else state.busy.delete(name);
  changed();
}
