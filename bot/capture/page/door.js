// What is told to the server, and what it answers. Every wait has an end.

import { device, token } from "./link.js";

const LONGEST_WAIT_SECONDS = 300;

// No answer: no network, a server that is away, or an answer that takes too long.
export class NoAnswer extends Error {}

export function headers(type) {
  return { "Kyc-Link": token(), "Kyc-Device": device(), "Content-Type": type };
}

// The routes lie beside the modules, under whatever path the page has.
export function route(name) {
  return new URL(name, import.meta.url).href;
}

// Gives { status, told, wait }: the answer's JSON object, or null for anything else; the seconds it asks to wait.
export async function post(name, body, seconds) {
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(), seconds * 1000);
  try {
    const answer = await fetch(route(name), {
      method: "POST",
      headers: headers("application/json"),
      body: JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal: cut.signal,
    });
    return reading(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  } catch {
    throw new NoAnswer();
  } finally {
    clearTimeout(timer);
  }
}

// Hands in a Blob. `onSent` hears how much of it has left, from 0 to 1: only XMLHttpRequest can tell.
export function hand(name, blob, seconds, onSent) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", route(name));
    const sent = headers("application/octet-stream");
    for (const header of Object.keys(sent)) request.setRequestHeader(header, sent[header]);
    request.timeout = seconds * 1000;
    request.upload.onprogress = (event) => onSent(event.loaded / blob.size);
    request.upload.onload = () => onSent(1);
    request.onload = () => done(reading(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    request.onerror = request.ontimeout = request.onabort = () => fail(new NoAnswer());
    request.send(blob);
  });
}

function reading(status, text, retryAfter) {
  let told = null;
  try {
    const parsed = JSON.parse(text);
    if (parsed && typeof parsed === "object" && !Array.isArray(parsed)) told = parsed;
  } catch {
    // A proxy's page, or half an answer: only its status counts.
  }
  const wait = Number(retryAfter);
  return { status, told, wait: wait > 0 ? Math.min(wait, LONGEST_WAIT_SECONDS) : 0 };
}
