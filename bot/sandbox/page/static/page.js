// The page of the workspace. The server draws every pane; this script tells it what a person does, and patches what has
// changed into the page. For the desk: `workspace.post(url, body)`, `workspace.drop(files)` into the composer,
// `workspace.say(words)`, `workspace.refresh()`.

import * as composer from "./composer.js";
import * as controls from "./controls.js";
import * as live from "./live.js";
import * as panes from "./panes.js";
import { $, page, post, say } from "./server.js";

const CLICKS = {
  ...controls.CLICKS,
  ...composer.CLICKS,
  shortcut: (control) => post("shortcut", { callback: control.dataset.callback }),
  "message-shortcut": (control) =>
    post("message-shortcut", { ...controls.placeOf(control), callback: control.dataset.callback }),
  delete: (control) => post("delete", controls.placeOf(control)),
  dismiss: (control) => post("dismiss", { user: control.dataset.user, ts: control.dataset.ts }),
};

addEventListener("click", (event) => {
  const { target } = event;
  const answer = target.closest("[data-answer]");
  if (answer) answer.closest("dialog").close(answer.dataset.answer);
  closeMenus(target);
  const toggle = target.closest("[data-toggle]");
  if (toggle) togglePanel(toggle);
  const link = target.closest(`a[data-go], a[href^="/as/${CSS.escape(page.person)}/"]:not([download], [target])`);
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    panes.go(link.href);
  }
  const control = target.closest("[data-act]");
  if (control && CLICKS[control.dataset.act]) CLICKS[control.dataset.act](control);
  const posting = target.closest("button[data-post]");
  if (posting) controls.busy(posting, () => post(posting.dataset.post, JSON.parse(posting.dataset.body || "{}")));
});

addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.dataset.post) post(form.dataset.post, Object.fromEntries(new FormData(form)));
});

// Panels and menus

function togglePanel(button) {
  const name = button.dataset.toggle;
  const isShown = document.body.classList.toggle(`shows-${name}`);
  button.setAttribute("aria-expanded", String(isShown));
  if (name === "desk") localStorage.setItem("desk", isShown ? "shown" : "hidden");
}

const OPEN_MENUS = "details.overflow[open], details.members[open]";

function closeMenus(target) {
  for (const menu of document.querySelectorAll(OPEN_MENUS)) {
    if (!menu.contains(target) || target.closest("button, a")) menu.open = false;
  }
}

// A menu that would be cut off below opens upwards.
function placeMenu({ target }) {
  if (!target.open || !target.matches(".overflow")) return;
  target.classList.remove("above");
  const list = target.closest(".scroll, .inside");
  const floor = list ? list.getBoundingClientRect().bottom : innerHeight;
  target.classList.toggle("above", target.lastElementChild.getBoundingClientRect().bottom > floor);
}

document.addEventListener("toggle", placeMenu, true);

addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector(OPEN_MENUS);
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (document.body.classList.contains("shows-sidebar")) {
    togglePanel(document.querySelector("[data-toggle=sidebar]"));
  } else if (event.target.closest("#thread")) {
    panes.go(document.querySelector("#thread [data-escape]").href).then(() => $("composer").querySelector("textarea")?.focus());
  }
});

// Files that are dropped go to the field or the composer below the pointer, else to the channel's composer.

function drop(files, target = null) {
  const field = target?.closest(".input [data-drop]");
  const form = (target?.closest("#thread") ? $("thread") : $("composer")).querySelector("form.composer");
  if (field) controls.attach(field.querySelector("[data-act=attach]"), files);
  else if (form) for (const file of files) composer.addFile(form, file);
}

addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dragging"));
addEventListener("drop", (event) => {
  document.body.classList.remove("dragging");
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  drop([...event.dataTransfer.files], event.target);
});

window.workspace = { post, say, refresh: panes.refresh, drop: (files) => drop([...files]) };
const isWide = matchMedia("(min-width: 1500px)").matches;
if ($("desk") && isWide && localStorage.getItem("desk") !== "hidden") togglePanel(document.querySelector("[data-toggle=desk]"));
composer.begin();
controls.begin();
panes.begin();
live.begin();
