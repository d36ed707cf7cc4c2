// The page Configuration: changes are counted, shown before they are saved, and errors are shown at each field.

import { api } from "./api.js";
import { confirmed } from "./dialog.js";
import { isLeaving, leave, make, note, toast, wordsOf } from "./dom.js";
import { load } from "./refresh.js";
import { outcome } from "./trial.js";

const WAIT = 400; // ms after the last key until the input is checked

let timer = 0;
let round = 0;
const form = document.querySelector("[data-config-form]");
const fields = () => [...form.elements].filter((it) => it.name && !it.disabled);
// An empty field leaves a secret as it is, unless it is to be removed, or a password's user name is: both belong together.
const userOf = (field) => field.name.endsWith("PASSWORD") && form.elements.namedItem(field.name.replace(/PASSWORD$/, "USERNAME"));
const isRemoved = (field) => field.closest(".setting").querySelector("[data-remove]")?.checked;
const goes = (field) => "set" in field.dataset && !field.value && (isRemoved(field) || (userOf(field) && !userOf(field).value));
const differs = (field) => goes(field) || (field.value !== (field.dataset.initial ?? "") && !(field.type !== "password" && sameBool(field)));
const sameBool = (field) => field.tagName === "SELECT" && field.value.toLowerCase() === field.dataset.initial.toLowerCase();
const changed = () => fields().filter(differs);
const valuesOf = (list) => Object.fromEntries(list.map((field) => [field.name, field.value]));

function mark() {
  const list = changed();
  for (const field of fields()) field.closest(".setting").classList.toggle("changed", differs(field));
  const bar = document.querySelector("[data-savebar]");
  if (!bar) return;
  bar.hidden = !list.length;
  bar.querySelector("[data-change-count]").textContent = list.length === 1 ? "1 setting changed" : `${list.length} settings changed`;
}

function mayNotSave() {
  const button = form.querySelector("[data-savebar] [type=submit]");
  if (button) button.disabled = Boolean(form.querySelector("[aria-invalid]"));
}

function refuse(field, text) {
  document.getElementById(`e-${field.name}`).textContent = text;
  field.setAttribute("aria-invalid", "true");
  mayNotSave();
}

// Each answer names one invalid setting; the next request leaves it out, to find the others.
async function check(typed) {
  const mine = ++round;
  const wrong = new Map();
  let list = changed();
  while (list.length) {
    try {
      await api("POST", "/api/config?dry_run=1", valuesOf(list));
      break;
    } catch (error) {
      if (error.status !== 422 || mine !== round) return;
      const field = list.find((it) => it.name === error.field) ?? (list.includes(typed) ? typed : list[0]);
      // An error that only follows from a setting that is refused already is not shown.
      const words = error.message.split(/\W+/);
      if (![...wrong.keys()].some((it) => words.includes(it.name))) wrong.set(field, error.message);
      list = list.filter((it) => it !== field);
    }
  }
  if (mine !== round) return;
  forget();
  for (const [field, text] of wrong) refuse(field, text);
}

function settle() {
  clearTimeout(timer);
  round += 1;
}

function typed(event) {
  mark();
  settle();
  timer = setTimeout(check, WAIT, event.target);
}

function showError(error) {
  const field = error.field && form.elements.namedItem(error.field);
  if (!field) {
    toast("error", ...wordsOf(error));
    return;
  }
  refuse(field, error.message);
  field.focus();
}

function forget() {
  for (const field of fields()) {
    field.removeAttribute("aria-invalid");
    document.getElementById(`e-${field.name}`).textContent = "";
  }
  mayNotSave();
}

function difference(list) {
  const masked = (isSet) => (isSet ? "••••••••" : "(not set)");
  const before = (field) => (field.type === "password" ? masked("set" in field.dataset) : field.dataset.initial || "(default)");
  const after = (field) => (field.type === "password" ? masked(field.value) : field.value || "(default)");
  return make("dl", { class: "pairs diff" }, list.map((field) => make("div", {},
    make("dt", {}, make("code", {}, field.name)),
    make("dd", {}, make("del", {}, before(field)), " → ", make("ins", {}, after(field)),
      field.closest(".setting").querySelector("[data-restart]") ? make("span", { class: "sub" }, "after a restart") : null,
      "others" in field.dataset ? make("span", { class: "sub" }, "changed by somebody else since you opened this page") : null))));
}

// Takes over what others have saved meanwhile, so that the difference shows what is really replaced.
async function mergeStored(list) {
  const page = await load(location.href).catch(() => null);
  const stored = page?.querySelector("[data-config-form]");
  for (const field of list) {
    const now = stored?.elements.namedItem(field.name);
    if (!now || now.dataset.initial === field.dataset.initial) continue;
    field.dataset.initial = now.dataset.initial ?? "";
    field.dataset.others = "";
  }
}

async function save() {
  const list = changed();
  if (!list.length) return;
  settle();
  forget();
  try {
    await api("POST", "/api/config?dry_run=1", valuesOf(list));
    await mergeStored(list);
    if (!(await confirmed("Save these settings?", { action: "Save", content: difference(list) }))) return;
    await api("POST", "/api/config", valuesOf(list));
    leave(null, "ok", "Saved.");
  } catch (error) {
    showError(error);
  }
}

async function test(button) {
  const result = button.closest(".panel").querySelector("[data-test-result]");
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await api("POST", button.dataset.test, { settings: valuesOf(changed()) });
    result.replaceChildren(outcome(answer));
  } catch (error) {
    result.replaceChildren(note("error", ...wordsOf(error)));
  } finally {
    result.hidden = false;
    result.setAttribute("role", "status");
    button.removeAttribute("aria-busy");
  }
}

function filter(text) {
  const words = text.toLowerCase();
  for (const group of form.querySelectorAll("[data-config-group]")) {
    let any = false;
    for (const setting of group.querySelectorAll("[data-setting]")) {
      setting.hidden = !setting.textContent.toLowerCase().includes(words);
      any ||= !setting.hidden;
    }
    group.hidden = !any;
  }
  for (const link of document.querySelectorAll("[data-config-groups] a")) {
    link.hidden = document.querySelector(link.hash).closest("[data-config-group]").hidden;
  }
}

export function start() {
  form.addEventListener("input", typed);
  form.addEventListener("reset", () => setTimeout(() => { settle(); forget(); mark(); }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  document.querySelector("[data-config-filter]").addEventListener("input", (event) => filter(event.target.value));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-test]");
    if (button) test(button);
  });
  addEventListener("beforeunload", (event) => { if (changed().length && !isLeaving()) event.preventDefault(); });
  mark();
}
