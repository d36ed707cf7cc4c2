// One press of a button: the second click of a double click, and the repeats of a key that is held, press nothing.
// By then the first press may be done, and its form empty: a second downlink would go out without a payload.

const isSubmit = (element) => element.closest?.("button, input[type=submit]")?.type === "submit";

export function startPresses() {
  document.addEventListener("click", (event) => {
    if (event.detail < 2 || !isSubmit(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.repeat && event.key === "Enter" && !event.target.closest?.("textarea")) event.preventDefault();
  }, true);
}
