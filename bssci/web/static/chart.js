// Shows the value under the pointer in charts that the server drew.

import { make, measured } from "./dom.js";
import { timeElement } from "./time.js";

const SVG = "http://www.w3.org/2000/svg";

function nearest(points, at) {
  let best = null;
  for (const point of points) {
    if (point[1] !== null && (!best || Math.abs(point[0] - at) < Math.abs(best[0] - at))) best = point;
  }
  return best;
}

function clear(figure) {
  figure.querySelector(".tip")?.remove();
  figure.querySelector(".cursor")?.remove();
}

function show(figure, share) {
  const data = JSON.parse(figure.dataset.chart);
  const at = data.start + share * (data.end - data.start);
  const found = data.series.map((each) => [each.name, nearest(each.points, at)]).filter(([, point]) => point);
  clear(figure);
  if (!found.length) return;
  const place = (found[0][1][0] - data.start) / (data.end - data.start);
  const svg = figure.querySelector(".plot > svg");
  const cursor = document.createElementNS(SVG, "path");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("d", `M${place * 1000} 0V144`);
  svg.append(cursor);
  const told = (value) => data.words?.[value] ?? `${measured(value, data.digits)}${data.unit && `\u202f${data.unit}`}`;
  const tip = make(
    "div",
    { class: "tip" },
    timeElement(found[0][1][0]),
    found.map(([name, point]) => make("div", {}, found.length > 1 ? `${name}: ` : "", make("b", {}, told(point[1])))),
  );
  figure.append(tip);
  const box = svg.getBoundingClientRect();
  const left = box.left - figure.getBoundingClientRect().left + place * box.width;
  // Set as a DOM property, which the policy against inline styles allows.
  tip.style.left = `${Math.max(8, Math.min(left + 12, figure.clientWidth - tip.offsetWidth - 8))}px`;
}

function clearAll() {
  for (const tip of document.querySelectorAll(".tip")) clear(tip.parentElement);
}

export function startCharts() {
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") clearAll(); });
  document.addEventListener("pointermove", (event) => {
    const svg = event.target.closest?.(".plot > svg");
    for (const tip of document.querySelectorAll(".tip")) {
      if (!svg || tip.parentElement !== svg.closest(".chart")) clear(tip.parentElement);
    }
    if (!svg) return;
    const box = svg.getBoundingClientRect();
    show(svg.closest(".chart"), Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)));
  });
}
