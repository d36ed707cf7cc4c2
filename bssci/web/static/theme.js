// Light, dark or as the system prefers. Kept in a cookie, so that the server sends the page in the chosen colours, without a flash.

export function startTheme() {
  const buttons = document.querySelectorAll("[data-theme-switch] button");
  const root = document.documentElement;
  const mark = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === root.dataset.theme));
  };
  for (const button of buttons) {
    button.parentElement.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = button.value;
      document.cookie = `theme=${button.value}; Path=/; Max-Age=31536000; SameSite=Strict`;
      mark();
    });
  }
  mark();
}
