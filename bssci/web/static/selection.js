// Selects rows of the table of sensors, on one page or all that match, and runs an action on all selected ones.

import { api } from "./api.js";
import { confirmed } from "./dialog.js";
import { number, toast, wordsOf } from "./dom.js";
import { busy, tell, valuesOf } from "./forms.js";
import { refresh } from "./refresh.js";

const chosen = new Set();
let whole = null; // the list of which every sensor is selected
const $ = (selector) => document.querySelector(selector);
const boxes = () => [...document.querySelectorAll("[data-selectable] tbody .pick input")];
const many = (count) => (count === 1 ? "1 sensor" : `${number(count)} sensors`);

const TEXTS = {
  attach: (count) => [`Attach ${count} at every base station?`, "Attach"],
  detach: (count) => [`Detach ${count} at every base station? They stay configured.`, "Detach"],
  delete: (count) => [`Delete ${count}? They are detached everywhere, and their configuration is deleted.`, "Delete"],
};

// How many of the selected sensors the page does not show: another page, another filter, or deleted meanwhile.
const hidden = () => chosen.size - boxes().filter((box) => box.checked).length;
const warning = () => (hidden() ? ` ${number(hidden())} of them ${hidden() === 1 ? "is" : "are"} not on this page.` : "");

function show() {
  for (const box of boxes()) box.checked = chosen.has(box.value);
  const all = $("[data-select-all]");
  const isWhole = boxes().length > 0 && boxes().every((box) => box.checked);
  if (all) {
    all.checked = isWhole;
    all.indeterminate = !isWhole && boxes().some((box) => box.checked);
  }
  $("[data-selected-count]").textContent = number(chosen.size);
  $("[data-selected-elsewhere]").textContent = hidden() ? `, ${number(hidden())} of them not on this page` : "";
  $("[data-selection]").hidden = !chosen.size;
  const { matching, list } = $("[data-selectable]")?.dataset ?? {};
  const more = $("[data-select-matching]");
  more.hidden = !isWhole || Number(matching) <= boxes().length || list === whole;
  more.textContent = `Select all ${number(Number(matching))}`;
}

async function selectMatching(button) {
  button.setAttribute("aria-busy", "true");
  try {
    const { list } = $("[data-selectable]").dataset;
    for (const { eui } of await api("GET", list)) chosen.add(eui);
    whole = list;
  } catch (error) {
    toast("error", ...wordsOf(error));
  } finally {
    button.removeAttribute("aria-busy");
  }
  show();
  if (button.hidden) $("[data-bulk]").focus();
}

function clear() {
  chosen.clear();
  whole = null;
}

// Nothing was done: some of the selected sensors are not there any more.
function forget(gone) {
  for (const eui of gone) chosen.delete(eui);
  toast("error", `Nothing was changed: ${many(gone.length)} of the selection ${gone.length === 1 ? "has" : "have"} been deleted meanwhile. Press the button again for the others.`);
}

async function run(button) {
  const what = button.dataset.bulk;
  const [question, action] = TEXTS[what](many(chosen.size));
  if (!(await confirmed(question + warning(), { action, danger: what === "delete" }))) return;
  button.setAttribute("aria-busy", "true");
  try {
    tell(await api("POST", "/api/sensors/bulk", { action: what, sensors: [...chosen] }), action);
    clear();
  } catch (error) {
    if (error.answer?.unknown) forget(error.answer.unknown);
    else toast("error", ...wordsOf(error));
  } finally {
    button.removeAttribute("aria-busy");
  }
  await refresh();
  show();
}

// Changes the same fields of all selected sensors, after a trial that says how many would differ.
async function edit(dialog, form) {
  const { no_interval: isRemoved, ...values } = valuesOf(form);
  if (isRemoved && values.interval !== undefined) throw Object.assign(new Error("Enter an interval or remove it, not both."), { field: "interval" });
  const changes = { ...values, ...(isRemoved && { interval: null }) };
  if (!Object.values(changes).some((value) => value !== undefined)) throw new Error("Enter what is to change.");
  const body = { sensors: [...chosen], ...changes };
  try {
    const { changed, sensors } = await api("PATCH", "/api/sensors?dry_run=1", body);
    if (!changed) throw new Error("Nothing would change: it is so already.");
    const others = sensors > changed ? ` Of the others it is so already.` : "";
    if (!(await confirmed(`Change ${many(changed)}?${others}${warning()}`, { action: "Change" }))) return;
    toast("ok", `${many((await api("PATCH", "/api/sensors", body)).changed)} changed.`);
    form.reset();
    clear();
  } catch (error) {
    if (!error.answer?.unknown) throw error;
    forget(error.answer.unknown);
  }
  dialog.close();
  await refresh();
  show();
}

function startEditing() {
  const dialog = $("[data-edit-selection]");
  const form = dialog.querySelector("form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, () => edit(dialog, form));
  });
  $("[data-edit-cancel]").addEventListener("click", () => dialog.close());
  $("[data-edit-selected]").addEventListener("click", () => {
    $("[data-edit-count]").textContent = many(chosen.size);
    dialog.showModal();
    form.elements.add_tags.focus();
  });
}

export function start() {
  startEditing();
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const box of boxes()) event.target.checked ? chosen.add(box.value) : chosen.delete(box.value);
    } else if (event.target.matches("[data-selectable] tbody .pick input")) {
      event.target.checked ? chosen.add(event.target.value) : chosen.delete(event.target.value);
    } else return;
    if (!event.target.checked) whole = null;
    show();
  });
  document.addEventListener("click", (event) => {
    const bulk = event.target.closest("[data-bulk]");
    const matching = event.target.closest("[data-select-matching]");
    if (bulk) run(bulk);
    else if (matching) selectMatching(matching);
    else if (event.target.closest("[data-select-none]")) {
      clear();
      show();
    }
  });
  document.addEventListener("refreshed", show);
  show();
}
