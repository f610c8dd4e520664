// Logging in: name and password, and whatever else PAM asks for.

import { fill, h } from "./dom.js";
import { get, post } from "./gateway.js";
import { t } from "./text.js";

/** Show it in `place`; `done()` once one is in. */
export function login(place, done, said = "") {
  const problem = h("p", { class: "problem", role: "alert" }, said);
  const form = h("form", { class: "card login" });
  const host = h("p", { class: "quiet" }, t("login.hint"));
  get("/api/host").then((found) => host.replaceChildren(t("login.host", { host: found.host }))).catch(() => {});
  fill(place, h("main", { id: "content", class: "center", tabindex: "-1" }, form));
  document.title = `${t("login.title")} – gaoler`;

  function head() {
    return h("div", { class: "brand-big" }, h("span", { class: "mark", "aria-hidden": "true" }), h("h1", {}, t("login.title")), host);
  }

  function first(message = "") {
    problem.textContent = message || said;
    said = "";
    const user = h("input", { name: "user", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, maxlength: 300 });
    const password = h("input", { name: "password", type: "password", autocomplete: "current-password" });
    ask([[t("login.user"), user], [t("login.password"), password]], t("login.go"), () => step(post("/api/login", { user: user.value, password: password.value || null })));
    user.focus();
  }

  /** Fields with a button; `send` is what the button does. */
  function ask(fields, label, send) {
    const go = h("button", { class: "button primary wide" }, h("span", {}, label));
    fill(form, head(), fields.map(([text, input]) => h("label", {}, text, input)), problem, go);
    form.onsubmit = async (event) => {
      event.preventDefault();
      problem.textContent = "";
      go.disabled = true;
      go.replaceChildren(t("login.asking"));
      await send();
    };
    fields[0]?.[1].focus();
  }

  async function step(request) {
    let told;
    try {
      told = await request;
    } catch (error) {
      return first(error.message);
    }
    const words = (told.said ?? []).map((prompt) => prompt.text).join(" ");
    if (told.wait) return first(t("login.wait", { seconds: told.wait }));
    if (told.refused !== undefined) return first(told.refused || words || t(told.late ? "login.late" : "login.wrong"));
    if (told.user) return done();
    const inputs = told.ask.map((prompt) => [prompt.text.trim() || t("login.answer"), h("input", { type: prompt.kind === "secret" ? "password" : "text", autocomplete: prompt.kind === "secret" ? "off" : "one-time-code", autocapitalize: "none", spellcheck: "false" })]);
    ask(inputs, t("login.on"), () => step(post(`/api/login/${told.login}`, { answers: inputs.map(([, input]) => input.value) })));
    problem.textContent = words;
  }

  first();
}
