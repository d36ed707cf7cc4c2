// Requests to the JSON API: one function and one class of error.

import { to } from "./paths.js";

export class ApiError extends Error {
  constructor(status, error, answer = {}) {
    super(error.message ?? `The service answered ${status}.`);
    this.status = status;
    this.code = error.code;
    this.field = error.field;
    this.each = error.errors;
    this.answer = answer;
  }
}

async function send(method, path, body, type) {
  const headers = { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content };
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  try {
    return await fetch(to(path), {
      method,
      headers,
      body: body === undefined || type ? body : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new ApiError(0, { message: "The service cannot be reached. Look whether this was done before you try again." });
  }
}

async function refusalOf(response) {
  const answer = await response.json().catch(() => ({}));
  return new ApiError(response.status, answer.error ?? {}, answer);
}

// Takes over the session that the same user has begun in another tab; resolves to whether there is one.
async function isTakenOver() {
  const meta = document.querySelector("meta[name=csrf]");
  const response = await send("GET", "/api/me");
  if (!response.ok) return false;
  const { name, csrf } = await response.json();
  if (!csrf || csrf === meta.content || name !== meta.dataset.user) return false;
  meta.content = csrf;
  return true;
}

// Somebody whose session has ended stays on the page, and keeps what is entered there.
export async function request(method, path, body, type) {
  let response = await send(method, path, body, type);
  if (response.ok) return response;
  let refusal = await refusalOf(response);
  if (refusal.code === "csrf" && (await isTakenOver())) {
    response = await send(method, path, body, type);
    if (response.ok) return response;
    refusal = await refusalOf(response);
  }
  if (refusal.code === "csrf") refusal.message = "Somebody else has logged in in this browser since. Load the page again to go on as that user.";
  if (refusal.status === 401) refusal.message = "Your session has ended. What you have entered stays here.";
  throw refusal;
}

export async function api(method, path, body, type) {
  const response = await request(method, path, body, type);
  return response.status === 204 ? {} : response.json();
}
