// Forms that send their fields to the API. In the markup:
//   data-api="POST /api/..."      where the fields go, as JSON; a field whose {name} is in the path goes there
//   data-confirm, data-type-to-confirm   question that is asked first
//   data-then="reload" or a path with {field}, data-done="text"   what happens after success
//   data-changes                  only fields with another value than the page gave them are sent: what others changed meanwhile stays,
//                                 and where both changed the same field, nothing is sent until it is confirmed
// and on fields data-type (bool, number, list, hex, json, raw, moment), data-least and data-most of a number, data-optional, data-format (eui, hex32, hex4),
// data-empty="null" (sent where nothing is entered), data-in="name" (a part of that object, named {name}.part),
// data-with="name" (needed where that field is entered).

import { api } from "./api.js";
import { confirmed } from "./dialog.js";
import { leave, make, note, number, toast, wordsOf } from "./dom.js";
import { load, refresh } from "./refresh.js";

const FORMATS = {
  eui: [/^[0-9a-f]{16}$/i, "must be 16 hexadecimal digits"],
  hex32: [/^[0-9a-f]{32}$/i, "must be 32 hexadecimal digits"],
  hex4: [/^[0-9a-f]{4}$/i, "must be 4 hexadecimal digits"],
};

class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

class FieldErrors extends Error {
  constructor(each) {
    super(each[0].message);
    this.each = each;
  }
}

function labelOf(input) {
  return input.labels?.[0]?.textContent ?? input.getAttribute("aria-label") ?? input.name;
}

// The number in a field of text: a field of type number leaves out the comma of 1,5 in an English browser, and takes it for 15.
export function numberIn(input) {
  const text = input.value.trim();
  const { least, most } = input.dataset;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(text)) {
    const meant = /^[+-]?\d+,\d+$/.test(text) ? `with a point instead of the comma: ${text.replace(",", ".")}` : "such as 48.1";
    throw new FieldError(input.name, `${labelOf(input)} must be a number, ${meant}.`);
  }
  const value = Number(text);
  const allowed = most === undefined ? `at least ${least}` : `from ${least} to ${most}`;
  if (value < Number(least) || value > Number(most)) throw new FieldError(input.name, `${labelOf(input)} must be ${allowed}.`);
  return value;
}

function valueOf(input) {
  const { type, format, optional, keepEmpty, empty } = input.dataset;
  if (type === "bool") return input.checked;
  // What a field of times cannot read it gives as empty.
  if (input.validity.badInput) throw new FieldError(input.name, `${labelOf(input)} must be a complete date and time.`);
  const text = type === "raw" ? input.value : input.value.trim();
  if (!text && input.required) throw new FieldError(input.name, `${labelOf(input)} is missing.`);
  if (!text && optional !== undefined) return undefined;
  if (!text && empty === "null") return null;
  if (type === "json") {
    try {
      return JSON.parse(text);
    } catch {
      throw new FieldError(input.name, `${labelOf(input)} must be JSON.`);
    }
  }
  if (type === "number") return numberIn(input);
  if (type === "moment") {
    // The value of a datetime-local field, which is in the browser's time zone.
    const value = new Date(text).getTime() / 1000;
    if (Number.isNaN(value)) throw new FieldError(input.name, `${labelOf(input)} must be a complete date and time.`);
    return value;
  }
  if (type === "list") {
    // Unchanged: the field is left out, so the value is kept, including commas in it.
    if (text && text === input.defaultValue.trim()) return undefined;
    const values = listIn(input);
    return values.length || keepEmpty === undefined ? values : undefined;
  }
  if (type === "hex") {
    const digits = text.replace(/[\s:-]|0x/gi, "");
    if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new FieldError(input.name, `${labelOf(input)} must be hexadecimal, two digits a byte.`);
    return digits;
  }
  if (format) {
    const digits = text.replace(/[\s:-]/g, "");
    const [pattern, rule] = FORMATS[format];
    if (!pattern.test(digits)) {
      const length = /^[0-9a-f]+$/i.test(digits) ? `, not ${digits.length}` : "";
      throw new FieldError(input.name, `${labelOf(input)} ${rule}${length}.`);
    }
    return digits.toUpperCase();
  }
  if (input.minLength > 0 && text.length < input.minLength) {
    throw new FieldError(input.name, `${labelOf(input)} needs at least ${input.minLength} characters.`);
  }
  return text;
}

// Texts with commas between them; one that has a comma is in quotation marks, those within it doubled.
function listIn(input) {
  const item = /\s*(?:"((?:[^"]|"")*)"|((?!")[^,]*?))\s*(?:,|$)/y;
  const found = [];
  while (item.lastIndex < input.value.length) {
    const match = item.exec(input.value);
    if (!match) throw new FieldError(input.name, `${labelOf(input)} need a comma after each quotation mark that closes.`);
    const text = match[1]?.replaceAll('""', '"') ?? match[2];
    if (text || match[1] !== undefined) found.push(text);
  }
  return found;
}

