// Machines as files: saved by the browser, and made of a file that was.

import { isUp } from "./actions.js";
import { fill, h } from "./dom.js";
import { bring, exportAddress, Failure } from "./gateway.js";
import { button, complain, note, question, staying } from "./parts.js";
import { look, machine } from "./state.js";
import { number, t } from "./text.js";

/** Names of what was left out that are told. */
const TOLD = 3;

/** Have the browser save a machine; what has become of that comes as `told`. */
export async function exportMachine(name) {
  const one = machine(name);
  const stays = [one.home && t("export.home"), one.snapshots.length > 0 && t("export.snapshots"), isUp(one) && t("export.running")].filter(Boolean);
  const text = t("ask.export.why", { name }) + (stays.length ? ` ${t("export.not", { what: stays.join(", ") })}` : "");
  if (!(await question(t("ask.export", { name }), { text, yes: t("ask.yes.export") }))) return;
  h("a", { href: exportAddress({ name }) }).click(); // the answer is a file to be saved, or none
  note(t("done.export.begins", { name }));
}

/** What the gateway says of an export once it is over. */
export function told({ exported, failed }) {
  if (failed) complain(new Failure(failed));
  if (!exported) return;
  const { name, left_out: left, without } = exported;
  const names = without.slice(0, TOLD).join("; ") + (left > TOLD ? ` ${t("diff.more", { n: number(left - TOLD) })}` : "");
  note(left ? `${t("done.exported", { name })}. ${t("export.left", { names })}` : t("done.exported", { name }), left ? { seconds: 20 } : {});
}

const ours = (event) => event.preventDefault(); // a page that is left breaks the upload off

/** Make a machine of a file that is chosen; `go` to it when it is there. */
export function importMachine(go) {
  const chosen = h("input", { type: "file", accept: ".zst,application/zstd", hidden: true, oncancel: () => chosen.remove(), onchange: () => (chosen.remove(), chosen.files[0] && make(chosen.files[0], go)) });
  document.body.append(chosen);
  chosen.click();
}

async function make(file, go) {
  const field = { name: "name", label: t("ask.import.name"), pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?" };
  const answers = await question(t("ask.import", { file: file.name }), { text: t("ask.import.why"), fields: [field], yes: t("ask.yes.import") });
  if (!answers) return;
  const from = location.pathname;
  const off = new AbortController();
  const words = h("span", {}, t("import.sending", { file: file.name }));
  const progress = h("progress", { max: 1, value: 0, "aria-label": t("import.sending", { file: file.name }) });
  const gone = staying(words, progress, button(t("ask.cancel"), { kind: "quiet", onclick: () => off.abort() }));
  addEventListener("beforeunload", ours);
  try {
    const { machine: made, notes } = await bring(answers, file, (part) => {
      progress.value = part;
      if (part < 1) return;
      progress.removeAttribute("value");
      fill(words, t("import.unpacking", { file: file.name }));
    }, off.signal);
    note([t("done.imported", { name: made.name }), ...notes].join(". "), { seconds: notes.length ? 20 : 8 });
    look();
    if (location.pathname === from) go(`/m/${encodeURIComponent(made.name)}`);
  } catch (error) {
    if (off.signal.aborted) note(t("done.import.off"));
    else complain(error);
  } finally {
    removeEventListener("beforeunload", ours);
    gone();
  }
}
