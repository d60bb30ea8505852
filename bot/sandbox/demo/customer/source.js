// Where the demo's pictures come from: the camera, or the drawn face of somebody who does not exist. Served in place of
// the page's own module of this name, by the demo's bot alone.

import { CameraFault, openCamera } from "./camera.js";
import { FRAMES } from "./film.js";
import { $ } from "./screen.js";
import { wait } from "./time.js";

const SIZE = [480, 640];
const PICTURES_A_SECOND = 15;
const PATIENCE_SECONDS = 10;
// A head that is held still by nobody: by how many pixels it sways, and how long it takes.
const SWAY = 7;
const SWAY_SECONDS = 2.3;
const ENLARGED = 1.04;
// Each step with a button that opens the camera has one for the face, too.
const OPENERS = ["ready-open", "fault-again"];

let isDrawn = false;

for (const id of OPENERS) offerFace($(id), id === OPENERS[0]);

function offerFace(opener, isExplained) {
  // A person's own click asks for the camera; ours is not trusted by the browser, which tells the two apart.
  opener.addEventListener("click", (event) => {
    if (event.isTrusted) isDrawn = false;
  });
  const button = document.createElement("button");
  button.type = "button";
  button.className = "act plain";
  button.dataset.words = "sample_use";
  button.addEventListener("click", () => {
    isDrawn = true;
    opener.click();
  });
  opener.after(button);
  if (!isExplained) return;
  const note = document.createElement("p");
  note.className = "small";
  note.dataset.words = "sample_note";
  opener.parentElement.after(note);
}

export function openSource(video, signal) {
  return isDrawn ? openFace(video, signal) : openCamera(video, signal);
}

async function openFace(video, signal) {
  const faces = await loadFaces();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = SIZE;
  const painter = canvas.getContext("2d");
  const paint = () => {
    const at = (performance.now() / 1000 / SWAY_SECONDS) * 2 * Math.PI;
    const [width, height] = SIZE.map((side) => side * ENLARGED);
    const left = (SIZE[0] - width) / 2 + SWAY * Math.sin(at);
    const top = (SIZE[1] - height) / 2 + (SWAY / 2) * Math.sin(2 * at);
    painter.drawImage(faces[taken()], left, top, width, height);
  };
  paint();
  const painting = setInterval(paint, 1000 / PICTURES_A_SECOND);
  const stream = canvas.captureStream(PICTURES_A_SECOND);
  const stop = () => {
    clearInterval(painting);
    for (const track of stream.getTracks()) track.stop();
    if (video.srcObject === stream) video.srcObject = null;
  };
  try {
    if (signal.aborted) throw new CameraFault("other");
    video.srcObject = stream;
    await Promise.race([shows(video), wait(PATIENCE_SECONDS).then(silent)]);
  } catch (fault) {
    stop();
    throw fault instanceof CameraFault ? fault : new CameraFault("other");
  }
  // A drawn face does not leave.
  return { stop, onLost: () => undefined };
}

// The eight pictures of a liveness capture, from a calm face to a smile, and the selfie.
async function loadFaces() {
  const names = [...Array(FRAMES).keys()].map((number) => `sample-${number}.jpg`);
  try {
    return await Promise.all([...names, "sample-selfie.jpg"].map(load));
  } catch {
    throw new CameraFault("other");
  }
}

async function load(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new CameraFault("other");
  return createImageBitmap(await answer.blob());
}

// How many photos are taken, from 0 to FRAMES, as the ring around the face shows: so the face looks another way in each,
// and smiles once that is asked for.
function taken() {
  const left = Number($("ring").getAttribute("stroke-dashoffset")) / 100;
  return Math.min(FRAMES, Math.round((1 - left) * (FRAMES + 1)));
}

async function shows(video) {
  await video.play();
  while (!video.videoWidth || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) await wait(0.05);
}

function silent() {
  throw new CameraFault("silent");
}
