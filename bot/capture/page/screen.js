// One thing at a time: which step is seen, and where keyboard and screen reader go on.

import { say, hush, words } from "./words.js";

export const $ = (id) => document.getElementById(id);

// Of the four parts that a customer counts; what goes wrong has no number.
const PARTS = { consent: 1, ready: 2, waking: 3, filming: 3, review: 4, sending: 4 };
const PARTS_IN_ALL = 4;
// Here the customer may still take back what they agreed to.
const AGREED = new Set(["ready", "waking", "filming", "fault", "review", "waiting", "flaws"]);

export function step() {
  return document.body.dataset.step;
}

// Shows a step and moves the focus to its heading, so that a screen reader begins there.
export function show(name) {
  const changes = step() !== name;
  document.body.dataset.step = name;
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  const place = $("place");
  place.hidden = !(name in PARTS);
  if (name in PARTS) say(place, "place", { number: PARTS[name], total: PARTS_IN_ALL });
  $("footer").hidden = !AGREED.has(name);
  title();
  if (!changes) return;
  scrollTo(0, 0);
  $(name).querySelector("h1").focus({ preventScroll: true });
}

function title() {
  const heading = step() && $(step()).querySelector("h1").textContent;
  const company = $("company").textContent;
  document.title = [heading || words("title"), company].filter(Boolean).join(" – ");
}

document.addEventListener("retold", title);

// A step whose heading depends on what happened.
export function showWith(name, elements) {
  for (const [id, key, more] of elements) say($(id), key, more);
  show(name);
}

export function note(id, key) {
  $(id).hidden = !key;
  if (key) say($(id), key);
  else hush($(id));
}

// Runs `act` once per press: a second finger, or an impatient one, finds the button busy.
export function onPress(id, act) {
  const button = typeof id === "string" ? $(id) : id;
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    button.setAttribute("aria-busy", "true");
    try {
      await act();
    } finally {
      busy = false;
      button.removeAttribute("aria-busy");
    }
  });
}
