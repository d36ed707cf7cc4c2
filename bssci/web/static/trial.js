// Trials: the steps and their results, line by line. data-trial="POST /api/..." on a form with an .outcome.

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

const SIGNS = { done: "✓", failed: "✗", "not set": "–" };

// Channels for alarms: those that are not set up are shown neither as good nor as bad.
function told(ways) {
  const done = ways.filter((way) => way.state === "done").length;
  const failed = ways.filter((way) => way.state === "failed").length;
  return note(
    failed ? "error" : done ? "ok" : "warning",
    make("strong", {}, failed ? `${failed} of ${done + failed} channels failed.` : done ? "Every channel that is set up took it." : "No channel is set up: nobody is told of alarms."),
    make("ul", {}, ways.map((way) => make("li", {}, `${SIGNS[way.state]} ${way.name}: ${way.text}`))),
  );
}

export function start() {
  for (const form of document.querySelectorAll("[data-trial]")) {
    const [method, path] = form.dataset.trial.split(" ");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      busy(form, async () => {
        const answer = await api(method, path, {});
        form.querySelector(".outcome").replaceChildren(answer.ways ? told(answer.ways) : outcome(answer));
      });
    });
  }
}
