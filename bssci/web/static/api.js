// Requests to the JSON API: one function and one class of error.

import { here, to } from "./paths.js";

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

export async function request(method, path, body, type) {
  const headers = { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content };
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  let response;
  try {
    response = await fetch(to(path), {
      method,
      headers,
      body: body === undefined || type ? body : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new ApiError(0, { message: "The service cannot be reached. Nothing is known of what became of this." });
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401) location.assign(to(`/login?next=${encodeURIComponent(here())}`));
    throw new ApiError(response.status, answer.error ?? {}, answer);
  }
  return response;
}

export async function api(method, path, body, type) {
  const response = await request(method, path, body, type);
  return response.status === 204 ? {} : response.json();
}
