// Makes what stands in the page what the server has drawn, and leaves alone what is the same: focus, scroll, open menus
// and words that are not sent yet survive. Elements are matched by data-key; of the same data-version nothing is compared.

// What the page itself sets, and the server does not know of.
const OF_THE_PAGE = new Set(["open", "style", "data-asked", "data-recalled", "aria-busy"]);

// Controls that a person has changed and the server has not heard of yet.
export const theirs = new Set();

export function patch(holder, html) {
  const wanted = document.createElement("template");
  wanted.innerHTML = html;
  patchChildren(holder, wanted.content);
}

function keyOf(node) {
  return node.dataset && node.dataset.key;
}

function patchChildren(now, wanted) {
  const keys = new Set([...wanted.children].map(keyOf));
  const keyed = new Map();
  for (const child of [...now.children]) {
    const key = keyOf(child);
    if (key && keys.has(key)) keyed.set(key, child);
    else if (key) child.remove();
  }
  let at = now.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = keyOf(next);
    let match = key ? keyed.get(key) : at;
    if (match && (match.nodeName !== next.nodeName || (!key && keyOf(match)))) match = null;
    if (!match) {
      now.insertBefore(next, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else now.insertBefore(match, at);
    patchNode(match, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function patchNode(now, wanted) {
  if (now.nodeType !== Node.ELEMENT_NODE) {
    if (now.nodeValue !== wanted.nodeValue) now.nodeValue = wanted.nodeValue;
    return;
  }
  const version = wanted.dataset.version;
  if ((version && now.dataset.version === version) || now.dataset.keep !== undefined) return;
  const held = isHeld(now);
  const isLeft = (name) => OF_THE_PAGE.has(name) || (held && (name === "value" || name === "checked"));
  for (const { name, value } of [...wanted.attributes]) {
    if (now.getAttribute(name) !== value && !isLeft(name)) now.setAttribute(name, value);
  }
  for (const { name } of [...now.attributes]) {
    if (!wanted.hasAttribute(name) && !isLeft(name)) now.removeAttribute(name);
  }
  if (now.nodeName !== "TEXTAREA") patchChildren(now, wanted);
  if (!held) patchValue(now, wanted);
}

// Attributes are only what a control began with.
function patchValue(now, wanted) {
  if (now.nodeName === "TEXTAREA" && now.defaultValue !== wanted.defaultValue) {
    now.value = now.defaultValue = wanted.defaultValue;
  }
  if (now.nodeName === "SELECT") {
    const chosen = [...wanted.options].findIndex((option) => option.hasAttribute("selected"));
    if (chosen >= 0 && now.selectedIndex !== chosen) now.selectedIndex = chosen;
  }
  if (now.nodeName !== "INPUT" || now.type === "file") return;
  const value = wanted.getAttribute("value") || "";
  if (isBox(now)) now.checked = wanted.hasAttribute("checked");
  else if (now.value !== value) now.value = value;
}

function isBox(control) {
  return control.type === "checkbox" || control.type === "radio";
}

function isHeld(control) {
  const isTypedInto = control === document.activeElement && control.matches("input, textarea") && !isBox(control);
  // A box is ticked at once, and told of as one of its group.
  return isTypedInto || theirs.has(control) || (isBox(control) && theirs.has(control.closest("[data-act]")));
}
