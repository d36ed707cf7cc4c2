// Shows every event as it happens. Events that arrive too fast to be read are only counted; the number shown is bounded.

import { make, number, payload, toast } from "./dom.js";
import { to } from "./paths.js";
import { ENDED, load, tell } from "./refresh.js";
import { moment, showTimes, timeElement } from "./time.js";

const SHOWN = 300;
const SAID_EVERY = 10000;
const A_TURN = 50;
const DRAWN_EVERY = 1000; // ms: what comes after a pause is shown at once, and what comes fast once a second
const COPIES_WITHIN = 2; // s: as in bssci/web/live/copies.py
const SILENT = 22000; // ms: a little more than two pings of the service
const REFUSALS = {
  429: "Too many live pages and streams of this account are open",
  503: "Too many live pages and streams are open",
};
const $ = (selector) => document.querySelector(selector);
const rows = $("[data-live-rows]");
const sinks = $("[data-live]").dataset.sinks.split(" ").filter(Boolean);
const kinds = $("[data-live]").dataset.kinds.split(" ");
const query = new URLSearchParams([...new FormData($("[data-live] form"))].filter(([, value]) => value));

let waiting = [];
let passed = 0;
let received = 0;
let said = 0;
let paused = false;
let source = null;
let ended = false;
let refusal = "";
let search = null;
let lastAt = Date.now();
let triedAt = 0;
let drawn = 0;
const advertisements = new Map(); // by content: the copies that were heard just now, the first of them first, and their row
const copiesOf = new WeakMap(); // the same by the first copy
let newest = Number($("[data-live]").dataset.newest);

function link(kind, eui, names = {}) {
  const name = names[eui];
  return make("a", { class: !name && "eui", href: to(`/${kind}/${encodeURIComponent(eui)}`), title: name && eui }, name ?? eui);
}

function way(event) {
  const copies = (event.baseStations ?? []).flatMap((copy, index) => [
    index ? ", " : "", link("stations", copy.bs_eui, event.names), ` (${number(copy.snr, 1)}\u202fdB)`,
  ]);
  const steps = [
    make("li", {}, event.known
      ? link("sensors", event.sensor_eui, event.names)
      : make("a", { class: "eui", href: to("/sensors/unknown"), title: "Heard, but not configured" }, event.sensor_eui)),
    make("li", {}, "heard by ", ...copies),
    ...wayOn(event),
  ];
  return make("ol", { class: "way" }, ...steps);
}

function wayOn(event) {
  return [
    make("li", {}, "on disk"),
    ...sinks.map((sink) => make("li", { "data-sink": sink, "data-since": event.timestamp }, make("b", {}, sink), " waiting")),
  ];
}

const KIND_OF_GATEWAY = { ble: "scanner", scanner: "scanner", f2: "controller" };
const kindOf = (device) => device.split(":")[0];
const signal = (event) => (typeof event.rssi === "number" ? ` (${number(event.rssi)}\u202fdBm)` : "");
const comma = (parts) => parts.flatMap((part, index) => (index ? [", ", ...part] : part));

function gatewayLink(event) {
  const name = event.names?.[event.gateway];
  const id = `${KIND_OF_GATEWAY[kindOf(event.device)] ?? "gateway"}:${event.gateway}`;
  return make("a", { class: !name && "eui", href: to(`/gateways/${encodeURIComponent(id)}`), title: event.gateway }, name ?? event.gateway);
}

// Who heard a telegram: every scanner that heard the same advertisement, best signal first.
function heardBy(copies) {
  const best = [...copies].sort((one, other) => (other.rssi ?? 0) - (one.rssi ?? 0));
  return comma(best.map((copy) => [gatewayLink(copy), signal(copy)]));
}

function telegramWay(event) {
  const isGateway = ["scanner", "controller"].includes(kindOf(event.device));
  const place = event.envelope?.presence;
  const how = isGateway ? "from " : place ? "nearest to " : "heard by ";
  return make("ol", { class: "way" },
    isGateway ? null : make("li", {}, link("devices", event.device, event.names)),
    !place || place.scanner ? make("li", { "data-heard": "" }, how, ...heardBy([event])) : null,
    ...wayOn(event));
}

// What copies of one advertisement have in common; undefined if it is none.
function contentOf(event) {
  if (event.kind !== "telegram" || typeof event.rssi !== "number" || !event.envelope || event.envelope.presence) return undefined;
  const { manufacturer_data, service_data } = event.envelope;
  return JSON.stringify([event.device, event.dataHex, manufacturer_data, service_data]);
}

// Adds a copy to the row of an advertisement, if it is one that another scanner heard just now.
function joined(event) {
  const content = contentOf(event);
  if (!content) return false;
  for (const [key, { copies: [first] }] of advertisements) {
    if (event.timestamp - first.timestamp > COPIES_WITHIN) advertisements.delete(key);
  }
  const known = advertisements.get(content);
  if (!known || known.copies.some((copy) => copy.gateway === event.gateway)) {
    const begun = { copies: [event], row: null };
    advertisements.set(content, begun);
    copiesOf.set(event, begun);
    return false;
  }
  known.copies.push(event);
  if (known.row) showCopies(known);
  return true;
}

