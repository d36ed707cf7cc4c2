// Controllers and scanners: commands with their answers, devices at pins, and the data points of a template.

import { api } from "./api.js";
import { confirmed } from "./dialog.js";
import { busy, keeperOf, numberIn, valuesOf } from "./forms.js";
import { leave, make, note, toast } from "./dom.js";
import { refresh } from "./refresh.js";

const $ = (selector) => document.querySelector(selector);

// The answer of a controller or scanner, such as "status 1".
function said(answer) {
  const { bluetooth, status, config } = answer.report ?? {};
  if (answer.report) {
    const parts = [status, bluetooth?.status, config && `${config.blocklist_count} ${config.blocklist_count === 1 ? "entry" : "entries"} in its block list`];
    return parts.filter(Boolean).join(", ");
  }
  const state = Object.entries(answer.state ?? {}).filter(([name]) => name !== "timestamp");
  return state.map(([name, value]) => `${name} ${value}`).join(", ") || "nothing in particular";
}

async function command(form) {
  const outcome = form.querySelector(".outcome");
  const values = valuesOf(form);
  if (values.command === "update_blocklist") {
    const { add = [], remove = [] } = values.parameters ?? {};
    if (!add.length && !remove.length) throw new Error("Say what to add or to remove.");
    values.parameters = { add, remove };
  }
  outcome.replaceChildren(make("small", { class: "muted" }, "sent, waiting for the answer…"));
  const answer = await api("POST", form.dataset.command, values);
  outcome.replaceChildren(answer.answered
    ? note("ok", `Answered: ${said(answer)}.`)
    : note("warning", "Sent, but not answered within 10 s. One that was away may still do it."));
  refresh();
}

// The id of a pin or component, which people write as it is in the topic.
function placeOf(controller, connector, input) {
  const where = input.value.trim();
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(where)) {
    const fault = where ? "may have letters, digits, _ - and ., at most 64" : "is missing";
    throw Object.assign(new Error(`Pin or component ${fault}.`), { field: input.name });
  }
  return `${controller}/${connector}/${/^(?:sensor-)?([1-9]\d?)$/.exec(where)?.[1] ?? where}`;
}

const pathOf = (id) => `/api/devices/${id.split("/").map(encodeURIComponent).join("/")}`;

async function move(form) {
  const { device, controller, connector, to } = form.elements;
  const id = placeOf(controller.value, connector.value, to);
  await api("POST", `${pathOf(device.value)}/move`, { to: id });
  leave(`/controllers/${controller.value.split(":")[1]}`, "ok", `Moved to ${connector.value}.`);
}

async function place(form) {
  const { connector, component, name, model, decoder } = form.elements;
  const id = placeOf($("[data-controller]").dataset.controller, connector.value, component);
  const there = document.querySelector(`tr[data-key="${CSS.escape(id)}"]:not([data-unknown]) [data-label=Device] [title]`)?.title;
  if (there && !(await confirmed(`${there} is there already. Replace its name and template?`, { action: "Replace" }))) return;
  const values = { name: name.value.trim(), decoder: decoder.value };
  if (model.value.trim()) values.model = model.value.trim();
  await api("PATCH", pathOf(id), values);
  const called = values.name || component.value.trim();
  form.reset();
  toast("ok", `${called} sits at ${connector.value} now.`);
  refresh();
}

function pointOf(row, number) {
  const point = {};
  const wrong = (name, message) => Object.assign(new Error(`Data point ${number}: ${message}`), { row, name });
  const text = (name) => row.querySelector(`[name=${name}]`).value.trim();
  if (!text("name")) throw wrong("name", "its name is missing.");
  if (!text("offset")) throw wrong("offset", "its offset is missing.");
  for (const name of ["name", "encoding", "unit"]) if (text(name)) point[name] = text(name);
  for (const name of ["offset", "length", "decimals", "scale"]) if (text(name)) point[name] = numberIn(row.querySelector(`[name=${name}]`));
  return { ...point, ...JSON.parse(row.dataset.point) };
}

async function saveTemplate(form, keep) {
  const { template, model, modbus } = form.elements;
  const name = template.value.trim();
  if (!name) throw Object.assign(new Error("Name is missing."), { field: "template" });
  const rows = [...form.querySelectorAll("[data-points] tr")];
  if (!rows.length) throw new Error("Add a data point.");
  const document = { version: undefined, model: model.value.trim() || undefined, ...JSON.parse(form.dataset.rest) };
  delete document.version; // the version is a hash of the text, so it changes with the text
  if (modbus.checked) document.check = "modbus";
  document.dataPoints = rows.map((row, index) => pointOf(row, index + 1));
  const source = `${JSON.stringify(document, null, 2)}\n`;
  const onlyNew = template.readOnly ? "" : "?only_new=1";
  if (!onlyNew) await keep();
  const answer = await api("PUT", `/api/decoders/${encodeURIComponent(name)}${onlyNew}`, { source, kind: "json" });
  const wrong = answer.examples.filter((each) => !each.passed).length;
  const told = wrong ? ` ${wrong} of its ${answer.examples.length} examples are wrong now.` : "";
  leave(`/controllers/templates/${encodeURIComponent(name)}`, wrong ? "warning" : "ok", `Saved as version ${answer.version}.${told}`);
}

function numbered(form) {
  form.querySelectorAll("[data-points] tr").forEach((row, index) => {
    for (const each of row.querySelectorAll("[aria-label]")) {
      each.setAttribute("aria-label", each.getAttribute("aria-label").replace(/data point \S+?(?=,|$)/, `data point ${index + 1}`));
    }
  });
}

function editTemplate(form) {
  const keep = keeperOf(form, "form[data-template]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, async () => {
      try {
        await saveTemplate(form, keep);
      } catch (error) {
        error.row?.querySelector(`[name=${error.name}]`)?.focus();
        throw error;
      }
    });
  });
  const rows = form.querySelector("[data-points]");
  $("[data-add-point]").addEventListener("click", () => {
    rows.append($("[data-new-point]").content.cloneNode(true));
    numbered(form);
    rows.lastElementChild.querySelector("input").focus();
  });
  rows.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove-point]");
    if (!button) return;
    const row = button.closest("tr");
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    numbered(form);
    (next?.querySelector("input") ?? $("[data-add-point]")).focus();
  });
}

export function start() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-command], form[data-place], form[data-move]");
    if (!form) return;
    event.preventDefault();
    busy(form, () => ("move" in form.dataset ? move(form) : "place" in form.dataset ? place(form) : command(form)));
  });
  const template = $("form[data-template]");
  if (template) editTemplate(template);
}
