// Asks before an action that cannot be undone: resolves to true or false. A text that must be typed prevents confirming by mistake.

import { make } from "./dom.js";

export function confirmed(text, { action = "Go on", danger = false, type = "", content = null } = {}) {
  return new Promise((resolve) => {
    const input = type && make("input", { id: "confirm-text", autocomplete: "off", spellcheck: "false", class: "mono" });
    const go = make("button", { class: danger ? "danger" : "primary", value: "yes", disabled: Boolean(type) }, action);
    const form = make(
      "form",
      { method: "dialog" },
      make("p", { id: "confirm-question" }, text),
      content,
      input && make("div", { class: "field" }, make("label", { for: "confirm-text" }, "Type ", make("code", {}, type), " to confirm"), input),
      make("div", { class: "form-foot" }, make("button", { value: "no", formnovalidate: true }, "Cancel"), go),
    );
    const dialog = make("dialog", { "aria-labelledby": "confirm-question" }, form);
    if (input) {
      input.addEventListener("input", () => { go.disabled = input.value.trim() !== type; });
      // Enter in the field presses the confirming button, not the first one.
      input.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        if (!go.disabled) go.click();
      });
    }
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    (input || form.querySelector("[value=no]")).focus();
  });
}
