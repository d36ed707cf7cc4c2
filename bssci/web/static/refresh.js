// Keeps a page up to date: it is fetched again, and changes in its regions are put in place.
// Focus, selection, open details, typed text and elements with data-keep stay. A notice says when the shown data is old.

import { to } from "./paths.js";
import { noteServerTime, showTimes, moment } from "./time.js";

const sign = () => document.querySelector(".freshness");
const interval = Number(document.body.dataset.refresh ?? 0) * 1000;
export const ENDED = "Your session has ended: log in again";
const LEAST = 1000;
const AGAIN = 10000; // ms after which a stream of events that was refused is asked for again
const PATIENCE = 10000; // ms without a byte of a page
const SLOW = 200; // ms after which a load that was asked for is shown
const REASONS = {
  403: "Your role does not allow this page any more",
  404: "This is not there any more: it may have been deleted or forgotten",
};
const KINDS = [
  "uplink", "sensor-status", "sensor-auto-detached", "sensor-warning", "sensor-problem", "command-response", "downlink-status", "downlink-reception",
];

let timer = null;
let running = null;
let isAsked = false;
let last = Date.now();
let failures = 0;
let gone = 0; // how often go() was asked for
const addressShown = () => location.pathname + location.search;
let shown = addressShown();

export function tell(state, text) {
  const element = sign();
  if (!element) return;
  element.hidden = false;
  if (element.dataset.state !== state || state === "stale") element.firstElementChild.textContent = text;
  element.dataset.state = state;
  document.body.classList.toggle("is-stale", state === "stale");
}

// Shows that what was asked for is under way: a bar for the eyes, and words for screen readers.
function showLoading(isLoading) {
  document.body.classList.toggle("is-loading", isLoading);
  if (isLoading) tell("loading", "Loading…");
  else if (sign()?.dataset.state === "loading") {
    tell("fresh", "Live");
    sign().hidden = !interval;
  }
}

// Makes `now` like `next`, in place. Elements with a data-key match only if their keys are equal.
function morph(now, next) {
  if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName || now.dataset?.key !== next.dataset?.key) {
    now.replaceWith(next);
    return;
  }
  if (now.nodeType !== Node.ELEMENT_NODE) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
    return;
  }
  if (now.isEqualNode(next) || "keep" in now.dataset || now.querySelector(":scope > [data-secret]") || now.contains(document.querySelector("[aria-busy]"))) return;
  const keepOpen = now.nodeName === "DETAILS";
  for (const { name } of [...now.attributes]) {
    if (!next.hasAttribute(name) && !(keepOpen && name === "open")) now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  if (now === document.activeElement && now.matches("input, textarea, select")) return;
  const children = [...now.childNodes];
  const wanted = [...next.childNodes];
  const byKey = new Map(children.filter((child) => child.dataset?.key).map((child) => [child.dataset.key, child]));
  if (byKey.size && wanted.some((child) => child.dataset?.key)) {
    morphKeyed(now, wanted, byKey);
    return;
  }
  wanted.forEach((child, index) => (index < children.length ? morph(children[index], child) : now.append(child)));
  for (const extra of children.slice(wanted.length)) extra.remove();
}

function morphKeyed(now, wanted, byKey) {
  const place = [];
  for (const child of wanted) {
    const old = child.dataset?.key && byKey.get(child.dataset.key);
    if (old) morph(old, child);
    place.push(old && old.isConnected ? old : child);
  }
  const kept = new Set(place);
  for (const child of [...now.childNodes]) if (!kept.has(child)) child.remove();
  place.forEach((child, index) => {
    if (now.childNodes[index] !== child) now.insertBefore(child, now.childNodes[index] ?? null);
  });
}

function put(page) {
  const there = new Map([...page.querySelectorAll("[data-region]")].map((it) => [it.dataset.region, it]));
  for (const region of document.querySelectorAll("[data-region]")) {
    const next = there.get(region.dataset.region);
    if (next) {
      showTimes(next);
      morph(region, next);
    }
  }
  document.dispatchEvent(new CustomEvent("refreshed"));
}

// Whoever uses the keyboard goes on from the row of what had the focus and is gone, or from the table if the row is gone, too;
// in a list of pages, from the number of the page.
function keepPlace(change) {
  const focused = document.activeElement;
  const row = focused.closest("tr");
  const table = focused.closest(".table");
  const pages = focused.closest(".paging");
  change();
  if (focused.isConnected) return;
  const place = row?.isConnected ? row.querySelector("a, button") : pages?.querySelector("[tabindex]") ?? table;
  (place?.isConnected ? place : document.querySelector("main"))?.focus({ preventScroll: true });
}

// Calls `alive` for each part of an answer that arrives.
async function watch(response, alive) {
  const reader = response.body.getReader();
  try {
    while (!(await reader.read()).done) alive();
  } catch {
    // Whoever reads the answer is told what it is.
  }
}

