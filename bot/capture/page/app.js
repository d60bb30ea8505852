// The way through the page: open the link, agree, take the photos, hand them in. Each part has a module of its own.

import { device, ended, forgetLink, keep, recall, takeToken } from "./link.js";
import { NoAnswer, post } from "./door.js";
import { $, onPress, show, showWith } from "./screen.js";
import { chosen, firstSpoken, hush, know, languages, loadWords, say, speak } from "./words.js";
import { inApp, properBrowser } from "./browsers.js";
import { forgetConsent, prepareConsent, showConsent } from "./consent.js";
import { forgetCopies, prepareCopies } from "./copying.js";
import { leaveStudio, prepareStudio, showReady } from "./studio.js";
import { prepareSending, send, stopSending } from "./sending.js";

const ANSWER_SECONDS = 25;
const SLOW_SECONDS = 8;
const LANGUAGE = "kyc-language";
const STAY = "kyc-stay";
const ENDINGS = new Set(["done", "declined", "wrong-person", "ended"]);

let again = null;

async function begin() {
  const link = takeToken();
  if (!(await loadWords())) {
    document.documentElement.classList.add("stuck");
    return;
  }
  prepare();
  speak(firstSpoken([recall(LANGUAGE), ...navigator.languages].filter(Boolean)));
  offerLanguages();
  if (link) await open();
  else if (ENDINGS.has(ended().ending)) showEnded(ended());
  else show("incomplete");
}

function prepare() {
  prepareCopies();
  prepareConsent({ ask, onAgreed: showReady, onLeft: leave, onEnded: end });
  prepareStudio({ onPhotos: send });
  prepareSending({ refused, onRetake: showReady, onTaken: () => end("done") });
  onPress("trouble-again", () => again());
  onPress("elsewhere-here", open);
  onPress("in-app-stay", () => {
    keep(STAY, "yes");
    return open();
  });
  $("language").addEventListener("change", (event) => {
    keep(LANGUAGE, event.target.value);
    speak(event.target.value);
  });
  // Another link that is opened in this tab changes the fragment alone.
  addEventListener("hashchange", () => location.reload());
}

function offerLanguages() {
  $("language").replaceChildren(
    ...languages().map(({ code, name }) => {
      const option = new Option(name, code);
      option.lang = code;
      return option;
    }),
  );
  $("language").value = chosen();
  $("language-choice").hidden = false;
}

function leave() {
  stopSending();
  leaveStudio();
}

// The customer's way is over: the tab forgets the link, and what the page showed of the customer.
function end(ending) {
  leave();
  forgetLink(ending, $("company").textContent);
  forgetConsent();
  forgetCopies();
  show(ending);
}

// The page was loaded anew after that.
function showEnded({ ending, company }) {
  nameCompany(company);
  show(ending);
}

function nameCompany(company) {
  $("company").textContent = company;
  know({ company });
}

async function open() {
  hush($("opening-slow"));
  show("opening");
  const slow = setTimeout(() => say($("opening-slow"), "opening_slow"), SLOW_SECONDS * 1000);
  const answer = await ask("open", {}, open);
  clearTimeout(slow);
  if (!answer) return;
  const told = answer.told;
  if (!told || !["opened", "agreed", "taken"].includes(told.step) || typeof told.company !== "string") {
    trouble("trouble_ours", open);
    return;
  }
  nameCompany(told.company);
  setPrivacy(told.privacy_url);
  go(told);
}

// Wherever the customer was when they reloaded the page, or came from another device.
function go(told) {
  if (told.step === "taken") end("done");
  else if (inApp() && !recall(STAY)) {
    const names = { app: inApp(), browser: properBrowser() };
    showWith("in-app", [["in-app-heading", "in_app_heading", names], ["in-app-text", "in_app_text", names]]);
  } else if (told.step === "agreed") showReady();
  else showConsent(told);
}

function setPrivacy(address) {
  for (const link of document.querySelectorAll("[data-privacy]")) {
    if (/^https?:\/\//.test(address)) link.href = address;
    link.hidden = !link.href;
  }
}

// The answer where it is 200; for any other the step that tells of it, and undefined.
async function ask(name, body, onAgain) {
  let answer;
  try {
    answer = await post(name, body, ANSWER_SECONDS);
  } catch (failure) {
    if (!(failure instanceof NoAnswer)) throw failure;
    trouble("trouble_network", onAgain);
    return undefined;
  }
  if (answer.status === 200) return answer;
  refused(answer, onAgain);
  return undefined;
}

// What every route may answer in place of what was asked for.
function refused({ status }, onAgain) {
  leave();
  if (status === 404 || status === 410) end("ended");
  else if (status === 409) show("elsewhere");
  else if (status === 403) trouble("trouble_origin", onAgain);
  else if (status === 428) askAnew();
  else if (status === 429 || status === 503) trouble("trouble_busy", onAgain);
  else trouble("trouble_ours", onAgain);
}

// What was agreed to is not today's notice: the page itself may be older than that.
function askAnew() {
  if (recall("kyc-anew")) {
    trouble("trouble_ours", open);
    return;
  }
  keep("kyc-anew", "yes");
  location.reload();
}

function trouble(key, onAgain) {
  again = onAgain;
  showWith("trouble", [["trouble-text", key]]);
}

device();
begin();