function isChanged(input) {
  if (input.type === "checkbox") return input.checked !== input.defaultChecked;
  if (input.type === "hidden" || input.readOnly) return true;
  if (!(input instanceof HTMLSelectElement)) return input.value !== input.defaultValue;
  return !givenOption(input)?.selected;
}

// The parts of an object; null if none is entered. The object is left out, and so kept, if no part was changed.
function partsOf(form, name) {
  const inputs = [...form.elements].filter((input) => input.dataset.in === name);
  if (!inputs.some(isChanged)) return undefined;
  const isFilled = (input) => Boolean(input.value.trim());
  const filled = inputs.filter(isFilled);
  const partner = (input) => input.dataset.with && form.elements.namedItem(input.dataset.with);
  const lacking = inputs.find((input) => !isFilled(input) && partner(input) && isFilled(partner(input)));
  if (lacking) throw new FieldError(lacking.name, `${labelOf(lacking)} is missing: enter it too, or clear ${labelOf(partner(lacking))}.`);
  return filled.length ? Object.fromEntries(filled.map((input) => [input.name.slice(name.length + 1), valueOf(input)])) : null;
}

// The value that the page gave to a field, and how people read it.
function given(input) {
  if (input.type === "checkbox") return input.defaultChecked;
  if (input instanceof HTMLSelectElement) return givenOption(input)?.value;
  return input.defaultValue;
}

const givenOption = (select) => [...select.options].find((each) => each.defaultSelected) ?? select.options[0];
const inWords = (input) => (input instanceof HTMLSelectElement ? givenOption(input)?.textContent.trim() : input.defaultValue) || "nothing";

// This page as it is stored now; nothing if it is out of reach: the answer to the change itself says what is the matter.
async function storedPage(isSaved = false) {
  return load(location.href).catch((error) => {
    if (error.status === 404 && !isSaved) throw new Error("This has been deleted or forgotten meanwhile. What you have entered stays here.");
  });
}

// Of a form that is stored as a whole: makes a function that refuses, once each time, to replace what somebody else has stored since.
export function keeperOf(form, selector) {
  let known = form.outerHTML;
  return async () => {
    const stored = (await storedPage())?.querySelector(selector)?.outerHTML;
    if (!stored || stored === known) return;
    known = stored;
    throw new Error("Somebody has changed this since you opened it. Save again to replace that, or open this page in another tab to compare.");
  };
}

// Takes over from the stored state what others have changed meanwhile. A field that was changed here, too, keeps its value and is named:
// sending the form once more replaces what the other has entered. `isSaved`: all that was entered here is stored, in the service's spelling.
async function mergeStored(form, isSaved = false) {
  const page = await storedPage(isSaved);
  const stored = [...(page?.querySelectorAll("form[data-changes]") ?? [])].find((each) => each.dataset.api === form.dataset.api);
  if (!stored) return;
  const wrong = [];
  for (const input of form.elements) {
    const now = input.name && input.type !== "hidden" && !input.readOnly && stored.elements.namedItem(input.name);
    if (!now || now.nodeName !== input.nodeName || (!isSaved && given(now) === given(input))) continue;
    const isOwn = !isSaved && isChanged(input) && input.value !== now.value && input.type !== "checkbox";
    const entered = input.value;
    if (input.type === "checkbox") input.defaultChecked = now.defaultChecked;
    else if (input instanceof HTMLSelectElement) input.replaceChildren(...now.cloneNode(true).childNodes);
    else input.defaultValue = now.defaultValue;
    if (isOwn) {
      input.value = entered;
      wrong.push(new FieldError(input.name, `Somebody changed this meanwhile to: ${inWords(now)}. Press the button again to replace it.`));
    } else if (input.type === "checkbox") input.checked = now.defaultChecked;
    else input.value = now.value;
  }
  if (wrong.length) throw new FieldErrors(wrong);
}

export function valuesOf(form) {
  const values = {};
  const wrong = [];
  const seen = new Set();
  for (const input of form.elements) {
    if (!input.name || input.disabled || "skip" in input.dataset || seen.has(input.dataset.in)) continue;
    if (input.dataset.in) seen.add(input.dataset.in);
    else if (form.dataset.changes !== undefined && !isChanged(input)) continue;
    try {
      const name = input.dataset.in ?? input.name;
      const value = input.dataset.in ? partsOf(form, name) : valueOf(input);
      if (value !== undefined) values[name] = value;
    } catch (error) {
      wrong.push(error);
    }
  }
  if (wrong.length) throw new FieldErrors(wrong);
  return values;
}

export function clearErrors(form) {
  form.querySelector(".outcome")?.replaceChildren();
  for (const input of form.querySelectorAll("[aria-invalid]")) clearError(input);
}

