// The page of a decoder: its text is edited and saved, and tried on a payload, which shows the bits of each field.

import { api } from "./api.js";
import { busy, keeperOf, numberIn } from "./forms.js";
import { leave, make } from "./dom.js";
import { moment } from "./time.js";

const $ = (selector) => document.querySelector(selector);
const COLOURS = 6;

const kindOf = (file) => (file.endsWith(".js") ? "js" : file.endsWith(".json") ? "json" : undefined);

function shown(reading) {
  if (!reading) return "";
  const value = typeof reading.value === "boolean" ? (reading.value ? "yes" : "no") : String(reading.value);
  return reading.unit ? `${value}\u202f${reading.unit}` : value;
}

// The payload byte by byte, each bit in the colour of its field.
function bytesOf(hex, fields) {
  const owner = [];
  fields.forEach((field, number) => {
    for (let bit = 0; field.first_bit !== null && bit < field.bits; bit += 1) owner[field.first_bit + bit] = number;
  });
  const pairs = hex.match(/../g) ?? [];
  return make(
    "div", { class: "bits", "aria-hidden": "true" },
    pairs.slice(0, 256).map((pair, at) => make("div", {}, make("b", {}, pair.toUpperCase()),
      make("span", {}, [...Array(8).keys()].map((bit) => {
        const field = owner[at * 8 + bit];
        return make("i", field === undefined ? {} : { class: `s${field % COLOURS}`, title: fields[field].name });
      })))),
  );
}

// Where decoding failed there is no value, and nothing is known about the bytes after it.
function fieldRow(field, number, wasRead) {
  const last = field.first_bit + field.bits - 1;
  const bits = field.first_bit === null ? "computed" : field.bits === 1 ? String(last) : `${field.first_bit} to ${last}`;
  return make("tr", {},
    make("td", { class: "title" }, make("i", { class: `swatch s${number % COLOURS}` }), field.name),
    make("td", { "data-label": "Bits" }, !field.absent ? bits : wasRead ? "not in this payload" : "not reached"),
    make("td", { "data-label": "Raw", class: "mono" }, field.raw ?? ""),
    make("td", { "data-label": "Value" }, field.absent ? "" : field.reading ? `${field.reading.name} = ${shown(field.reading)}` : wasRead ? "hidden" : "–"));
}

function table(heads, rows) {
  return make("div", { class: "table", tabindex: "0", role: "group", "aria-label": "What was read" },
    make("table", { class: "cards" }, make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, rows)));
}

function show(answer, hex) {
  const box = $("[data-outcome]");
  const fields = answer.fields ?? [];
  box.hidden = false;
  const parts = [];
  if (fields.length) parts.push(bytesOf(hex, fields), table(["Field", "Bits", "Raw", "Value"], fields.map((field, number) => fieldRow(field, number, answer.success))));
  else if (answer.readings?.length) {
    parts.push(table(["Name", "Value"], answer.readings.map((each) => make("tr", {}, make("td", { class: "title" }, each.name), make("td", { "data-label": "Value" }, shown(each))))));
  } else if (answer.success) parts.push(make("p", { class: "muted" }, "It was read, and holds no values."));
  for (const warning of answer.warnings ?? []) parts.push(make("p", { class: "muted" }, `Warning: ${warning}`));
  box.replaceChildren(...parts);
}

async function attempt(form) {
  const place = $("[data-decoder]");
  const source = $("#decoder-source");
  const hex = form.elements.payload.value.replace(/[\s:-]|0x/gi, "");
  const body = { payload: hex, format: form.elements.format.value.trim() ? numberIn(form.elements.format) : 0 };
  const sensor = form.elements.sensor?.value;
  if (sensor) body.sensor = sensor;
  if (source) Object.assign(body, { source: source.value, kind: kindOf(place.dataset.file) ?? place.dataset.kind });
  else body.name = place.dataset.decoder;
  $("[data-outcome]").hidden = true;
  try {
    show(await api("POST", "/api/decoders/try", body), hex);
  } catch (error) {
    if (error.answer?.fields) show(error.answer, hex);
    throw error.field === "payload" || error.field === "source" ? Object.assign(new Error(error.message), { field: null }) : error;
  }
}

async function offer(form) {
  const kept = $("[data-kept]");
  const sensor = form.elements.sensor.value;
  kept.disabled = !sensor;
  kept.replaceChildren(make("option", { value: "" }, sensor ? "choose an uplink" : "choose a sensor first"));
  if (!sensor) return;
  const { uplinks } = await api("GET", `/api/sensors/${sensor}/uplinks?limit=50`);
  if (!uplinks.length) kept.firstElementChild.textContent = "nothing is kept";
  kept.append(...uplinks.map((up) => make("option", { value: up.dataHex, "data-of": String(up.format) }, `${moment(new Date(up.timestamp * 1000))}: ${up.dataHex.toUpperCase().slice(0, 40)}`)));
}

async function save(form, keep) {
  const place = $("[data-decoder]");
  const name = form.elements.name.value.trim();
  if (!name) throw Object.assign(new Error("Name is missing."), { field: "name" });
  const onlyNew = form.elements.name.readOnly ? "" : "?only_new=1";
  if (!onlyNew) await keep();
  const answer = await api("PUT", `/api/decoders/${encodeURIComponent(name)}${onlyNew}`, {
    source: form.elements.source.value, kind: kindOf(place.dataset.file) ?? place.dataset.kind,
  });
  const wrong = answer.examples.filter((each) => !each.passed).length;
  const told = answer.examples.length ? `, ${answer.examples.length - wrong} of ${answer.examples.length} examples are right` : "";
  leave(`/decoders/${encodeURIComponent(name)}`, wrong ? "warning" : "ok", `Saved as version ${answer.version}${told}.`);
}

async function read(input) {
  const [file] = input.files;
  if (!file) return;
  $("#decoder-source").value = await file.text();
  $("[data-decoder]").dataset.kind = kindOf(file.name.toLowerCase()) ?? "";
  const name = $("[data-editor]").elements.name;
  if (!name.readOnly) name.value = file.name.replace(/\.[^.]*$/, "");
}

export function start() {
  const trial = $("[data-try]");
  trial?.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(trial, () => attempt(trial));
  });
  trial?.elements.sensor?.addEventListener("change", () => busy(trial, () => offer(trial)));
  if (trial?.elements.sensor?.value) offer(trial);
  // A link to the bits of a payload shows them at once.
  if (trial && new URLSearchParams(location.search).get("payload")) busy(trial, () => attempt(trial));
  $("[data-kept]")?.addEventListener("change", ({ target }) => {
    const chosen = target.selectedOptions[0];
    if (!target.value) return;
    trial.elements.payload.value = target.value;
    trial.elements.format.value = chosen.dataset.of;
    busy(trial, () => attempt(trial));
  });
  const editor = $("[data-editor]");
  const keep = editor && keeperOf(editor, "[data-editor]");
  editor?.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(editor, () => save(editor, keep));
  });
  $("[data-decoder-file]")?.addEventListener("change", ({ target }) => read(target));
}
