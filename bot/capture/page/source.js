// Where the pictures come from. Whoever has another source than a camera serves another module under this name, with a
// function `openSource(video, signal)` that behaves as `openCamera` of ./camera.js does.

export { openCamera as openSource } from "./camera.js";
