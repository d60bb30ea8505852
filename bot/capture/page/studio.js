// Before the camera: getting ready, the picture in its oval, taking the photos, looking at them.

import { isAndroid, isApple } from "./browsers.js";
import { CameraFault } from "./camera.js";
import { CALM_FRAMES, FRAMES, film } from "./film.js";
import { judge } from "./light.js";
import { $, note, onPress, show, showWith, step } from "./screen.js";
import { openSource } from "./source.js";
import { describe, hush, say } from "./words.js";

const SLOW_SECONDS = 15;
const HINT_SECONDS = 0.7;
const HINTS = { dark: "hint_dark", bright: "hint_bright", blurred: "hint_blurred" };
const REVIEW_NOTES = { dark: "review_dark", bright: "review_bright", blurred: "review_blurred" };
const FAULTS = {
  denied: ["fault_denied_heading", deniedText(), false],
  missing: ["fault_missing_heading", "fault_missing", true],
  busy: ["fault_busy_heading", "fault_busy", false],
  unfit: ["fault_unfit_heading", "fault_unfit", true],
  insecure: ["fault_insecure_heading", "fault_insecure", false],
  old: ["fault_old_heading", "fault_old", true],
  silent: ["fault_silent_heading", "fault_silent", true],
  lost: ["fault_lost_heading", "fault_lost", false],
  other: ["fault_other_heading", "fault_other", true],
};

let camera = null;
let visit = new AbortController();
let filming = null;
let photos = null;

export function prepareStudio({ onPhotos }) {
  onPress("ready-open", wake);
  onPress("waking-again", wake);
  onPress("fault-again", wake);
  onPress("review-again", wake);
  onPress("flaws-again", wake);
  // Not by `onPress`: while photos are taken, the same button stops it.
  $("filming-start").addEventListener("click", () => (filming ? filming.abort() : take()));
  onPress("review-send", () => void onPhotos(photos));
  document.addEventListener("visibilitychange", () => document.hidden && outOfSight());
  addEventListener("pagehide", outOfSight);
}

// A page that nobody sees takes no pictures; one that comes back begins anew.
function outOfSight() {
  if (!["waking", "filming"].includes(step())) return;
  leaveStudio();
  note("ready-note", "ready_left");
  show("ready");
}

export function showReady() {
  leaveStudio();
  note("ready-note", "");
  show("ready");
}

// The camera off, and what it took forgotten.
export function leaveStudio() {
  shut();
  forget();
}

function shut() {
  visit.abort();
  if (filming) filming.abort();
  if (camera) camera.stop();
  camera = null;
}

function forget() {
  for (const picture of document.querySelectorAll(".pictures img")) {
    URL.revokeObjectURL(picture.src);
    picture.removeAttribute("src");
  }
  $("review-frames").replaceChildren();
  photos = null;
}

async function wake() {
  leaveStudio();
  visit = new AbortController();
  const { signal } = visit;
  hush($("waking-slow"));
  $("waking-acts").hidden = true;
  show("waking");
  const slow = setTimeout(() => {
    if (signal.aborted) return;
    say($("waking-slow"), "waking_slow");
    $("waking-acts").hidden = false;
  }, SLOW_SECONDS * 1000);
  try {
    const opened = await openSource($("video"), signal);
    if (signal.aborted) {
      opened.stop();
      return;
    }
    camera = opened;
    camera.onLost(() => signal.aborted || showFault("lost"));
    preview(signal);
  } catch (fault) {
    if (!signal.aborted) showFault(fault instanceof CameraFault ? fault.kind : "other");
  } finally {
    clearTimeout(slow);
  }
}

function preview(signal) {
  idle();
  hush($("hint"));
  show("filming");
  let last = "";
  const look = () => {
    if (signal.aborted) return;
    const found = judge($("video"));
    // Twice in a row: a hand before the lens is no hint.
    if (found === last) {
      if (!found) hush($("hint"));
      else if ($("hint").dataset.words !== HINTS[found]) say($("hint"), HINTS[found]);
    }
    last = found;
    setTimeout(look, HINT_SECONDS * 1000);
  };
  look();
}

function idle() {
  filming = null;
  $("filming").classList.remove("takes");
  ring(0);
  hush($("cue"));
  say($("filming-start"), "filming_start");
  $("filming-start").classList.remove("plain");
}

async function take() {
  const mine = new AbortController();
  filming = mine;
  $("filming").classList.add("takes");
  say($("filming-start"), "filming_stop");
  $("filming-start").classList.add("plain");
  try {
    const taken = await film($("video"), mine.signal, cue);
    if (taken) review(taken);
    // Stopped by its user, who is still here; who leaves has been shown another step.
    else if (!visit.signal.aborted && filming === mine) idle();
  } catch (fault) {
    if (!mine.signal.aborted) showFault(fault instanceof CameraFault ? fault.kind : "other");
  }
}

function cue(taken) {
  if (filming && filming.signal.aborted) return;
  ring(taken / (FRAMES + 1));
  if (taken === 0) say($("cue"), "cue_straight");
  else if (taken === CALM_FRAMES) say($("cue"), "cue_smile");
  else if (taken === FRAMES) say($("cue"), "cue_still");
}

function ring(share) {
  $("ring").setAttribute("stroke-dashoffset", String(100 - 100 * share));
}

function review(taken) {
  const found = judge($("video"));
  filming = null;
  shut();
  photos = taken;
  note("review-note", REVIEW_NOTES[found]);
  $("review-selfie").src = URL.createObjectURL(taken.selfie);
  $("review-frames").replaceChildren(
    ...taken.liveness.map((frame, index) => {
      const picture = document.createElement("img");
      picture.src = URL.createObjectURL(frame);
      describe(picture, "review_frame", { number: index + 1, total: FRAMES });
      return picture;
    }),
  );
  show("review");
}

function deniedText() {
  if (isApple) return "fault_denied_apple";
  return isAndroid ? "fault_denied_android" : "fault_denied_computer";
}

function showFault(kind) {
  leaveStudio();
  const [heading, text, elsewhere] = FAULTS[kind];
  $("fault-copy").hidden = !elsewhere;
  showWith("fault", [["fault-heading", heading], ["fault-text", text]]);
}
