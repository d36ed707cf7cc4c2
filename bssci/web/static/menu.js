// The menu on phones, for browsers without popovers: the button has the same label and effect.

export function startMenu() {
  const button = document.querySelector("[popovertarget]");
  if (!button || "popover" in HTMLElement.prototype) return;
  const menu = document.getElementById(button.getAttribute("popovertarget"));
  const show = (open) => {
    menu.classList.toggle("closed", !open);
    button.setAttribute("aria-expanded", String(open));
    if (open) menu.querySelector("a").focus();
  };
  show(false);
  document.addEventListener("click", (event) => {
    if (button.contains(event.target)) show(menu.classList.contains("closed"));
    else if (!menu.contains(event.target)) show(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || menu.classList.contains("closed")) return;
    show(false);
    button.focus();
  });
}
