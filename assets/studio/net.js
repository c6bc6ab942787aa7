// Talking to the server: plain requests, and streams of events that end when nobody reads them.

import { lentHeaders } from "./lent.js";

const KEY = "trajflow-session";
// Sessions of this browser that the server keeps, the last used first: a new tab goes on with one that no other shows.
const KEPT = "trajflow-sessions";
const MOST_KEPT = 8;
const ANSWER_MS = 100;
let session = sessionStorage.getItem(KEY);
let onNew = () => {};

const AWAY = "The server does not answer. What you typed is kept; try again.";
const LOST = "The connection was lost. What you typed and what was finished is kept; try again.";
const LAST = ["done", "stopped", "error"];
let renewal = null;

/** What to do with the greeting of a session that had to begin anew. */
export function whenRenewed(action) { onNew = action; }

// A duplicated tab has a copy of what the first one keeps: each page tells whoever asks which session it shows.
const elsewhere = new Set();
let channel = null;
// Since when this page has been asking; of two that ask at once the first keeps their session.
let since = 0;

function listen() {
  channel = new BroadcastChannel("trajflow");
  channel.onmessage = ({ data }) => {
    if (data.shown) elsewhere.add(data.shown);
    else if (session && since < data.since) channel.postMessage({ shown: session });
  };
}

/** Leave a session to the page that shows it; whether that was so. */
async function yielded() {
  elsewhere.clear();
  since = Date.now() + Math.random();
  channel.postMessage({ since });
  await new Promise((done) => setTimeout(done, ANSWER_MS));
  since = 0;
  if (!elsewhere.has(session)) return false;
  session = null;
  sessionStorage.removeItem(KEY);
  return true;
}

listen();
const settled = session || kept().length ? yielded() : null;

export async function hello() {
  await settled;
  const body = JSON.stringify({ session, others: kept().filter((key) => !elsewhere.has(key)) });
  const answer = await fetch("studio/hello", { method: "POST", body }).catch(() => { throw new Error(AWAY); });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || AWAY);
  const greeting = await answer.json();
  greeting.was = session;
  session = greeting.session;
  sessionStorage.setItem(KEY, session);
  remember(greeting.kept_days !== null);
  return greeting;
}

function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) || []; } catch { return []; }
}

function remember(isKept) {
  try {
    if (isKept) localStorage.setItem(KEPT, JSON.stringify([session, ...kept().filter((key) => key !== session)].slice(0, MOST_KEPT)));
    else localStorage.removeItem(KEPT);
  } catch { /* private window */ }
}

async function send(path, options, mayRenew = true) {
  const sentAs = session;
  let answer;
  try {
    answer = await fetch(`studio/${path}`, { ...options, headers: { ...options.headers, "x-trajflow-session": session } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(AWAY);
  }
  if (answer.status === 409 && mayRenew) {
    // Of several requests that find it ended, the first begins the new session.
    if (sentAs === session) await (renewal ??= hello().then((greeting) => onNew(greeting)).finally(() => { renewal = null; }));
    return send(path, options, false);
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error || `The server refused (${answer.status}).`);
  }
  return answer;
}

export async function post(name, body = {}, options = {}) {
  return (await send(name, { method: "POST", body: body instanceof Blob ? body : JSON.stringify(body), ...options })).json();
}

export async function download(path, options = {}) {
  return (await send(path, options)).blob();
}

/** The events of a job, as they come; `onTaken` is called once the server has the job. */
export async function* events(name, body, signal, onTaken = () => {}) {
  const answer = await send(name, { method: "POST", body: JSON.stringify(body), signal, headers: await lentHeaders() });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  onTaken();
  let text = "", last = "";
  while (true) {
    const { done, value } = await reader.read().catch((error) => { throw error.name === "AbortError" ? error : new Error(LOST); });
    if (done && !LAST.includes(last)) throw new Error(LOST);
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const event = JSON.parse(text.slice(6, end));
      last = event.type;
      yield event;
      text = text.slice(end + 2);
    }
  }
}

addEventListener("pagehide", () => {
  // In the browser's own cache it shows nothing, and leaves its session to who asks meanwhile.
  channel.close();
  if (session) navigator.sendBeacon("studio/leave", JSON.stringify({ session }));
});
addEventListener("pageshow", async ({ persisted }) => {
  if (!persisted) return;
  listen();
  if (await yielded()) location.reload();
});
