// The link's token and this device's name for itself: in memory, and in this tab's own storage for a reload. Once the
// way has ended, only how it ended and whose link it was.

const TOKEN = "kyc-link";
const DEVICE = "kyc-device";
const ENDING = "kyc-ending";
const COMPANY = "kyc-company";
const memory = {};

function keep(name, value) {
  memory[name] = value;
  try {
    if (value) sessionStorage.setItem(name, value);
    else sessionStorage.removeItem(name);
  } catch {
    // Storage is blocked: only a reload will miss it.
  }
}

export function recall(name) {
  if (memory[name] !== undefined) return memory[name];
  try {
    return sessionStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

export { keep };

// From the address, which then forgets it: nobody reads it over a shoulder or in the history.
export function takeToken() {
  const fragment = location.hash.slice(1);
  if (!fragment) return recall(TOKEN);
  keep(ENDING, "");
  if (/^[A-Za-z0-9_-]{43}$/.test(fragment)) keep(TOKEN, fragment);
  else keep(TOKEN, "");
  history.replaceState(null, "", location.pathname + location.search);
  return recall(TOKEN);
}

export function token() {
  return recall(TOKEN);
}

// Whoever gets the phone next finds nothing in this tab that names the customer, or that the door would know.
export function forgetLink(ending, company) {
  keep(TOKEN, "");
  keep(ENDING, ending);
  keep(COMPANY, company);
}

// For a reload: the step that told of the end, and the company's name.
export function ended() {
  return { ending: recall(ENDING), company: recall(COMPANY) };
}

export function device() {
  if (!recall(DEVICE)) {
    const bytes = crypto.getRandomValues(new Uint8Array(18));
    keep(DEVICE, btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_"));
  }
  return recall(DEVICE);
}

// The whole link, to be opened in another browser.
export function address() {
  return `${location.origin}${location.pathname}#${token()}`;
}
