// One press of a button: the second click of a double click, and the repeats of a key that is held, press nothing.
// By then the first press may be done, and its form empty: a second downlink would go out without a payload.

const PATIENCE = 5000; // ms in which a form that leads to another page is not sent again

const isSubmit = (element) => element.closest?.("button, input[type=submit]")?.type === "submit";

export function startPresses() {
  document.addEventListener("click", (event) => {
    if (event.detail < 2 || !isSubmit(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  // The browser drops the answer to the first: a second set-up would be refused, for there is an account by then.
  let sentAt = -PATIENCE;
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    if (event.timeStamp - sentAt < PATIENCE) event.preventDefault();
    else sentAt = event.timeStamp;
  });
  document.addEventListener("keydown", (event) => {
    if (event.repeat && event.key === "Enter" && !event.target.closest?.("textarea")) event.preventDefault();
  }, true);
}
