// What can be seen of the picture before it is taken: hints, never refusals. The measures are those of the bot's own
// pre-flight, a little stricter, so that whoever follows the hints is not sent back.

import { middle } from "./film.js";

const DARK_MEAN = 50;
const BRIGHT_MEAN = 222;
const SHARP = 14;
const SIZE = [288, 384];

const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = SIZE;
const context = canvas.getContext("2d", { willReadFrequently: true });

// "dark", "bright", "blurred" or "".
export function judge(video) {
  if (!video.videoWidth) return "";
  context.drawImage(video, ...middle(video), 0, 0, ...SIZE);
  const grey = greyOf(context.getImageData(0, 0, ...SIZE).data);
  const light = spread(grey);
  if (light.mean < DARK_MEAN) return "dark";
  if (light.mean > BRIGHT_MEAN) return "bright";
  if (light.deviation <= 4) return "blurred";
  return (100 * spread(edges(grey)).deviation) / light.deviation < SHARP ? "blurred" : "";
}

function greyOf(pixels) {
  const grey = new Float32Array(pixels.length / 4);
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] = 0.299 * pixels[4 * at] + 0.587 * pixels[4 * at + 1] + 0.114 * pixels[4 * at + 2];
  }
  return grey;
}

// How far each pixel is from its four neighbours.
function edges(grey) {
  const [width, height] = SIZE;
  const found = new Float32Array((width - 2) * (height - 2));
  let next = 0;
  for (let y = 1; y < height - 1; y += 1) {
    for (let at = y * width + 1; at < (y + 1) * width - 1; at += 1) {
      const edge = grey[at - 1] + grey[at + 1] + grey[at - width] + grey[at + width] - 4 * grey[at];
      found[next] = Math.max(-128, Math.min(127, edge));
      next += 1;
    }
  }
  return found;
}

function spread(values) {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / values.length - mean * mean)) };
}
