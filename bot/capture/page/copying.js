// The link as a field and a button, for whoever has to go on in another browser.

import { address } from "./link.js";
import { $, onPress } from "./screen.js";
import { say } from "./words.js";

export function prepareCopies() {
  for (const place of document.querySelectorAll("[data-copy]")) {
    place.append($("copy").content.cloneNode(true));
    const field = place.querySelector("input");
    field.value = address();
    field.addEventListener("focus", () => field.select());
    const told = place.querySelector("[role=status]");
    onPress(place.querySelector("button"), async () => say(told, (await copied(field)) ? "copy_done" : "copy_by_hand"));
  }
}

export function forgetCopies() {
  for (const field of document.querySelectorAll("[data-copy] input")) field.value = "";
}

async function copied(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    // Apps' own browsers often know the older way alone.
    field.select();
    return document.execCommand("copy");
  }
}
