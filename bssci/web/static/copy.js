// Copies values that people would otherwise retype, and reveals masked ones.

import { api } from "./api.js";
import { make, toast, wordsOf } from "./dom.js";

// Browsers offer the clipboard only over TLS and on this machine itself; elsewhere a selected text can be copied.
async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const focused = document.activeElement;
  const field = make("textarea", { class: "visually-hidden", readonly: true });
  field.value = text;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isDone;
}

async function copy(text) {
  if (await copied(text)) toast("ok", "Copied.");
  else toast("error", "The browser did not allow copying: select the text and copy it.");
}

async function reveal(button) {
  const place = button.parentElement.querySelector("[data-secret]");
  const masked = place.textContent;
  try {
    const answer = await api("POST", button.dataset.reveal);
    place.textContent = answer.nwKey;
    button.hidden = true;
    setTimeout(() => {
      place.textContent = masked;
      button.hidden = false;
    }, 30000);
  } catch (error) {
    toast("error", ...wordsOf(error));
  }
}

export function startCopying() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-reveal]");
    if (!button) return;
    if (button.dataset.copy !== undefined) copy(button.dataset.copy);
    else reveal(button);
  });
}
