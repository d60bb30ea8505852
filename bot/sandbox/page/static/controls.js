// Buttons, menus and fields that the bot has sent: what is done with them in a message, on the Home tab and in a modal.

import { theirs } from "./patching.js";
import { forget, refresh } from "./panes.js";
import { $, address, post } from "./server.js";

export function placeOf(control) {
  const form = control.closest("[data-view]");
  if (form) return { view: form.dataset.view };
  if (control.closest("[data-home]")) return { home: true };
  const message = control.closest("[data-ts]");
  return { channel: message.dataset.channel, ts: message.dataset.ts };
}

let last = Promise.resolve();

// One after the other, since each act may change the form under the next.
export function inTurn(work) {
  last = last.then(work, work);
  return last;
}

// A second click while the first is under way is none.
export async function busy(control, work) {
  if (control.getAttribute("aria-busy") === "true") return undefined;
  control.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    control.removeAttribute("aria-busy");
  }
}

// Whether the person says yes to the question that the bot has set before this control.
const elementOf = (control) => ({ ...placeOf(control), block: control.dataset.block, action: control.dataset.action });

function confirmed(control) {
  const dialog = control.dataset.confirm && $(control.dataset.confirm);
  if (!dialog) return Promise.resolve(true);
  return new Promise((answer) => {
    dialog.returnValue = "deny";
    dialog.showModal();
    dialog.addEventListener("close", () => answer(dialog.returnValue === "confirm"), { once: true });
  });
}

export async function press(control) {
  if (!(await confirmed(control))) return;
  const pressed = { ...elementOf(control), value: control.dataset.value };
  await busy(control, () => inTurn(() => post("click", pressed)));
}

// What a form holds is kept by the server, field by field.

async function hold(control, act, value) {
  const field = { ...elementOf(control), ...value };
  theirs.add(control);
  const told = await inTurn(() => post(act, field));
  theirs.delete(control);
  if (told.ok) return;
  forget("modal");
  refresh();
}

export async function choose(control, value, more = {}) {
  const place = placeOf(control);
  if (place.view) await hold(control, "choose", { value, ...more });
  else await inTurn(() => post("click", { ...elementOf(control), value }));
}

async function chooseIfConfirmed(control) {
  if (await confirmed(control)) await choose(control, control.value);
  else control.value = control.dataset.kept || "";
}

function tick(group, box) {
  const ticked = [...group.querySelectorAll("input:checked")].map((one) => one.value);
  return choose(group, box.type === "radio" ? ticked[0] : ticked);
}

// Words are sent when the field is left, and after a pause: at once where the bot wants each character.

const SOON_MS = 300;
const LATER_MS = 1200;
const timers = new WeakMap();

function later(control, work, milliseconds) {
  clearTimeout(timers.get(control));
  timers.set(control, setTimeout(work, milliseconds));
}

function fill(control, more = {}) {
  clearTimeout(timers.get(control));
  timers.delete(control);
  if (control.isConnected) return hold(control, "fill", { text: control.value, ...more });
  theirs.delete(control);
  return Promise.resolve();
}

function type(control) {
  theirs.add(control);
  const isAwaited = (control.dataset.on || "").includes("on_character_entered");
  later(control, () => fill(control), isAwaited ? SOON_MS : LATER_MS);
}

function enter(control, form) {
  const isAwaited = (control.dataset.on || "").includes("on_enter_pressed") && control.dataset.tells;
  if (isAwaited) fill(control, { enter: true });
  else if (form) submit(form);
}

// A menu whose options the bot gives while one types.

async function suggest(control) {
  const typed = control.value;
  const query = new URLSearchParams({ ...placeOf(control), block: control.dataset.block, typed });
  const response = await fetch(`${address("suggest")}?${query}`).catch(() => null);
  if (!response || !response.ok) return;
  const { options } = await response.json();
  control.dataset.asked = typed;
  control.list.replaceChildren(
    ...options.map((option) => {
      const entry = document.createElement("option");
      entry.value = option.text;
      entry.dataset.value = option.value;
      return entry;
    }),
  );
}

function takeSuggestion(control) {
  const found = [...control.list.options].find((option) => option.value === control.value);
  if (found) choose(control, found.dataset.value, { typed: control.dataset.asked });
}

// Files

export function attach(control, files, { samples = false } = {}) {
  const form = new FormData();
  form.set("view", placeOf(control).view);
  form.set("block", control.dataset.block);
  if (samples) form.set("samples", "1");
  for (const file of files) form.append("files", file);
  return busy(control, () => inTurn(() => post("attach", form)));
}

async function attachChosen(control) {
  await attach(control, [...control.files]);
  control.value = "";
}

// Sending and closing

export async function submit(form) {
  const button = form.querySelector("[data-act=submit]");
  if (!button) return;
  await busy(button, async () => {
    for (const control of form.querySelectorAll("[data-act=type]")) if (timers.has(control)) fill(control);
    await inTurn(() => post("submit", { view: form.dataset.view }));
    await refresh();
  });
  if (form.isConnected) form.querySelector("[aria-invalid=true], .wrong input, .wrong select")?.focus();
}

function closeAll(event) {
  // The browser would close the dialog by itself; here the server does, and tells the bot where it wants to know.
  if (event.target !== $("modal")) return;
  event.preventDefault();
  const form = $("modal").querySelector("form");
  if (form) inTurn(() => post("close", { view: form.dataset.view, all: true }));
}

export const CLICKS = {
  press,
  samples: (control) => attach(control, [], { samples: true }),
  detach: (control) =>
    inTurn(() => post("detach", { ...placeOf(control), block: control.dataset.block, file: control.dataset.value })),
  close: (control) => inTurn(() => post("close", placeOf(control))),
  "close-all": (control) => inTurn(() => post("close", { ...placeOf(control), all: true })),
};

const CHANGES = { type: fill, attach: attachChosen, suggest: takeSuggestion, choose: chooseIfConfirmed, tick };

export function begin() {
  addEventListener("change", ({ target }) => {
    const control = target.closest("[data-act]");
    if (control && CHANGES[control.dataset.act]) CHANGES[control.dataset.act](control, control === target ? undefined : target);
  });
  addEventListener("input", ({ target }) => {
    if (target.dataset.act === "type") type(target);
    if (target.dataset.act === "suggest" && target.value.length >= Number(target.dataset.least)) {
      later(target, () => suggest(target), SOON_MS);
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("input[data-act=type]")) return;
    event.preventDefault();
    enter(event.target, event.target.closest("form"));
  });
  addEventListener("submit", ({ target }) => target.dataset.act === "submit" && submit(target));
  $("modal").addEventListener("cancel", closeAll);
}
