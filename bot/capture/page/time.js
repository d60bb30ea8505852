export function wait(seconds) {
  return new Promise((done) => setTimeout(done, seconds * 1000));
}
