// Every word of the page, in the language that the customer chose. An element says which by `data-words`, so that
// another language can be chosen at any time, even while the camera runs.

import { wait } from "./time.js";

let book = null;
let language = "en";
const facts = {};
const values = new WeakMap();

// Whether the words have come: three tries, for a phone that is just finding its network.
export async function loadWords() {
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      const answer = await fetch(new URL("words.json", import.meta.url));
      if (answer.ok) {
        book = await answer.json();
        return true;
      }
    } catch {
      // Told by `false` when the last try has failed.
    }
    await wait(1);
  }
  return false;
}

export function notice() {
  return book.notice;
}

export function languages() {
  return Object.keys(book.languages).map((code) => ({ code, name: book.languages[code].name }));
}

export function chosen() {
  return language;
}

// The first of these that the page speaks: "pt-MZ" is "pt".
export function firstSpoken(codes) {
  const spoken = codes.map((code) => String(code).slice(0, 2).toLowerCase());
  return spoken.find((code) => code in book.languages) || "en";
}

export function speak(code) {
  language = code;
  document.documentElement.lang = code;
  retell();
}

// What sentences name: `{company}` and the like, the same on every step.
export function know(more) {
  Object.assign(facts, more);
  retell();
}

// In an element: these words, now and in whatever language is chosen later.
export function say(element, key, more = {}) {
  element.dataset.words = key;
  values.set(element, more);
  tell(element);
}

export function hush(element) {
  delete element.dataset.words;
  element.textContent = "";
}

export function words(key, more = {}) {
  const known = { ...facts, ...more };
  return book.languages[language].words[key].replace(/\{(\w+)\}/g, (_, name) => {
    const value = known[name];
    return typeof value === "function" ? value() : String(value === undefined ? "" : value);
  });
}

// A point in time as people write it in their language and time zone.
export function moment(iso) {
  const options = { weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(language, options).format(new Date(iso));
}

function tell(element) {
  element.textContent = words(element.dataset.words, values.get(element));
}

function retell() {
  for (const element of document.querySelectorAll("[data-words]")) tell(element);
  for (const element of document.querySelectorAll("[data-words-label]")) {
    element.setAttribute("aria-label", words(element.dataset.wordsLabel));
  }
  for (const element of document.querySelectorAll("[data-words-alt]")) {
    element.setAttribute("alt", words(element.dataset.wordsAlt, values.get(element)));
  }
  document.dispatchEvent(new Event("retold"));
}

// The words of a picture, for whoever cannot see it.
export function describe(picture, key, more = {}) {
  picture.dataset.wordsAlt = key;
  values.set(picture, more);
  picture.setAttribute("alt", words(key, more));
}
