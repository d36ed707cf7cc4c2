// Trials: what was tried and how it went, line by line. data-trial="POST /api/..." on a form with an .outcome.

import { api } from "./api.js";
import { busy } from "./forms.js";
import { make, note } from "./dom.js";

export function outcome(answer) {
  return note(
    answer.ok ? "ok" : "error",
    make("strong", {}, answer.ok ? "It works." : "It does not work yet."),
    make("ul", {}, (answer.lines ?? []).map((line) => make("li", {}, `${line.ok ? "✓" : "✗"} ${line.text}`))),
  );
}

export function start() {
  for (const form of document.querySelectorAll("[data-trial]")) {
    const [method, path] = form.dataset.trial.split(" ");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      busy(form, async () => form.querySelector(".outcome").replaceChildren(outcome(await api(method, path, {}))));
    });
  }
}
