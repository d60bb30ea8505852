// What is seen: asks the server for what has changed, keeps the newest message in view, opens and closes the modal.

import { patch } from "./patching.js";
import { $, address, page, post } from "./server.js";

let versions = JSON.parse(page.versions);
const forgotten = new Set();
let asking = null;
let again = false;

// Looks until nothing has been asked for meanwhile. One question at a time: no older answer overtakes a newer one.
export function refresh() {
  if (asking) {
    again = true;
    return asking;
  }
  asking = lookUntilQuiet().finally(() => (asking = null));
  return asking;
}

// Draws this pane anew at the next look, though it may be the same as before.
export function forget(name) {
  forgotten.add(name);
}

async function lookUntilQuiet() {
  do {
    again = false;
    await look();
  } while (again);
}

function here() {
  const query = new URLSearchParams({ seen: document.visibilityState === "visible" ? "1" : "0", shown: page.shown });
  if (page.thread) query.set("thread", page.thread);
  return `${address(page.place, "panes")}?${query}`;
}

async function look() {
  const asked = here();
  for (const name of forgotten) delete versions[name];
  forgotten.clear();
  const response = await fetch(asked, { headers: { "X-Have": JSON.stringify(versions) } }).catch(() => null);
  if (!response || asked !== here()) return;
  // Somebody has left, or the workspace has begun anew: the whole page says so in words.
  if (response.status === 404) location.reload();
  if (!response.ok) return;
  const told = await response.json();
  for (const [name, html] of Object.entries(told.panes)) show(name, html);
  versions = told.versions;
  document.title = `${told.name} · ${document.title.split(" · ").pop()}`;
  $("messages").setAttribute("aria-label", `Messages in ${told.name}`);
}

function show(name, html) {
  const pane = $(name);
  if (!pane) return;
  const lists = () => [pane, ...pane.querySelectorAll(".scroll")].filter((list) => list.matches(".scroll"));
  const before = new Map(lists().map((list) => [list, !isLow(list) && anchorOf(list)]));
  patch(pane, html);
  if (name === "thread") document.body.classList.toggle("has-thread", pane.childElementCount > 0);
  for (const list of lists()) {
    if (before.get(list)) hold(list, before.get(list));
    else toEnd(list);
  }
  if (name === "modal") showModal();
}

// Who reads an older message goes on reading it, also when what stands above it changes.

function anchorOf(list) {
  const { top } = list.getBoundingClientRect();
  const post = [...list.querySelectorAll(".post")].find((one) => one.getBoundingClientRect().bottom > top);
  return { post, at: post && post.getBoundingClientRect().top };
}

function hold(list, { post, at }) {
  if (post && post.isConnected) list.scrollTop += post.getBoundingClientRect().top - at;
}

// Who reads the newest message goes on reading it, also when pictures arrive or a panel opens beside it.

const low = new WeakSet();
const sizes = new WeakMap();
const isHome = (list) => page.place === "home" && list.id === "messages";
const sizeOf = (list) => `${list.clientWidth} × ${list.clientHeight}`;

function isLow(list) {
  return list.scrollHeight - list.scrollTop - list.clientHeight < 60;
}

// The end of a list of messages; a Home tab is read from its beginning.
export function toEnd(list) {
  if (isHome(list)) return;
  low.add(list);
  list.scrollTop = list.scrollHeight;
  sizes.set(list, sizeOf(list));
}

function keepLow() {
  for (const list of document.querySelectorAll(".scroll")) if (low.has(list)) toEnd(list);
}

function noteScroll({ target }) {
  if (!target.matches || !target.matches(".scroll")) return;
  const isResized = sizes.get(target) !== sizeOf(target);
  sizes.set(target, sizeOf(target));
  if (isLow(target) && !isHome(target)) low.add(target);
  // A list that becomes narrower is scrolled by the browser, and by nobody.
  else if (!isResized) low.delete(target);
}

// The modal: the view that lies on top, as the server has it.

let focusBefore = null;

function showModal() {
  const dialog = $("modal");
  const form = dialog.querySelector("form");
  if (form && !dialog.open) {
    focusBefore = document.activeElement;
    dialog.showModal();
  }
  if (!form && dialog.open) {
    dialog.close();
    if (focusBefore && focusBefore.isConnected) focusBefore.focus();
  }
  const shown = dialog.dataset.shows;
  dialog.dataset.shows = form ? form.dataset.view : "";
  if (!form || shown === form.dataset.view) return;
  const fields = "[autofocus], .inside select, .inside input, .inside textarea, .inside button, .foot button";
  form.querySelector(fields)?.focus();
}

// Goes to another place of the same person without loading the page anew.
export async function go(url, { remember = true } = {}) {
  const target = new URL(url, location.href);
  const [person, place] = target.pathname.split("/").slice(2).map(decodeURIComponent);
  if (person !== page.person) {
    location.assign(url);
    return;
  }
  const hasMoved = place !== page.place;
  page.place = place;
  page.thread = target.searchParams.get("thread") || "";
  page.shown = target.searchParams.get("shown") || (hasMoved ? page.least : page.shown);
  if (remember) history.pushState(null, "", url);
  document.body.classList.remove("shows-sidebar");
  versions = {};
  if (hasMoved && page.place === "home") post("home", {});
  await refresh();
  if (hasMoved) $("messages").scrollTop = 0;
  if (hasMoved && !target.hash) toEnd($("messages"));
  if (page.thread) $("thread").querySelector("textarea")?.focus();
  if (target.hash) $(target.hash.slice(1))?.scrollIntoView({ block: "center" });
}

export function begin() {
  page.least = page.shown;
  document.body.classList.toggle("has-thread", $("thread").childElementCount > 0);
  for (const list of document.querySelectorAll(".scroll")) toEnd(list);
  showModal();
  document.addEventListener("scroll", noteScroll, true);
  document.addEventListener("load", ({ target }) => target.nodeName === "IMG" && keepLow(), true);
  new ResizeObserver(keepLow).observe($("messages"));
  addEventListener("popstate", () => go(location.href, { remember: false }));
  document.addEventListener("answered", refresh);
  if (page.place === "home") post("home", {});
}
