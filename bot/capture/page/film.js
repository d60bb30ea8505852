// Takes the photos of one capture from a running video: eight liveness images, then the selfie.

import { CameraFault } from "./camera.js";
import { wait } from "./time.js";

export const FRAMES = 8;
// The smile is asked for once so many are taken.
export const CALM_FRAMES = 3;
const READY_SECONDS = 1.2;
// Eight in 5.6 seconds.
const SPACE_SECONDS = 0.8;
const FROZEN_SECONDS = 4;
const FRAME_SIZE = [360, 480];
const SELFIE_SIZE = [480, 640];
const QUALITY = 0.9;

// The upright middle of the picture, in the shape of what is shown.
export function middle(video) {
  const width = Math.min(video.videoWidth, (video.videoHeight * 3) / 4);
  const height = (width * 4) / 3;
  return [(video.videoWidth - width) / 2, (video.videoHeight - height) / 2, width, height];
}

// Gives { liveness, selfie }, JPEGs as Blobs. `onPhoto` hears how many are taken, from 0 on. Ends with null as soon as
// `signal` is aborted. Raises CameraFault if the camera stands still or gives no picture.
export async function film(video, signal, onPhoto) {
  const liveness = [];
  onPhoto(0);
  await wait(READY_SECONDS);
  let seen = -1;
  while (liveness.length < FRAMES) {
    seen = await moved(video, seen, signal);
    if (signal.aborted) return null;
    liveness.push(await photo(video, FRAME_SIZE));
    onPhoto(liveness.length);
    await wait(SPACE_SECONDS);
  }
  await moved(video, seen, signal);
  if (signal.aborted) return null;
  const selfie = await photo(video, SELFIE_SIZE);
  return signal.aborted ? null : { liveness, selfie };
}

// Waits until the camera has given another picture than the last one.
async function moved(video, seen, signal) {
  for (let waited = 0; video.currentTime === seen && !signal.aborted; waited += 0.05) {
    if (waited > FROZEN_SECONDS) throw new CameraFault("silent");
    await wait(0.05);
  }
  return video.currentTime;
}

function photo(video, [width, height]) {
  const from = middle(video);
  // Never made larger than the camera saw it: that adds bytes and no face.
  const scale = Math.min(1, from[2] / width);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(video, ...from, 0, 0, canvas.width, canvas.height);
  return new Promise((done, fail) => {
    const take = (blob) => (blob && blob.size ? done(blob) : fail(new CameraFault("silent")));
    canvas.toBlob(take, "image/jpeg", QUALITY);
  });
}