function showCopies({ row, copies }) {
  const [first] = copies;
  row.querySelector("strong").textContent = `${first.title}, heard by ${number(copies.length)} scanners`;
  row.querySelector("[data-heard]").replaceChildren("heard by ", ...heardBy(copies));
  const lines = copies.map((copy) => make("span", { class: "sub" },
    make("a", { href: to(`/api/events/${copy.seq}`) }, String(copy.seq)), " ", timeElement(copy.timestamp), `, ${copy.gateway}${signal(copy)}`,
    copy.timestamp > first.timestamp ? `, ${later(copy.timestamp - first.timestamp)}` : null));
  let details = row.querySelector("details");
  if (!details) {
    details = make("details", { class: "small" }, make("summary", {}, "Each copy"));
    row.querySelector(".title").append(details);
  }
  details.replaceChildren(details.querySelector("summary"), ...lines);
}

const later = (seconds) => `${seconds < 1 ? `${number(seconds * 1000)}\u202fms` : `${number(seconds, 1)}\u202fs`} later`;

// What was sent: its values where they are known, and its bytes.
function content(event) {
  return [
    event.values ? make("div", { class: "decoded" }, event.values) : null,
    event.dataHex ? make("span", { class: "bytes" }, payload(event.dataHex)) : null,
  ];
}

