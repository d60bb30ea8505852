// The panel beside the workspace. The page's own script posts its buttons and forms, and patches the panel; what is
// left for this one: looking underneath, and files that are dropped.

(() => {
  "use strict";

  const LOOK_EVERY_MS = 2000;
  const KIND = "application/x-workspace-files";
  const desk = document.getElementById("desk");

  // Underneath: a view is fetched when it is opened, and again while it is open.

  async function load(view, isAsked) {
    const content = view.querySelector(".desk-content");
    if (view.dataset.loading) return;
    view.dataset.loading = "1";
    try {
      const response = await fetch(view.dataset.load).catch(() => null);
      const html = response && response.ok ? await response.text() : "";
      if (!html) {
        if (isAsked) content.textContent = "The demo does not answer.";
        return;
      }
      if (content.dataset.shown !== html) draw(content, html);
    } finally {
      delete view.dataset.loading;
    }
  }

  // Whatever is open stays open, and the focus where it is.
  function draw(content, html) {
    const open = new Set([...content.querySelectorAll("details[open]")].map((one) => one.dataset.key));
    const focused = content.contains(document.activeElement) && document.activeElement.closest("details")?.dataset.key;
    content.innerHTML = html;
    content.dataset.shown = html;
    for (const one of content.querySelectorAll("details[data-key]")) {
      if (open.has(one.dataset.key)) one.open = true;
      if (focused === one.dataset.key) one.querySelector("summary").focus();
    }
  }

  const isSeen = (view) => view.open && view.offsetParent !== null && document.visibilityState === "visible";
  const selects = (view) => !getSelection().isCollapsed && view.contains(getSelection().anchorNode);

  desk.addEventListener("toggle", (event) => {
    if (event.target.dataset.load && event.target.open) load(event.target, true);
  }, true);
  setInterval(() => {
    for (const view of desk.querySelectorAll("[data-load]")) if (isSeen(view) && !selects(view)) load(view, false);
  }, LOOK_EVERY_MS);

  // Files to drop

  async function files(names) {
    const fetched = await Promise.all(names.map(async (name) => {
      const response = await fetch(`/desk/files/${encodeURIComponent(name)}`).catch(() => null);
      if (!response || !response.ok) return null;
      return new File([await response.blob()], name, { type: response.headers.get("Content-Type") || "" });
    }));
    if (fetched.includes(null)) window.workspace.say("The file could not be made. Is the demo still running?");
    return fetched.filter(Boolean);
  }

  const namesOf = (tile) => JSON.parse(tile.dataset.files);

  desk.addEventListener("click", async (event) => {
    const use = event.target.closest("[data-use]");
    if (!use || use.getAttribute("aria-busy") === "true") return;
    use.setAttribute("aria-busy", "true");
    try {
      const tile = use.closest("[data-files]");
      const taken = await files(namesOf(tile));
      const composer = document.querySelector("#composer form.composer");
      if (!composer) window.workspace.say("Go to a channel or a direct message first.");
      else if (taken.length) {
        window.workspace.drop(taken);
        write(composer, tile.dataset);
      }
    } finally {
      use.removeAttribute("aria-busy");
    }
  });

  // What the bot wants to know beside a file; in a channel it must be mentioned, and nothing personal be said.
  function write(composer, tile) {
    const box = composer.querySelector("textarea");
    if (box.value) return;
    box.value = composer.dataset.channel.startsWith("D") ? tile.words : `@kyc-bot ${tile.wordsInChannel}`;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  desk.addEventListener("dragstart", (event) => {
    const tile = event.target.closest && event.target.closest("[data-files]");
    if (!tile) return;
    event.dataTransfer.setData(KIND, tile.dataset.files);
    event.dataTransfer.effectAllowed = "copy";
    document.body.classList.add("dragging");
  });
  addEventListener("dragend", () => document.body.classList.remove("dragging"));
  addEventListener("dragover", (event) => {
    if ([...event.dataTransfer.types].includes(KIND)) event.preventDefault();
  });
  addEventListener("drop", async (event) => {
    const names = event.dataTransfer.getData(KIND);
    if (!names) return;
    event.preventDefault();
    document.body.classList.remove("dragging");
    const target = event.target;
    hand(await files(JSON.parse(names)), target);
  });

  // The page takes them as it takes files from a desktop.
  function hand(taken, target) {
    if (!taken.length) return;
    const carried = new DataTransfer();
    for (const file of taken) carried.items.add(file);
    const onto = target.isConnected ? target : document.body;
    onto.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: carried }));
  }

  // While a form is open nothing beside it can be reached: its file fields offer the same files.

  function offer() {
    for (const field of document.querySelectorAll("#modal [data-drop]")) {
      if (field.querySelector(".desk-take")) continue;
      const menu = document.createElement("select");
      menu.className = "box desk-take";
      menu.setAttribute("aria-label", "Take a file from Files to drop");
      menu.append(new Option("… or take one from Files to drop", ""));
      for (const tile of desk.querySelectorAll("[data-files]")) {
        if (namesOf(tile).every((name) => /\.(jpg|png)$/.test(name))) {
          menu.append(new Option(tile.querySelector("b").textContent, tile.dataset.files));
        }
      }
      menu.addEventListener("change", async () => {
        if (menu.value) hand(await files(JSON.parse(menu.value)), field);
        menu.value = "";
      });
      field.append(menu);
    }
  }

  new MutationObserver(offer).observe(document.getElementById("modal"), { childList: true, subtree: true });
  offer();
})();
