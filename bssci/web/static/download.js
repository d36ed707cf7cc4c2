// Downloads of files from the API: data-download="POST /api/...", data-name, data-confirm, data-done.

import { request } from "./api.js";
import { confirmed } from "./dialog.js";
import { busy } from "./forms.js";
import { note, save } from "./dom.js";

async function download(form) {
  const { download: asked, name, confirm, done } = form.dataset;
  if (confirm && !(await confirmed(confirm, { action: "Download" }))) return;
  const [method, path] = asked.split(" ");
  const response = await request(method, path);
  save(await response.blob(), name);
  form.querySelector(".outcome").replaceChildren(note("ok", done));
  form.querySelector("[type=submit]").hidden = true;
}

export function start() {
  for (const form of document.querySelectorAll("[data-download]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      busy(form, () => download(form));
    });
  }
}
