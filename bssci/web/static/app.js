// Behaviour of every page: times, colours, refresh, forms, charts. Modules for a single page are loaded by that page.

import { showTimes } from "./time.js";
import { startTheme } from "./theme.js";
import { startForms } from "./forms.js";
import { startMenu } from "./menu.js";
import { startPresses } from "./press.js";
import { startRefresh } from "./refresh.js";
import { startCharts } from "./chart.js";
import { startCopying } from "./copy.js";
import { arrive } from "./dom.js";

startTheme();
startMenu();
startPresses();
showTimes(document);
startForms();
startCopying();
startCharts();
startRefresh();
arrive();

const ROOMS = {
  "[data-live]": "./live.js",
  "[data-selectable]": "./selection.js",
  "[data-import]": "./import.js",
  "[data-config]": "./config.js",
  "[data-trial]": "./trial.js",
  "[data-unsaved]": "./unsaved.js",
  "[data-zoom]": "./zoom.js",
  "[data-download]": "./download.js",
  "[data-decoder]": "./decoder.js",
  "[data-command], [data-place], [data-template]": "./controllers.js",
  "[data-explorer]": "./explorer.js",
  "[data-bundle], [data-upload], [data-restore]": "./certificates.js",
};
const rooms = Object.entries(ROOMS).filter(([selector]) => document.querySelector(selector));
// Until then, buttons of forms look as if they could not be pressed: over a slow line that takes a while.
Promise.allSettled(rooms.map(([, module]) => import(module).then((it) => it.start())))
  .then(() => { document.documentElement.dataset.ready = ""; });

// The server does not see the anchor of the page that a log-in is to lead to.
const next = document.querySelector(".gate input[name=next]");
if (next?.value && !next.value.includes("#")) next.value += location.hash;

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector("main [type=search]") ?? document.querySelector(".topbar [type=search]");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
