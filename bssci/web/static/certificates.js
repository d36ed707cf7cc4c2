// Bundles, uploads and backups: files that are uploaded and downloaded on the page Certificates.

import { api, request } from "./api.js";
import { confirmed } from "./dialog.js";
import { busy, showError, valuesOf } from "./forms.js";
import { leave, make, note, number, save } from "./dom.js";

const ARCHIVE = "application/zip";

function nameOf(response, otherwise) {
  return /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? otherwise;
}

async function bundle(form) {
  const { eui, ...options } = valuesOf(form);
  const response = await request("POST", `/api/certificates/station/${eui}`, options);
  save(await response.blob(), nameOf(response, `${eui}.zip`));
  form.querySelector(".outcome").replaceChildren(
    note("ok", "The bundle is downloaded. It holds a private key: hand it over safely, then delete it."),
  );
}

function findings(answer) {
  const found = [note("ok", "The files fit together: the service could start with them.")];
  for (const text of answer.warnings ?? []) found.push(note("warning", text));
  const refused = answer.refused_stations ?? [];
  if (refused.length) {
    const those = refused.length === 1 ? "1 connected base station" : `${number(refused.length)} connected base stations`;
    found.push(note("warning", `${those} would be refused: `, make("span", { class: "eui break" }, refused.join(", "))));
  }
  return found;
}

// Resolves to true if no station would be refused, or if the user confirms that.
function meant(refused) {
  if (!refused.length) return true;
  const text = refused.length === 1
    ? "1 connected base station would be refused until it has a new bundle."
    : `${number(refused.length)} connected base stations would be refused until each has a new bundle.`;
  return confirmed(text, {
    action: "Lock out",
    danger: true,
    type: "lock out",
    content: make("p", { class: "eui break" }, refused.join(", ")),
  });
}

async function generate(form) {
  const values = valuesOf(form);
  const { refused_stations: refused = [] } = await api("POST", "/api/certificates/generate?dry_run=1", values);
  if (!(await confirmed(form.dataset.question, { action: "Generate", danger: true }))) return;
  if (!(await meant(refused))) return;
  await api("POST", "/api/certificates/generate", { ...values, force: refused.length > 0 });
  leave(null, "ok", "Generated, and in use.");
}

function showAuthority(form) {
  const field = form.elements.namedItem("ca");
  field.disabled = form.elements.namedItem("type").value !== "set";
  field.closest(".field").hidden = field.disabled;
}

async function upload(form, dryRun) {
  const body = {};
  for (const name of ["certificate", "key", "ca"]) {
    const field = form.elements.namedItem(name);
    const file = !field.disabled && field.files[0];
    if (file) body[name] = await file.text();
  }
  if (!body.certificate) throw new Error("Choose a certificate first.");
  const path = `/api/certificates/upload/${form.elements.namedItem("type").value}`;
  if (!dryRun) {
    const { refused_stations: refused = [] } = await api("POST", `${path}?dry_run=1`, body);
    if (!(await meant(refused))) return;
    await api("POST", path, { ...body, force: refused.length > 0 });
    leave(null, "ok", "Uploaded, and in use.");
    return;
  }
  const answer = await api("POST", `${path}?dry_run=1`, body);
  form.querySelector(".outcome").replaceChildren(...findings(answer));
  form.querySelector("[data-upload-apply]").hidden = false;
}

async function restore(form) {
  const file = form.querySelector("[type=file]").files[0];
  if (!file) throw new Error("Choose an archive first.");
  const archive = await file.arrayBuffer();
  const { refused_stations: refused = [] } = await api("POST", "/api/certificates/restore?dry_run=1", archive, ARCHIVE);
  const question = "Replace the certificates and keys in use by those of this archive?";
  if (!(await confirmed(question, { action: "Restore", danger: true }))) return;
  if (!(await meant(refused))) return;
  await api("POST", `/api/certificates/restore?force=${refused.length ? 1 : 0}`, archive, ARCHIVE);
  leave(null, "ok", "Restored, and in use.");
}

function on(selector, work) {
  const form = document.querySelector(selector);
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, () => work(form));
  });
  return form;
}

export function start() {
  on("[data-bundle]", bundle);
  on("[data-restore]", restore);
  on("[data-generate]", generate);
  const form = on("[data-upload]", (it) => upload(it, true));
  form?.querySelector("[data-upload-apply]").addEventListener("click", () => upload(form, false).catch((error) => showError(form, error)));
  form?.addEventListener("change", () => {
    form.querySelector("[data-upload-apply]").hidden = true;
    showAuthority(form);
  });
  if (form) showAuthority(form);
}
