// Selects rows of the table of sensors, and runs an action on all selected ones.

import { api } from "./api.js";
import { confirmed } from "./dialog.js";
import { toast, wordsOf } from "./dom.js";
import { tell } from "./forms.js";
import { refresh } from "./refresh.js";

const chosen = new Set();
const boxes = () => document.querySelectorAll("[data-selectable] tbody .pick input");

const TEXTS = {
  attach: (count) => [`Attach ${count} at every base station?`, "Attach"],
  detach: (count) => [`Detach ${count} at every base station? They stay configured.`, "Detach"],
  delete: (count) => [`Delete ${count}? They are detached everywhere and removed from the configuration.`, "Delete"],
};

function show() {
  for (const box of boxes()) box.checked = chosen.has(box.value);
  const all = document.querySelector("[data-select-all]");
  const onPage = [...boxes()];
  if (all) {
    all.checked = onPage.length > 0 && onPage.every((box) => box.checked);
    all.indeterminate = !all.checked && onPage.some((box) => box.checked);
  }
  document.querySelector("[data-selected-count]").textContent = chosen.size;
  document.querySelector("[data-selection]").hidden = !chosen.size;
}

async function run(button) {
  const what = button.dataset.bulk;
  const euis = [...chosen];
  const [question, action] = TEXTS[what](euis.length === 1 ? "1 sensor" : `${euis.length} sensors`);
  if (!(await confirmed(question, { action, danger: what === "delete" }))) return;
  button.setAttribute("aria-busy", "true");
  try {
    tell(await api("POST", "/api/sensors/bulk", { action: what, sensors: euis }), action);
    chosen.clear();
  } catch (error) {
    toast("error", ...wordsOf(error));
  } finally {
    button.removeAttribute("aria-busy");
  }
  await refresh();
  show();
}

export function start() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const box of boxes()) event.target.checked ? chosen.add(box.value) : chosen.delete(box.value);
    } else if (event.target.matches("[data-selectable] tbody .pick input")) {
      event.target.checked ? chosen.add(event.target.value) : chosen.delete(event.target.value);
    } else return;
    show();
  });
  document.addEventListener("click", (event) => {
    const bulk = event.target.closest("[data-bulk]");
    if (bulk) run(bulk);
    else if (event.target.closest("[data-select-none]")) {
      chosen.clear();
      show();
    }
  });
  document.addEventListener("refreshed", show);
  show();
}
