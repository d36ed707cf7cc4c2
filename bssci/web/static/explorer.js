// Shows every route and message from the service's own descriptions. Routes that only read can be tried with the session.

import { api } from "./api.js";
import { make, note, number, wordsOf } from "./dom.js";
import { to } from "./paths.js";
import { fieldsOf, typeOf } from "./schema.js";

const PATIENCE = 5000; // ms to wait for an answer; a stream never ends by itself
const SHOWN = 200000; // characters of an answer that are shown
const ROLES = ["viewer", "operator", "admin"];
const place = document.querySelector("[data-explorer]");
const mine = ROLES.indexOf(place.dataset.role);

// JSON with indents, digit by digit as it came: numbers in a browser are exact up to 2^53 only, and times in ns are larger.
function indented(text) {
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return text.replace(/"(?:[^"\\]|\\.)*"|\{\s*\}|\[\s*\]|[{}[\],:]|\s+/g, (part) => {
    if (part === "{" || part === "[") {
      depth += 1;
      return part + line();
    }
    if (part === "}" || part === "]") {
      depth = Math.max(0, depth - 1);
      return line() + part;
    }
    if (part === ",") return part + line();
    if (part === ":") return ": ";
    return part.trim();
  });
}

// The part of the answer that comes in time and fits on the page.
async function read(path) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), PATIENCE);
  let text = "";
  let size = 0;
  let response;
  try {
    response = await fetch(to(path), { credentials: "same-origin", signal: control.signal });
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done && text.length < SHOWN; part = await reader.read()) {
      size += part.value.length;
      text += decoder.decode(part.value, { stream: true });
    }
    control.abort();
  } catch (error) {
    if (!response) throw new Error(control.signal.aborted ? `No answer within ${PATIENCE / 1000} s.` : "The service cannot be reached.", { cause: error });
  } finally {
    clearTimeout(timer);
  }
  return { response, text, size, cut: text.length >= SHOWN };
}

function shown({ response, text, size, cut }) {
  const kind = (response.headers.get("Content-Type") ?? "").split(";")[0];
  const readable = /json|^text\//.test(kind);
  const said = `${response.status} ${response.statusText}, ${kind || "no content"}, ${number(size)} bytes${cut ? ", cut here" : ""}`;
  return [
    make("p", {}, make("strong", {}, said)),
    readable && text ? make("pre", { class: "answer", tabindex: "0", role: "group", "aria-label": "Answer" }, kind.endsWith("json") && !cut ? indented(text) : text) : null,
  ];
}

// The path with the entered parameters; an empty query parameter is left out.
function filled(path, form) {
  const query = new URLSearchParams();
  let result = path;
  for (const input of form.querySelectorAll("input")) {
    const value = input.value.trim();
    if (input.dataset.in === "path") result = result.replace(`{${input.name}}`, encodeURIComponent(value));
    else if (value) query.append(input.name, value);
  }
  return query.size ? `${result}?${query}` : result;
}

