// The front camera, shown in a video element. Whoever opens it closes it.

import { wait } from "./time.js";

const FIRST_PICTURE_SECONDS = 10;

// Why there is no picture: "denied", "missing", "busy", "unfit", "insecure", "old", "silent" or "other".
export class CameraFault extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

const KINDS = {
  NotAllowedError: "denied",
  PermissionDeniedError: "denied",
  NotFoundError: "missing",
  DevicesNotFoundError: "missing",
  NotReadableError: "busy",
  TrackStartError: "busy",
  AbortError: "busy",
  OverconstrainedError: "unfit",
  ConstraintNotSatisfiedError: "unfit",
  SecurityError: "insecure",
};

// Wishes only: a camera that cannot fulfil them still gives what it has.
const WISHES = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } };

// Gives { stop, onLost } once the first picture is there. Raises CameraFault. The browser may ask its user for as long
// as it likes; once `signal` is aborted, a camera that comes late is turned off again.
export async function openCamera(video, signal) {
  if (!window.isSecureContext) throw new CameraFault("insecure");
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) throw new CameraFault("old");
  const stream = await askFor(WISHES);
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    if (video.srcObject === stream) video.srcObject = null;
  };
  if (signal.aborted) {
    stop();
    throw new CameraFault("other");
  }
  try {
    video.srcObject = stream;
    await Promise.race([shows(video), wait(FIRST_PICTURE_SECONDS).then(silent)]);
  } catch (fault) {
    stop();
    throw fault instanceof CameraFault ? fault : new CameraFault("other");
  }
  return { stop, onLost: (tell) => stream.getVideoTracks().forEach((track) => track.addEventListener("ended", tell)) };
}

async function askFor(video) {
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (refused) {
    const kind = KINDS[refused && refused.name] || "other";
    if (kind === "unfit" && video !== true) return askFor(true);
    throw new CameraFault(kind);
  }
}

async function shows(video) {
  await video.play();
  // Some cameras say that they play before they know how large their pictures are.
  while (!video.videoWidth || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) await wait(0.05);
}

function silent() {
  throw new CameraFault("silent");
}