function clearError(input) {
  const own = document.getElementById(`error-${input.id}`);
  if (!own) return;
  input.removeAttribute("aria-invalid");
  input.setAttribute("aria-describedby", (input.getAttribute("aria-describedby") ?? "").replace(own.id, "").trim());
  own.remove();
}

// The service calls a field by its name, and people by its label.
function withLabel(input, message) {
  return message.startsWith(`${input.name} `) ? labelOf(input) + message.slice(input.name.length) : message;
}

// The field that an error is about, with the error beside it; nothing if there is none.
function marked(form, error) {
  const field = CSS.escape(error.field ?? "");
  const input = field && (form.elements.namedItem(error.field) ?? form.querySelector(`[data-in="${field}"]`));
  if (!(input instanceof HTMLElement) || input.type === "hidden") return null;
  const id = `error-${input.id}`;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", `${input.getAttribute("aria-describedby") ?? ""} ${id}`.trim());
  input.closest(".field, .check")?.append(make("span", { class: "field-error", id }, withLabel(input, error.message)));
  return input;
}

export function showError(form, error) {
  const [first] = (error.each ?? [error]).map((each) => marked(form, each)).filter(Boolean);
  if (first) {
    first.focus();
    return;
  }
  const outcome = form.querySelector(".outcome");
  if (outcome) outcome.replaceChildren(note("error", ...wordsOf(error)));
  else toast("error", ...wordsOf(error));
}

export async function busy(form, work) {
  const button = form.querySelector("[type=submit]");
  if (button?.getAttribute("aria-busy") === "true") return;
  button?.setAttribute("aria-busy", "true");
  clearErrors(form);
  try {
    await work();
  } catch (error) {
    showError(form, error);
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

// Shows the answers of the stations, in one sentence.
export function tell(answer, done) {
  toast(kindOf(answer), told(answer, done));
}

const kindOf = (answer) => (answer.partially_failed ? "warning" : "ok");

function told(answer, done) {
  const states = Object.values(answer.base_stations ?? {}).map((it) => it.state);
  const counts = answer.outcomes ?? {};
  const count = (state) => counts[state] ?? states.filter((each) => each === state).length;
  const all = Object.values(counts).reduce((sum, each) => sum + each, 0) || states.length;
  if (!all) return answer.message ? `${done}: ${answer.message}.` : `${done}.`;
  const noun = !states.length || answer.sensors > 1 ? "" : all === 1 ? " base station" : " base stations";
  const parts = [`${number(count("done"))} of ${number(all)}${noun} done`];
  if (count("failed")) parts.push(`${number(count("failed"))} refused`);
  if (count("away")) parts.push(`${number(count("away"))} away, told when back`);
  if (count("unanswered")) parts.push(`${number(count("unanswered"))} not answered yet`);
  const stations = Object.keys(answer.base_stations ?? {}).length;
  const where = answer.sensors > 1 ? `${number(answer.sensors)} sensors at ${stations === 1 ? "1 base station" : `${number(stations)} base stations`}, ` : "";
  return `${done}: ${where}${parts.join(", ")}.`;
}

async function submit(form) {
  const [method, path] = form.dataset.api.split(" ");
  const { confirm, typeToConfirm, done, then } = form.dataset;
  const button = form.querySelector("[type=submit]");
  if (form.dataset.changes !== undefined) await mergeStored(form);
  const values = valuesOf(form);
  if (confirm) {
    const action = button.textContent.trim().replace("…", "");
    const danger = method === "DELETE" || button.classList.contains("danger");
    if (!(await confirmed(confirm, { action, danger, type: typeToConfirm }))) return;
  }
  const sent = { ...values };
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    delete sent[name];
    return encodeURIComponent(values[name]);
  });
  const answer = await api(method, filled, method === "DELETE" ? undefined : sent).catch((error) => {
    // The page shows what is not there any more, or not what the stations did.
    if (error.code === "failed" || error.status === 404) refresh();
    throw error;
  });
  if (answer.csrf) document.querySelector("meta[name=csrf]").content = answer.csrf;
  if ("showToken" in form.dataset) showToken(form, answer.token);
  if ("reset" in form.dataset) form.reset();
  if (then) {
    const path = then.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));
    leave(path === "reload" ? null : path, kindOf(answer), told(answer, done));
  } else {
    if (done) tell(answer, done);
    if (form.dataset.changes !== undefined) await mergeStored(form, true);
    refresh();
  }
}

function showToken(form, token) {
  form.querySelector(".outcome").replaceChildren(
    note("ok", make("p", {}, make("strong", {}, "Copy it now: it is shown only once.")), make("p", { class: "mono break" }, token),
      make("button", { type: "button", class: "small-button", "data-copy": token }, "Copy")),
  );
}

export function startForms() {
  // What is corrected is not called wrong any longer, even while another field keeps the form from being sent.
  document.addEventListener("input", ({ target }) => clearError(target));
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-api]");
    if (!form) return;
    event.preventDefault();
    busy(form, () => submit(form));
  });
}
