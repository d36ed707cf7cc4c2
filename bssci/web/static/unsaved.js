// Forms with much to enter, form[data-unsaved]: whoever leaves the page before it is stored is asked first.

import { isLeaving, leaving } from "./dom.js";

const isEdited = (input) => {
  if (!input.name || input.readOnly || input.type === "hidden" || input.type === "file") return false;
  if (input.type === "checkbox") return input.checked !== input.defaultChecked;
  if (!(input instanceof HTMLSelectElement)) return input.value !== input.defaultValue;
  const given = [...input.options].find((each) => each.defaultSelected) ?? input.options[0];
  return input.value !== given?.value;
};

export function start() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-unsaved] .form-foot a")) leaving();
  });
  addEventListener("beforeunload", (event) => {
    const forms = [...document.querySelectorAll("form[data-unsaved]")];
    if (!isLeaving() && forms.some((form) => [...form.elements].some(isEdited))) event.preventDefault();
  });
}
