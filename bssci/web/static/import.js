// Importing sensors, base stations or controllers: a dry run first, with the errors of each row; then the real import of the same bytes.

import { api } from "./api.js";
import { busy } from "./forms.js";
import { leave, make, number, toast, wordsOf } from "./dom.js";

const $ = (selector) => document.querySelector(selector);
const what = () => $("[data-import]").dataset.import || "sensors";
const many = (count, thing) => `${number(count)} ${thing}${count === 1 ? "" : "s"}`;
let content = "";

function send(dryRun) {
  // The service finds out which encoding the bytes have, and whether they are CSV or JSON.
  const type = what() === "devices" ? "application/json" : "application/octet-stream";
  return api("POST", `/api/${what()}/import${dryRun ? "?dry_run=1" : ""}`, content, type);
}

function tile(label, value) {
  return make("div", { class: "tile" }, make("span", { class: "tile-label" }, label), make("span", { class: "tile-value" }, number(value ?? 0)));
}

// Controllers: invalid rows are left out, and the others are imported.
function showControllers(answer) {
  const { models, devices, empty_pins: empty, wrong, errors } = answer;
  $("[data-import-counts]").replaceChildren(
    tile("Templates", models.length), tile("Devices", devices.length), tile("Empty pins", empty), tile("Left out", wrong),
  );
  const table = $("[data-import-errors]");
  table.hidden = !errors.length;
  table.querySelector("tbody").replaceChildren(...errors.map((it) => {
    const [row, , what] = it.split(/(: )(.*)/s);
    return make("tr", {}, make("td", {}, row), make("td", {}, what ?? ""));
  }));
  $("[data-import-problem]").hidden = true;
  const changes = models.length + devices.length;
  $("[data-import-apply]").disabled = !changes;
  $("[data-import-apply]").textContent = changes ? `Import ${number(changes)}` : "Import";
  $("[data-import-note]").textContent = wrong > errors.length ? `The first ${number(errors.length)} of the rows that are left out are listed.` : "";
}

function show(answer) {
  if (what() === "devices") {
    showControllers(answer);
    return;
  }
  const errors = answer.errors ?? [];
  $("[data-import-counts]").replaceChildren(
    tile("Rows", answer.rows), tile("New", answer.added), tile("Changed", answer.changed), tile("As they are", answer.unchanged), tile("Wrong", answer.wrong),
  );
  const table = $("[data-import-errors]");
  table.hidden = !errors.length;
  table.querySelector("tbody").replaceChildren(
    ...errors.map((it) => make("tr", {}, make("td", { class: "number" }, String(it.row ?? "")), make("td", {}, it.field ?? ""), make("td", {}, it.message))),
  );
  $("[data-import-problem]").hidden = true;
  const changes = (answer.added ?? 0) + (answer.changed ?? 0);
  $("[data-import-apply]").disabled = Boolean(errors.length) || !changes;
  $("[data-import-apply]").textContent = changes ? `Import ${number(changes)}` : "Import";
  $("[data-import-note]").textContent = errors.length
    ? `Correct ${answer.wrong > errors.length ? `all such rows, of which the first ${number(errors.length)} are listed,` : "these rows,"} then check again: a list is taken as a whole or not at all.`
    : !changes ? "There is nothing to change." : what() === "sensors" ? "Base stations are told at once." : "";
}

function problem(error) {
  const box = $("[data-import-problem]");
  box.hidden = false;
  box.lastElementChild.replaceChildren(...wordsOf(error));
  $("[data-import-counts]").replaceChildren();
  $("[data-import-errors]").hidden = true;
  $("[data-import-apply]").disabled = true;
  $("[data-import-note]").textContent = "";
}

async function check() {
  const file = $("#import-file").files[0];
  content = $("#import-text").value.trim() || (file ? await file.arrayBuffer() : "");
  const result = $("[data-import-result]");
  result.hidden = false;
  try {
    if (!content) throw new Error("Choose a file, or paste its content.");
    show(await send(true));
  } catch (error) {
    problem(error);
  }
  $("#see").focus();
}

export function start() {
  const form = $("[data-import-form]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, check);
  });
  $("#import-file").addEventListener("change", () => { $("#import-text").value = ""; });
  $("[data-import-apply]").addEventListener("click", async ({ currentTarget: button }) => {
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      const answer = await send(false);
      if (what() === "devices") {
        leave("/controllers", "ok", `Imported: ${many(answer.models.length, "template")}, ${many(answer.devices.length, "device")}.`);
        return;
      }
      const { added, changed } = answer;
      leave(what() === "sensors" ? "/sensors" : "/stations", "ok", `Imported: ${number(added)} added, ${number(changed)} changed.`);
    } catch (error) {
      problem(error);
      toast("error", ...wordsOf(error));
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}
