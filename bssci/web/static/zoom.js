// Dragging over a chart limits it to that range of time: [data-zoom] holds the path of the page. So does the form [data-span].

import { busy } from "./forms.js";
import { to as below } from "./paths.js";

const SVG = "http://www.w3.org/2000/svg";
const LEAST = 0.01;
const SHORTEST = 60; // s

let drag = null;

function shareAt(svg, event) {
  const box = svg.getBoundingClientRect();
  return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
}

function mark() {
  const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
  drag.box.setAttribute("x", String(from * 1000));
  drag.box.setAttribute("width", String((to - from) * 1000));
}

function finish() {
  const { svg, box, from, to } = drag;
  drag = null;
  box.remove();
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  const data = JSON.parse(svg.closest("[data-chart]").dataset.chart);
  const length = data.end - data.start;
  if (right - left < LEAST || (right - left) * length < SHORTEST) return;
  showSpan(data.start + left * length, data.start + right * length);
}

function showSpan(from, to) {
  const link = document.createElement("a");
  const query = new URLSearchParams({ from: Math.floor(from), to: Math.ceil(to) });
  link.href = below(`${document.querySelector("[data-zoom]").dataset.zoom}?${query}`);
  link.dataset.soft = "";
  document.body.append(link);
  link.click();
  link.remove();
}

// The fields are in the browser's time zone.
function ask(form) {
  const wrong = (field, message) => Object.assign(new Error(message), { field });
  const at = (field) => new Date(field.value).getTime() / 1000;
  const { from, to } = form.elements;
  const until = to.value || to.validity.badInput ? at(to) : Date.now() / 1000;
  if (Number.isNaN(at(from))) throw wrong("from", "From must be a complete date and time.");
  if (Number.isNaN(until)) throw wrong("to", "To must be a complete date and time.");
  if (until - at(from) < SHORTEST) throw wrong("from", "From must be a minute or more before To.");
  showSpan(at(from), until);
}

export function start() {
  const form = document.querySelector("form[data-span]");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, async () => ask(form));
  });
  document.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest?.("[data-zoom] .plot > svg");
    if (!svg || event.button || event.pointerType === "touch") return;
    event.preventDefault();
    const box = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ class: "chosen", y: 0, height: 144 })) box.setAttribute(name, value);
    svg.append(box);
    const at = shareAt(svg, event);
    drag = { svg, box, from: at, to: at };
    mark();
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.to = shareAt(drag.svg, event);
    mark();
  });
  document.addEventListener("pointerup", () => { if (drag) finish(); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag) return;
    drag.box.remove();
    drag = null;
  });
}