// A request that no user started: the end of the session is shown, and does not lead to another page.
async function ask(path) {
  const response = await fetch(to(path), { credentials: "same-origin" });
  if (response.status === 401) end();
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

function end() {
  ended = true;
  source?.close();
  state();
}

// A sink takes events in order, so the number that wait for it tells which are delivered.
async function watchSinks() {
  const open = rows.querySelectorAll("[data-sink]:not([data-through])");
  if (ended || !open.length || document.visibilityState !== "visible") return;
  try {
    const status = await ask("/api/bssci/status");
    for (const step of open) {
      const seq = Number(step.closest("tr").dataset.key);
      const queued = status.queue_statistics[step.dataset.sink]?.queued;
      if (queued === undefined || status.journal.last_seq - queued < seq) continue;
      step.dataset.through = "";
      const batch = (status.deliveries[step.dataset.sink] ?? []).findIndex(([last]) => last >= seq);
      const took = batch > 0 ? status.deliveries[step.dataset.sink][batch][1] - Number(step.dataset.since) : NaN;
      step.lastChild.nodeValue = Number.isNaN(took) ? " delivered" : ` delivered ${later(took)}`;
    }
  } catch {
    // The banner at the top already shows a lost connection.
  }
}

function about(event) {
  return make("small", {},
    event.sensor_eui ? ["sensor ", link("sensors", event.sensor_eui, event.names), " "] : null,
    event.base_station_eui ? ["base station ", link("stations", event.base_station_eui, event.names)] : null,
    event.kind === "alarm" ? make("a", { href: to(event.href || `/alarms?q=${encodeURIComponent(event.id)}`) }, event.id) : null,
    event.kind === "gateway-state" ? link("gateways", `${event.gateway_kind}:${event.gateway}`, { [`${event.gateway_kind}:${event.gateway}`]: event.names?.[event.gateway] ?? event.gateway }) : null);
}

function wayOf(event) {
  if (event.kind === "uplink") return way(event);
  return event.kind === "telegram" ? telegramWay(event) : about(event);
}

function row(event) {
  return make("tr", { "data-key": event.seq },
    make("td", { "data-label": "Time" }, timeElement(event.timestamp)),
    make("td", { "data-label": "Kind" }, make("span", { class: "tag" }, (event.kind ?? "").replaceAll("-", " "))),
    make("td", { class: "title" }, make("strong", {}, event.title ?? ""), wayOf(event), ...content(event)));
}

// The row of an event, with the copies that have come since.
function newRow(event) {
  const made = row(event);
  const known = copiesOf.get(event);
  if (known) {
    known.row = made;
    if (known.copies.length > 1) showCopies(known);
  }
  return made;
}

function count() {
  const parts = [`${number(received)} since this page was opened`];
  if (passed) parts.push(`${number(passed)} came too fast to be shown`);
  if (paused && waiting.length) parts.push(`${number(waiting.length)} wait`);
  $("[data-live-count]").textContent = parts.join(", ");
}

function drawInTurn() {
  if (Date.now() - drawn < DRAWN_EVERY) return;
  for (const each of rows.querySelectorAll(".new")) each.classList.remove("new");
  draw();
}

function draw() {
  if (waiting.length) drawn = Date.now();
  if (!paused && waiting.length) {
    const batch = waiting.slice(-A_TURN);
    passed += waiting.length - batch.length;
    waiting = [];
    const made = batch.reverse().map(newRow);
    // Marked for a while, without an animation: that would paint the whole list again for each of its frames.
    for (const each of made) each.classList.add("new");
    rows.prepend(...made);
    while (rows.children.length > SHOWN) rows.lastElementChild.remove();
    $("[data-live-empty]").hidden = true;
  }
  count();
}

// For screen readers: now and then the number of new events, and the last one.
function say() {
  if (paused || received === said) return;
  const last = rows.firstElementChild?.querySelector("strong")?.textContent ?? "";
  $("[data-live-said]").textContent = `${received - said} new, last: ${last}`;
  said = received;
}

function take(message) {
  lastAt = Date.now();
  const event = JSON.parse(message.data);
  // The service sends missed events again, together with some that are shown already.
  if (event.seq <= newest) return;
  newest = event.seq;
  received += 1;
  if (joined(event)) return;
  waiting.push(event);
  if (waiting.length > 1000) passed += waiting.splice(0, waiting.length - 1000).length;
}

// An EventSource does not tell why it was refused; a request of the same stream without a body does.
async function askWhy() {
  try {
    const { status } = await fetch(to("/api/live"), { method: "HEAD", credentials: "same-origin" });
    refusal = REFUSALS[status] ?? "";
    if (status === 401) end();
    else state();
  } catch {
    // The line is lost, which is shown already.
  }
}

function listen() {
  source?.close();
  ended = false;
  triedAt = Date.now();
  const since = new URLSearchParams(query);
  since.set("since", newest);
  source = new EventSource(to(`/api/live?${since}`));
  source.addEventListener("open", () => { lastAt = Date.now(); refusal = ""; state(); });
  source.addEventListener("error", () => {
    state();
    // An EventSource does not reconnect after a refusal, so it is opened again here, unless nobody is logged in.
    if (source.readyState === EventSource.CLOSED) askWhy().then(() => ended || setTimeout(listen, 3000));
  });
  for (const kind of kinds) source.addEventListener(kind, take);
  source.addEventListener("skipped", (message) => { passed += JSON.parse(message.data).count; });
  // With another journal the numbers begin again.
  source.addEventListener("hello", (message) => { newest = Math.min(newest, JSON.parse(message.data).seq); });
  // Events that the filter left out need not be sent again if the stream breaks off now.
  source.addEventListener("ping", (message) => { lastAt = Date.now(); newest = Math.max(newest, Number(message.lastEventId)); });
}

function state() {
  if (ended) {
    tell("stale", ENDED);
    return;
  }
  const silent = Date.now() - lastAt > SILENT;
  const lost = silent || source?.readyState !== EventSource.OPEN;
  if (silent && Date.now() - triedAt > SILENT && document.visibilityState === "visible") listen();
  if (lost && refusal) tell("stale", `${refusal}, trying again`);
  else if (lost) tell("stale", `No connection since ${moment(new Date(lastAt)).slice(11)}, trying again`);
  else if (paused) tell("paused", "Paused");
  else tell("fresh", "Live");
}

// Loads one page further back; resolves to whether something was found there.
async function further(section) {
  const back = new URLSearchParams(query);
  back.set("before", section.dataset.older);
  const page = await load(to(`/live?${back}`));
  showTimes(page);
  const found = [...page.querySelector("[data-live-rows]").children];
  rows.append(...found);
  const empty = page.querySelector("[data-live-empty]");
  empty.hidden = rows.children.length > 0;
  $("[data-live-empty]").replaceWith(empty);
  section.dataset.older = page.querySelector("[data-live]").dataset.older;
  return found.length > 0;
}

// Goes back until something is found, there are no more events, or the button is pressed again.
async function older(event) {
  event.preventDefault();
  if (search) {
    search.stopped = true;
    return;
  }
  const button = event.currentTarget;
  const section = $("[data-live]");
  const text = button.textContent;
  search = { stopped: false };
  button.setAttribute("aria-busy", "true");
  button.textContent = "Stop looking";
  try {
    let found = false;
    while (!found && !search.stopped && section.dataset.older) found = await further(section);
    if (!section.dataset.older) button.remove();
    if (!found && !search.stopped) toast("info", "Nothing earlier fits the filter.");
  } catch (error) {
    if (error.message === "session") end();
    else toast("error", error.message);
  }
  search = null;
  button.removeAttribute("aria-busy");
  button.textContent = text;
}

export function start() {
  const pause = $("[data-live-pause]");
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    state();
    draw();
  });
  $("[data-live-older]")?.addEventListener("click", older);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") listen();
    else source?.close();
  });
  addEventListener("pagehide", () => source?.close());
  listen();
  setInterval(drawInTurn, 250);
  setInterval(state, 1000);
  setInterval(watchSinks, 1000);
  setInterval(say, SAID_EVERY);
}
