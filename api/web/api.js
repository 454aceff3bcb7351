// The public API from a page: problems become errors, a key is asked for once, and a server that
// is gone is said and waited for.

import { askForKey, heldKey } from "./key.js";

const WAITS_SECONDS = [0.5, 1, 2, 4, 5];
const AWAY = [502, 503, 504];
const watchers = new Set();
let isAway = false;

/** What the API said is wrong: its title, its sentence in `message`, the faults by field. */
export class ProblemError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? problem.title ?? `the server answered ${status}`);
    this.status = status;
    this.title = problem.title ?? "";
    this.type = (problem.type ?? "").split(":").pop();
    this.errors = problem.errors ?? [];
    this.retryAfterSeconds = retryAfter;
  }
}

/** No answer came: the server is gone, or its database is. */
export class UnreachableError extends Error {}

/** Call `watch(isAway)` whenever the server goes or comes back. */
export function onAway(watch) {
  watchers.add(watch);
}

/** The JSON at a path, asked again until the server answers or the `signal` aborts. */
export function get(path, { signal, query } = {}) {
  return patiently(() => json("GET", withQuery(path, query), { signal }), signal);
}

/** Look at something with a body; as harmless as `get`, and as patient. */
export function look(path, body, { signal } = {}) {
  return patiently(() => json("POST", path, { body, signal }), signal);
}

/** Make something once: asked again with the same key while the server is gone. */
export function create(path, body, { signal } = {}) {
  const headers = { "Idempotency-Key": randomKey() };
  return patiently(() => json("POST", path, { body, signal, headers }), signal);
}

/** Any other request, tried once; null where nothing is answered. */
export function send(method, path, body, { signal } = {}) {
  return json(method, path, { body, signal });
}

/** The text at a path. */
export function getText(path, { signal } = {}) {
  return patiently(async () => textOf(await request("GET", path, { signal }), signal), signal);
}

/** Send a file; `onProgress(share)` as it goes. */
export async function upload(file, { onProgress, signal } = {}) {
  for (;;) {
    const answer = await sendFile(file, onProgress, signal);
    if (answer.status === 401) await askForKey(problemOf(answer.text).detail);
    else if (answer.status < 300) return JSON.parse(answer.text);
    else throw new ProblemError(answer.status, problemOf(answer.text));
  }
}

/** A request with the key, if there is one; raises ProblemError or UnreachableError. */
export async function request(method, path, { body, signal, headers } = {}) {
  for (;;) {
    const answer = await fetched(method, path, body, signal, headers);
    if (answer.ok) return answer;
    const problem = problemOf(await textOf(answer, signal));
    if (answer.status === 401) await askForKey(problem.detail);
    else throw new ProblemError(answer.status, problem, Number(answer.headers.get("retry-after")) || null);
  }
}

/** Do it again and again while the server is gone. */
export async function patiently(ask, signal) {
  for (let n = 0; ; n += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
    await pause(WAITS_SECONDS[Math.min(n, WAITS_SECONDS.length - 1)], signal);
  }
}

/** Resolve after so many seconds, reject at once when the `signal` aborts. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, 1000 * seconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function json(method, path, given) {
  const answer = await request(method, path, given);
  return answer.status === 204 ? null : JSON.parse(await textOf(answer, given.signal));
}

/** The whole body; a server may go in the middle of it. */
async function textOf(answer, signal) {
  try {
    return await answer.text();
  } catch (error) {
    throw signal?.aborted ? error : gone();
  }
}

function gone() {
  setAway(true);
  return new UnreachableError("the server does not answer");
}

async function fetched(method, path, body, signal, headers) {
  const all = { ...headers, ...keyHeaders() };
  if (body !== undefined) all["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    throw signal?.aborted ? error : gone();
  }
  setAway(AWAY.includes(answer.status));
  if (isAway) throw new UnreachableError("the service is not ready");
  return answer;
}

function sendFile(file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest(); // fetch does not tell how much has been sent
    sending.open("POST", withQuery("/v1/uploads", { name: file.name.slice(0, 200) }));
    for (const [name, value] of Object.entries(keyHeaders())) sending.setRequestHeader(name, value);
    sending.upload.onprogress = (event) => onProgress?.(event.total ? event.loaded / event.total : 0);
    sending.onload = () => resolve({ status: sending.status, text: sending.responseText });
    sending.onerror = () => {
      setAway(true);
      reject(new UnreachableError("the file was not sent: the server does not answer"));
    };
    sending.onabort = () => reject(signal.reason);
    signal?.addEventListener("abort", () => sending.abort(), { once: true });
    sending.send(file);
  });
}

function keyHeaders() {
  const key = heldKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function withQuery(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

function problemOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function setAway(isNow) {
  if (isNow === isAway) return;
  isAway = isNow;
  for (const watch of watchers) watch(isAway);
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