function parameterField(operation, parameter, document) {
  const id = `p-${operation.operationId}-${parameter.name}`;
  const bounds = typeOf(parameter.schema, document);
  const hint = [parameter.description, bounds].filter(Boolean).join("; ");
  return make("div", { class: "field" },
    make("label", { for: id }, parameter.name, parameter.in === "path" ? " (in the path)" : ""),
    make("input", { id, name: parameter.name, "data-in": parameter.in, required: parameter.required, autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-hint` }),
    make("span", { class: "hint", id: `${id}-hint` }, hint));
}

function trial(path, operation, document) {
  const answer = make("div", { class: "stack-small", role: "status" });
  const form = make("form", { class: "stack-small" },
    operation.parameters ? make("div", { class: "fields" }, operation.parameters.map((each) => parameterField(operation, each, document))) : null,
    make("div", { class: "form-foot" }, make("button", { type: "submit", class: "primary", "aria-label": `Try GET ${path}` }, "Try it")),
    answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.replaceChildren(make("p", { class: "muted" }, "Waiting for the answer."));
    try {
      answer.replaceChildren(...shown(await read(filled(path, form))).filter(Boolean));
    } catch (error) {
      answer.replaceChildren(note("error", ...wordsOf(error)));
    }
  });
  return form;
}

function fieldTable(title, schema, document) {
  const rows = fieldsOf(schema, document);
  const kind = typeOf(schema, document);
  if (!rows.length) return make("p", {}, make("strong", {}, `${title}: `), kind);
  return make("div", { class: "stack-small" }, make("h4", {}, `${title}: ${kind}`),
    make("div", { class: "table", tabindex: "0", role: "group", "aria-label": title },
      make("table", { class: "cards" },
        make("thead", {}, make("tr", {}, ["Field", "Type", "Meaning"].map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, rows.map((row) => make("tr", {},
          make("td", { class: "title mono break" }, row.name, row.required ? "" : make("small", {}, "may be absent")),
          make("td", { "data-label": "Type" }, row.type),
          make("td", { "data-label": "Meaning", class: "break" }, row.description || "–")))))));
}

function command(method, path, operation) {
  const kinds = Object.keys(operation.requestBody?.content ?? {});
  const body = kinds.length ? ` -H 'Content-Type: ${kinds[0]}' --data-binary @body` : "";
  const verb = method === "GET" ? "" : ` -X ${method}`;
  const who = operation.security.length ? ' -H "Authorization: Bearer $TOKEN"' : "";
  return `curl -s${verb}${who}${body} '${location.origin}${to(path)}'`;
}

function detail(method, path, operation, document) {
  const role = operation["x-role"];
  const parts = [make("p", { class: "muted" }, role ? `For the role ${role} or above` : "For everybody, without a log-in")];
  if (method !== "GET") parts.push(...(operation.parameters ?? []).map((each) => make("p", {}, make("code", {}, each.name), ` (${each.in}): `, [each.description, typeOf(each.schema, document)].filter(Boolean).join("; "))));
  else if (role && ROLES.indexOf(role) > mine) parts.push(note("info", `Your role, ${place.dataset.role}, may not read this.`));
  else parts.push(trial(path, operation, document));
  parts.push(make("pre", { class: "mono" }, command(method, path, operation)));
  for (const [kind, { schema }] of Object.entries(operation.requestBody?.content ?? {})) parts.push(fieldTable(`Body, ${kind}`, schema, document));
  for (const [kind, { schema }] of Object.entries(operation.responses["200"].content ?? {})) parts.push(fieldTable(`Answer, ${kind}`, schema, document));
  parts.push(make("p", { class: "muted" }, `Errors: ${Object.keys(operation.responses).filter((code) => code !== "200").join(", ")}, each with error.code and error.message`));
  return make("div", { class: "panel-body stack-small" }, parts);
}

function routeOf(method, path, operation, document) {
  const element = make("details", { class: "disclosure", "data-find": `${method} ${path} ${operation.summary}`.toLowerCase() },
    make("summary", {}, make("span", { class: "tag" }, method), " ", make("code", { class: "break" }, path), " ", make("span", { class: "muted" }, operation.summary)));
  element.addEventListener("toggle", () => element.append(detail(method, path, operation, document)), { once: true });
  return element;
}

function showRoutes(document) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const rows = groups.get(operation.tags[0]) ?? groups.set(operation.tags[0], []).get(operation.tags[0]);
      rows.push(routeOf(method.toUpperCase(), path, operation, document));
    }
  }
  place.querySelector("[data-routes]").replaceChildren(...[...groups].map(([tag, rows]) =>
    make("section", { "aria-label": tag }, make("h3", {}, tag), rows)));
}

function filter(text) {
  const words = text.toLowerCase().split(/\s+/);
  for (const row of place.querySelectorAll("[data-find]")) row.hidden = !words.every((word) => row.dataset.find.includes(word));
  for (const group of place.querySelectorAll("[data-routes] section")) group.hidden = !group.querySelector("[data-find]:not([hidden])");
}

function showMessages(document) {
  const rows = Object.values(document.operations).map(({ action, channel }) => {
    const found = document.channels[channel.$ref.split("/").pop()];
    return { action, found, schema: Object.keys(found.messages)[0], servers: found.servers.map((each) => each.$ref.split("/").pop()) };
  });
  place.querySelector("[data-messages]").replaceChildren(
    make("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Messages, table" },
      make("table", { class: "cards" },
        make("thead", {}, make("tr", {}, ["Topic", "Meaning", "Payload", "Where"].map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, rows.map(({ action, found, schema, servers }) => make("tr", {},
          make("td", { class: "title mono break" }, found.address),
          make("td", { "data-label": "Meaning" }, found.summary),
          make("td", { "data-label": "Payload" }, make("a", { href: to(`/api/schemas/${schema}.json`) }, schema)),
          make("td", { "data-label": "Where" }, `${action === "send" ? "published" : "request"}: ${servers.join(", ")}`)))))));
}

export async function start() {
  const search = place.querySelector("[data-routes-filter]");
  search.addEventListener("submit", (event) => event.preventDefault());
  const find = () => filter(search.querySelector("input").value);
  search.addEventListener("input", find);
  for (const [path, show, where] of [["/api/openapi.json", showRoutes, "[data-routes]"], ["/api/asyncapi.json", showMessages, "[data-messages]"]]) {
    try {
      show(await api("GET", path));
      find();
    } catch (error) {
      place.querySelector(where).replaceChildren(make("div", { class: "panel-body" }, note("error", ...wordsOf(error))));
    }
  }
}
