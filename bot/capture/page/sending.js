// Hands the photos in, and tries again for as long as that may help: the page keeps them, nobody else does.

import { NoAnswer, hand } from "./door.js";
import { FRAMES } from "./film.js";
import { $, onPress, show, showWith } from "./screen.js";
import { say } from "./words.js";

// From the first byte to Smile ID's own answer.
const ANSWER_SECONDS = 180;
const SLOW_SECONDS = 20;
const PAUSES_SECONDS = [3, 6, 12, 24, 45, 60, 60, 60];
const FLAWS = {
  small: "flaw_small",
  narrow: "flaw_narrow",
  dark: "flaw_dark",
  bright: "flaw_bright",
  blurred: "flaw_blurred",
  same_picture: "flaw_same_picture",
};
const NETWORK = ["waiting_network_heading", "waiting_network"];
const BUSY = ["waiting_busy_heading", "waiting_busy"];
const UNDER_WAY = ["waiting_under_way_heading", "waiting_under_way"];
// Beside every 5xx: nobody answered, or not now.
const CAUSES = { 0: NETWORK, 200: NETWORK, 408: NETWORK, 425: UNDER_WAY, 429: BUSY };

const nothing = () => {};

let flow = null;
let resume = nothing;
let stop = nothing;

export function prepareSending(given) {
  flow = given;
  onPress("waiting-now", () => resume());
  addEventListener("online", () => resume());
}

// No further try: the customer has taken their yes back.
export function stopSending() {
  stop();
}

export async function send(photos) {
  const body = pack(photos);
  for (let tries = 0; ; tries += 1) {
    const answer = await tryOnce(body);
    const { status, told } = answer;
    if (status === 200 && told && told.step === "taken") return flow.onTaken();
    if (status === 422) return showFlaws(told);
    const cause = CAUSES[status] || (status >= 500 ? BUSY : null);
    // A fault of ours in what was sent: other photos may be taken.
    if (!cause) return flow.refused(answer, flow.onRetake);
    await pause(cause, tries, answer.wait);
  }
}

// `KYC1`, then nine times a length of four bytes and a JPEG; the selfie last.
function pack({ liveness, selfie }) {
  const parts = ["KYC1"];
  for (const photo of [...liveness, selfie]) {
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, photo.size);
    parts.push(length.buffer, photo);
  }
  return new Blob(parts, { type: "application/octet-stream" });
}

async function tryOnce(body) {
  $("sending-bar").value = 0;
  say($("sending-text"), "sending_begins");
  show("sending");
  const slow = setTimeout(() => say($("sending-text"), "sending_slow"), SLOW_SECONDS * 1000);
  try {
    return await hand("photos", body, ANSWER_SECONDS, progress);
  } catch (failure) {
    if (!(failure instanceof NoAnswer)) throw failure;
    return { status: 0, told: null, wait: 0 };
  } finally {
    clearTimeout(slow);
  }
}

function progress(share) {
  $("sending-bar").value = Math.round(share * 100);
  if (share >= 1) say($("sending-text"), "sending_passing");
}

// Until the next try is due, the network is back, or the customer does not want to wait. The first tries come by
// themselves; then the customer says when.
function pause(cause, tries, asked) {
  const [heading, text] = cause;
  const automatic = tries < PAUSES_SECONDS.length;
  let left = Math.ceil(Math.max(automatic ? PAUSES_SECONDS[tries] : 0, asked));
  showWith("waiting", [["waiting-heading", heading], ["waiting-text", text]]);
  return new Promise((done) => {
    let timer = 0;
    stop = () => {
      clearInterval(timer);
      resume = stop = nothing;
    };
    resume = () => {
      stop();
      done();
    };
    if (!automatic) {
      say($("waiting-when"), "waiting_stopped");
      return;
    }
    const count = () => {
      if (left <= 0) resume();
      else say($("waiting-when"), "waiting_when", { seconds: left });
      left -= 1;
    };
    timer = setInterval(count, 1000);
    count();
  });
}

// Which photos cannot be used and why, one line for each reason.
function showFlaws(told) {
  const found = told && Array.isArray(told.flaws) ? told.flaws : [];
  const lines = new Map();
  for (const { photo, number, flaw } of found.filter(Boolean)) {
    const line = `${photo} ${flaw}`;
    if (!lines.has(line)) lines.set(line, { photo, flaw, numbers: [] });
    if (number) lines.get(line).numbers.push(number);
  }
  if (!lines.size) lines.set("", { photo: "", flaw: "", numbers: [] });
  $("flaws-list").replaceChildren(...[...lines.values()].map(line));
  show("flaws");
}

function line({ photo, flaw, numbers }) {
  const item = document.createElement("li");
  const which = document.createElement("strong");
  const why = document.createElement("span");
  if (photo === "selfie") say(which, "flaw_of_selfie");
  else if (!numbers.length || numbers.length === FRAMES) say(which, "flaw_of_all");
  else say(which, numbers.length > 1 ? "flaw_of_several" : "flaw_of_one", { numbers: numbers.join(", ") });
  say(why, FLAWS[flaw] || "flaw_unusable");
  item.append(which, " ", why);
  return item;
}
