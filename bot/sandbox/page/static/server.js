// What is told to the server, and what it or Slack's client says at once.

export const $ = (id) => document.getElementById(id);

// Who looks at what: person, place, thread, and how many messages are shown.
export const page = document.body.dataset;

export function address(...parts) {
  return ["/as", page.person, ...parts].map((part) => (part === "/as" ? part : encodeURIComponent(part))).join("/");
}

// Does an act of the person, or posts to an address of the desk. After each answer "answered" happens on the document.
export async function post(act, body) {
  const url = act.startsWith("/") ? act : address(act);
  const isForm = body instanceof FormData;
  const headers = { "X-Workspace": "1", ...(isForm ? {} : { "Content-Type": "application/json" }) };
  const sent = { method: "POST", headers, body: isForm ? body : JSON.stringify(body) };
  const response = await fetch(url, sent).catch(() => null);
  if (!response) {
    say("The workspace does not answer. Is the demo still running?");
    return { ok: false };
  }
  const told = await response.json().catch(() => ({ ok: response.ok }));
  if (told.says) say(told.says);
  document.dispatchEvent(new Event("answered"));
  return told;
}

export function say(words) {
  const toast = document.createElement("p");
  toast.className = "toast";
  toast.textContent = words;
  const toasts = $("toasts");
  toasts.append(toast);
  // Shown anew, to lie above a dialog that has been opened since.
  if (toasts.matches(":popover-open")) toasts.hidePopover();
  toasts.showPopover();
  setTimeout(() => {
    toast.remove();
    if (!toasts.childElementCount) toasts.hidePopover();
  }, 8000);
}
