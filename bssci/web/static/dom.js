// Makes elements from data: text is always text, never markup.

import { to } from "./paths.js";

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function note(kind, ...children) {
  return make("div", { class: `note ${kind}` }, make("div", {}, ...children));
}

// The words of an error. Who is not logged in any more can do so in another tab, and go on here.
export function wordsOf(error) {
  if (error.status !== 401) return [error.message];
  return [error.message, " ", make("a", { href: to("/login"), target: "_blank" }, "Log in in another tab"), ", then do this again."];
}

export function toast(kind, ...content) {
  const box = document.querySelector(".toasts");
  if (!box) return;
  const element = note(kind, ...content);
  // Whoever presses a button again and again reads the same once.
  for (const each of [...box.children]) if (each.firstElementChild.isEqualNode(element.firstElementChild)) each.remove();
  element.append(make("button", { type: "button", class: "plain small-button", onclick: () => element.remove() }, "Close"));
  box.append(element);
  if (kind !== "error") setTimeout(() => element.remove(), 8000);
}

let isLeft = false;

// What is entered is stored, or was given up: the browser need not ask whether to leave.
export const leaving = () => { isLeft = true; };
export const isLeaving = () => isLeft;

// Goes to a path, or loads this page again, and shows a message there.
export function leave(path, kind, text) {
  leaving();
  sessionStorage.setItem("said", JSON.stringify([kind, text]));
  if (path) location.assign(to(path));
  else location.reload();
}

export function arrive() {
  const said = sessionStorage.getItem("said");
  sessionStorage.removeItem("said");
  if (said) toast(...JSON.parse(said));
}

export function octets(hexadecimal) {
  return (hexadecimal.toUpperCase().match(/../g) ?? []).join(" ");
}

// A payload that is JSON as this text, and any other as octets.
export function payload(hexadecimal) {
  if (!/^(7b|5b)/.test(hexadecimal)) return octets(hexadecimal);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(hexadecimal.match(/../g), (each) => parseInt(each, 16)));
    return /^\P{C}*$/u.test(text) ? text : octets(hexadecimal);
  } catch {
    return octets(hexadecimal);
  }
}

// A number in groups of three digits, as the filter `number` of the templates writes it.
export function number(value, digits = 0) {
  const [whole, fraction] = Math.abs(value).toFixed(digits).split(".");
  const sign = value < 0 && Number(value.toFixed(digits)) ? "\u2212" : "";
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + (fraction ? `.${fraction}` : "");
}

// A decoded value with as many digits after the point as it needs, as the filter `measured` of the templates writes it.
export function measured(value, digits = 3) {
  const rounded = Number(value.toFixed(digits));
  if (!rounded && value) return value.toPrecision(3).replace("-", "\u2212");
  let needed = 0;
  while (needed < digits && Number(rounded.toFixed(needed)) !== rounded) needed += 1;
  return number(rounded, needed);
}

export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
