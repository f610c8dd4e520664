// What the page says, in the reader's language. Another language is another file in texts/ and a line here.

import de from "./texts/de.js";
import en from "./texts/en.js";

export const LANGUAGES = { en: ["English", en], de: ["Deutsch", de] };

const wished = [localStorage.getItem("language"), ...navigator.languages].map((one) => one?.slice(0, 2));
export const language = wished.find((one) => one in LANGUAGES) ?? "en";
document.documentElement.lang = language;
const texts = LANGUAGES[language][1];

/** A text by its key; `{name}` in it is filled in. What no translation has is said in English. */
export function t(key, values = {}) {
  const text = texts[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** What the daemon says, where a translation knows it: a step, a state. */
export const known = (kind, word) => texts[`${kind}.${word}`] ?? en[`${kind}.${word}`] ?? word;

const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
export const number = (value) => numbers.format(value);

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: bytes < 10 && at > 0 ? 1 : 0 }).format(bytes)}\u00a0${units[at]}`;
}

const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "3 hours ago", "in 2 days", of seconds since the epoch. */
export function when(seconds) {
  const away = seconds - Date.now() / 1000;
  const [unit, length] = STEPS.find(([, length]) => Math.abs(away) >= length) ?? STEPS[3];
  return relative.format(Math.trunc(away / length), unit);
}

export const moment = (seconds) => new Date(seconds * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
