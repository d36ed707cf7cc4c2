// Dragging over a chart limits it to that range of time: [data-zoom] holds the path of the page.

import { to as below } from "./paths.js";

const SVG = "http://www.w3.org/2000/svg";
const LEAST = 0.01;

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
  if (right - left < LEAST || (right - left) * length < 60) return;
  const link = document.createElement("a");
  const query = new URLSearchParams({ from: Math.floor(data.start + left * length), to: Math.ceil(data.start + right * length) });
  link.href = below(`${svg.closest("[data-zoom]").dataset.zoom}?${query}`);
  link.dataset.soft = "";
  document.body.append(link);
  link.click();
  link.remove();
}

export function start() {
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