export async function load(url) {
  const line = new AbortController();
  let silence = null;
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(() => line.abort(), PATIENCE);
  };
  alive();
  try {
    return await pageAt(url, line.signal, alive);
  } finally {
    clearTimeout(silence);
  }
}

async function pageAt(url, signal, alive) {
  const response = await fetch(url, { headers: { "X-Refresh": "1", Accept: "text/html" }, credentials: "same-origin", signal });
  if (response.redirected && new URL(response.url).pathname === to("/login")) {
    clearTimeout(timer);
    tell("stale", ENDED);
    throw new Error("session");
  }
  if (!response.ok) throw Object.assign(new Error(`The service answered ${response.status}.`), { status: response.status });
  noteServerTime(response);
  watch(response.clone(), alive);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

export async function refresh() {
  isAsked = true;
  running ??= untilAnswered();
  await running;
}

// What runs already may have been answered before the change that is asked about.
async function untilAnswered() {
  while (isAsked) {
    isAsked = false;
    await loadOnce();
  }
  running = null;
}

async function loadOnce() {
  clearTimeout(timer);
  try {
    const url = location.href;
    const page = await load(url);
    // The user has gone on meanwhile: what is shown now is newer.
    if (url === location.href) {
      keepPlace(() => put(page));
      document.title = page.title;
    }
    failures = 0;
    last = Date.now();
    tell("fresh", "Live");
  } catch (error) {
    if (error.message === "session") return;
    failures = error.status ? 0 : failures + 1;
    const since = moment(new Date(last)).slice(11);
    if (error.status) tell("stale", REASONS[error.status] ?? `Not updated since ${since}: the service answers ${error.status}, trying again`);
    else tell("stale", `No connection since ${since}, trying again`);
  }
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (!interval || document.visibilityState !== "visible") return;
  timer = setTimeout(refresh, failures ? Math.min(interval, 1000 * 2 ** Math.min(failures, 4)) : interval);
}

// Links and searches that only change the content of regions: the page is not loaded again, and the address is updated.
// What is typed in a search makes one entry of the browser's history, however often it is looked for meanwhile.
async function go(url, typed = false) {
  const turn = ++gone;
  const slow = setTimeout(() => { if (turn === gone) showLoading(true); }, SLOW);
  try {
    const page = await load(url);
    if (turn !== gone) return;
    if (typed && history.state?.typed) history.replaceState({ typed }, "", url);
    else history.pushState({ typed }, "", url);
    shown = addressShown();
    keepPlace(() => put(page));
    document.title = page.title;
  } catch {
    if (turn === gone) location.assign(url);
  } finally {
    clearTimeout(slow);
    if (turn === gone) showLoading(false);
  }
}

function startSoftLinks() {
  let typing = null;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-soft]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    for (const other of link.closest(".tabs")?.children ?? []) other.removeAttribute("aria-current");
    if (link.closest(".tabs")) link.setAttribute("aria-current", "true");
    go(link.href).then(() => syncFields());
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-soft]");
    if (!form) return;
    event.preventDefault();
    clearTimeout(typing);
    go(addressOf(form));
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-soft]");
    if (!form) return;
    clearTimeout(typing);
    typing = setTimeout(() => go(addressOf(form), true), 250);
  });
  // The user went back to another address; links to an anchor on this page also arrive here.
  addEventListener("popstate", () => { if (addressShown() !== shown) location.reload(); });
}

function addressOf(form) {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  // Not form.action: a field named action would hide it.
  return `${form.getAttribute("action")}?${query}`.replace(/\?$/, "");
}

// A search keeps a filter that a link has set in the meantime.
function syncFields() {
  const query = new URLSearchParams(location.search);
  for (const input of document.querySelectorAll("form[data-soft] input[type=hidden]")) {
    input.value = query.get(input.name) ?? "";
  }
  for (const name of ["status", "state", "sort", "station"]) {
    const form = document.querySelector("main form[data-soft]");
    if (form && query.get(name) && !form.elements.namedItem(name)) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name, value: query.get(name) });
      form.append(field);
    }
  }
}

// Events of this page's sensor, and a lost connection: each triggers a refresh, at most one per second.
function startEvents(path) {
  let source = null;
  let due = null;
  let begun = 0;
  const begin = () => {
    begun = Date.now();
    source = new EventSource(to(path));
    const ask = () => {
      due ??= setTimeout(() => {
        due = null;
        refresh();
      }, LEAST / 2);
    };
    for (const kind of [...KINDS, "error"]) source.addEventListener(kind, ask);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") begin();
    else source?.close();
  });
  addEventListener("pagehide", () => source?.close());
  // A refusal, such as a proxy's while the service restarts, ends an EventSource for good.
  document.addEventListener("refreshed", () => {
    if (source?.readyState === EventSource.CLOSED && Date.now() - begun > AGAIN) begin();
  });
  begin();
}

export function startRefresh() {
  startSoftLinks();
  if (document.body.dataset.events) startEvents(document.body.dataset.events);
  if (!interval) return;
  tell("fresh", "Live");
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") refresh();
    else clearTimeout(timer);
  });
  schedule();
}
