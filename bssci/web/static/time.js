// Times in the viewer's time zone, with UTC on hover; texts such as "3 min ago" are kept up to date.

const pad = (number) => String(number).padStart(2, "0");
const dayOf = (at) => `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
const clockOf = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}`;

export const moment = (at) => `${dayOf(at)} ${clockOf(at)}:${pad(at.getSeconds())}`;

const utc = (at) => `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;

// The page's clock is the server's: a browser whose clock is wrong must not show "in 3 min".
let shift = 0;

const serverNow = () => Date.now() + shift;

function noteServer(milliseconds) {
  if (Math.abs(milliseconds - Date.now()) > 5000) shift = milliseconds - Date.now();
}

export function noteServerTime(response) {
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) noteServer(date);
}

function ago(at) {
  const seconds = Math.max(0, (serverNow() - at) / 1000);
  if (seconds < 5) return "just now";
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)}\u202f${unit} ago`;
  }
  return "just now";
}

function show(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const { ago: relative, day, tick } = element.dataset;
  let text = moment(at);
  if (relative !== undefined) text = ago(at);
  else if (day !== undefined) text = dayOf(at);
  else if (tick === "clock") text = clockOf(at);
  else if (tick === "date") text = dayOf(at).slice(5);
  if (element.textContent !== text) element.textContent = text;
  element.title = relative === undefined ? utc(at) : `${moment(at)} (${utc(at)})`;
}

export function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) show(element);
  for (const element of root.querySelectorAll("[data-zone]")) {
    element.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
}

export function timeElement(seconds) {
  const element = document.createElement("time");
  element.dateTime = new Date(seconds * 1000).toISOString();
  show(element);
  return element;
}

if (Number(document.body.dataset.now)) noteServer(Number(document.body.dataset.now) * 1000);
setInterval(() => {
  if (document.visibilityState === "visible") {
    for (const element of document.querySelectorAll("time[data-ago]")) show(element);
  }
}, 1000);
