// Copies values that people would otherwise retype, and reveals masked ones.

import { api } from "./api.js";
import { toast, wordsOf } from "./dom.js";

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("ok", "Copied.");
  } catch {
    toast("error", "The browser did not allow copying.");
  }
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
