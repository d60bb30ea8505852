// Writing: words, files and commands, in the channel and in a thread.

import { busy } from "./controls.js";
import { toEnd } from "./panes.js";
import { $, post } from "./server.js";

// Files that are to be sent, by form.
const drafts = new WeakMap();
const SAMPLES = "the sample photos";
const SAMPLES_IN_WORDS = "a selfie and 8 liveness images";

export function addFile(form, file) {
  const held = drafts.get(form) || [];
  if (file !== SAMPLES || !held.includes(SAMPLES)) held.push(file);
  drafts.set(form, held);
  drawFiles(form);
  form.querySelector("textarea").focus();
}

function removeFile(button) {
  const form = button.closest("form");
  drafts.get(form).splice([...button.closest("ul").children].indexOf(button.closest("li")), 1);
  drawFiles(form);
  form.querySelector("textarea").focus();
}

function drawFiles(form) {
  form.querySelector(".chips").replaceChildren(
    ...drafts.get(form).map((file) => {
      const chip = document.createElement("li");
      chip.textContent = `▤ ${file === SAMPLES ? SAMPLES_IN_WORDS : file.name} `;
      const away = document.createElement("button");
      away.type = "button";
      away.className = "away";
      away.dataset.act = "remove-file";
      away.textContent = "✕";
      away.setAttribute("aria-label", `Remove ${file === SAMPLES ? SAMPLES : file.name}`);
      chip.append(away);
      return chip;
    }),
  );
}

async function send(form) {
  const words = form.querySelector("textarea");
  const text = words.value;
  const files = drafts.get(form) || [];
  if (!text.trim() && !files.length) return;
  const body = new FormData();
  body.set("channel", form.dataset.channel);
  body.set("thread", form.dataset.thread);
  body.set("text", text);
  for (const file of files) {
    if (file === SAMPLES) body.set("samples", "1");
    else body.append("files", file);
  }
  fillIn(form, "", []);
  toEnd(form.closest("aside, main").querySelector(".scroll"));
  const told = await busy(form, () => post("say", body));
  if (told && !told.ok && !words.value) fillIn(form, text, files);
}

function fillIn(form, text, files) {
  const words = form.querySelector("textarea");
  words.value = text;
  drafts.set(form, files);
  drawFiles(form);
  typed(words);
}

// What is typed grows, is remembered while one looks elsewhere, and is met with what could follow.
function typed(words) {
  words.rows = Math.min(8, words.value.split("\n").length);
  const key = draftKey(words);
  if (words.value) sessionStorage.setItem(key, words.value);
  else sessionStorage.removeItem(key);
  suggest(words);
}

function draftKey(words) {
  return `draft ${words.closest("form").dataset.key}`;
}

function recall() {
  for (const words of document.querySelectorAll("textarea.words:not([data-recalled])")) {
    words.dataset.recalled = "1";
    words.value = words.value || sessionStorage.getItem(draftKey(words)) || "";
  }
}

// Commands

function listOf(words) {
  return $(words.getAttribute("aria-controls"));
}

function suggest(words) {
  const list = listOf(words);
  if (!list) return;
  const start = words.value.toLowerCase();
  for (const entry of list.children) {
    const insert = entry.dataset.insert;
    entry.hidden = !start.startsWith("/") || !insert.startsWith(start) || insert.trim() === start;
    entry.setAttribute("aria-selected", "false");
  }
  list.hidden = [...list.children].every((entry) => entry.hidden);
  words.removeAttribute("aria-activedescendant");
}

function move(words, step) {
  const entries = [...listOf(words).children].filter((entry) => !entry.hidden);
  const at = entries.findIndex((entry) => entry.getAttribute("aria-selected") === "true");
  const next = entries[at < 0 && step < 0 ? entries.length - 1 : (at + step + entries.length) % entries.length];
  for (const entry of entries) entry.setAttribute("aria-selected", String(entry === next));
  words.setAttribute("aria-activedescendant", next.id);
  next.scrollIntoView({ block: "nearest" });
}

function take(words, entry) {
  words.value = entry.dataset.insert;
  typed(words);
  words.focus();
}

// Whether the key was meant for the list of commands.
function keyInList(words, event) {
  const list = listOf(words);
  if (!list || list.hidden || event.shiftKey) return false;
  const chosen = list.querySelector("[aria-selected=true]");
  if (event.key === "ArrowDown") move(words, 1);
  else if (event.key === "ArrowUp") move(words, -1);
  else if (event.key === "Escape") list.hidden = true;
  else if (chosen && (event.key === "Enter" || event.key === "Tab")) take(words, chosen);
  else return false;
  return true;
}

function keyInWords(event) {
  const words = event.target;
  if (!words.matches("textarea.words") || event.isComposing) return;
  const isTaken = keyInList(words, event);
  const isSent = !isTaken && event.key === "Enter" && !event.shiftKey;
  if (isSent) words.form.requestSubmit();
  if (!isTaken && !isSent) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

export const CLICKS = {
  "add-samples": (control) => addFile(control.closest("form"), SAMPLES),
  "remove-file": removeFile,
};

export function begin() {
  addEventListener("keydown", keyInWords);
  addEventListener("input", ({ target }) => target.matches("textarea.words") && typed(target));
  addEventListener("submit", ({ target }) => target.dataset.act === "say" && send(target));
  addEventListener("change", ({ target }) => {
    if (target.dataset.act !== "add-files") return;
    for (const file of target.files) addFile(target.closest("form"), file);
    target.value = "";
  });
  addEventListener("mousedown", (event) => {
    const entry = event.target.closest("[data-insert]");
    if (!entry) return;
    event.preventDefault();
    take(entry.closest("form").querySelector("textarea"), entry);
  });
  new MutationObserver(recall).observe(document.body, { childList: true, subtree: true });
  recall();
}
