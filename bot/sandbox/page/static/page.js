// The page of the workspace. The server draws every pane; this script tells it what a person does, and patches what has
// changed into the page, so that focus, scroll, open menus and words that are not sent yet survive.
// For scripts of the desk: `workspace.post(url, body)`, `workspace.drop(files)` (into the composer), `workspace.say(words)`.

(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const page = document.body.dataset;
  let versions = JSON.parse(page.versions);

  // Patching: makes `now` what `wanted` is, and leaves alone what is the same.

  const UNTOUCHED = new Set(["open", "data-asked", "data-recalled", "aria-busy"]);

  function patch(holder, html) {
    const wanted = document.createElement("template");
    wanted.innerHTML = html;
    patchChildren(holder, wanted.content);
  }

  function patchChildren(now, wanted) {
    const keyed = new Map();
    for (const child of now.children) if (child.dataset && child.dataset.key) keyed.set(child.dataset.key, child);
    let at = now.firstChild;
    for (const next of [...wanted.childNodes]) {
      const key = next.dataset && next.dataset.key;
      let match = key ? keyed.get(key) : at;
      if (match && (match.nodeName !== next.nodeName || (!key && match.dataset && match.dataset.key))) match = null;
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
    if (version && now.dataset.version === version) return;
    if (now.dataset.keep !== undefined) return;
    const held = isHeld(now);
    for (const { name, value } of [...wanted.attributes]) {
      if (now.getAttribute(name) !== value && !(held && (name === "value" || name === "checked"))) now.setAttribute(name, value);
    }
    for (const { name } of [...now.attributes]) {
      const keeps = UNTOUCHED.has(name) || name === "style" || (held && (name === "value" || name === "checked"));
      if (!wanted.hasAttribute(name) && !keeps) now.removeAttribute(name);
    }
    if (now.nodeName === "TEXTAREA") {
      if (!held && now.defaultValue !== wanted.defaultValue) now.value = now.defaultValue = wanted.defaultValue;
      return;
    }
    patchChildren(now, wanted);
    if (now.nodeName === "SELECT" && !held) {
      const chosen = [...wanted.options].findIndex((option) => option.hasAttribute("selected"));
      if (chosen >= 0 && now.selectedIndex !== chosen) now.selectedIndex = chosen;
    }
    if (now.nodeName === "INPUT" && !held) {
      if (now.type === "checkbox" || now.type === "radio") now.checked = wanted.hasAttribute("checked");
      else if (now.type !== "file" && now.value !== (wanted.getAttribute("value") || "")) now.value = wanted.getAttribute("value") || "";
    }
  }

  // What a person has changed and the server does not know yet is theirs.
  const dirty = new Set();
  function isHeld(control) {
    return dirty.has(control) || (control === document.activeElement && /^(INPUT|TEXTAREA)$/.test(control.nodeName) && !/^(checkbox|radio)$/.test(control.type));
  }

  // Looking again

  let asking = null;
  let again = false;

  function address() {
    const query = new URLSearchParams({ seen: document.visibilityState === "visible" ? "1" : "0", shown: page.shown });
    if (page.thread) query.set("thread", page.thread);
    return `/as/${encodeURIComponent(page.person)}/${encodeURIComponent(page.place)}/panes?${query}`;
  }

  function refresh() {
    if (asking) {
      again = true;
      return asking;
    }
    asking = lookUntilQuiet().finally(() => (asking = null));
    return asking;
  }

  // One question at a time: an older answer must not overtake a newer one.
  async function lookUntilQuiet() {
    do {
      again = false;
      await look();
    } while (again);
  }

  async function look() {
    const from = address();
    const response = await fetch(from, { headers: { "X-Have": JSON.stringify(versions) } }).catch(() => null);
    if (!response || from !== address()) return;
    if (response.status === 404) {
      location.assign(`/as/${encodeURIComponent(page.person)}/home`);
      return;
    }
    if (!response.ok) return;
    const told = await response.json();
    for (const [name, html] of Object.entries(told.panes)) show(name, html);
    versions = told.versions;
    document.title = `${told.name} · ${page.person} · ${document.title.split(" · ").pop()}`;
    $("messages").setAttribute("aria-label", `Messages in ${told.name}`);
  }

  function show(name, html) {
    const pane = $(name);
    if (!pane) return;
    const lists = name === "messages" ? [pane] : [...pane.querySelectorAll(".scroll")];
    const wasLow = lists.filter(isLow);
    patch(pane, html);
    if (name === "thread") document.body.classList.toggle("has-thread", pane.childElementCount > 0);
    if (name === "thread") for (const list of pane.querySelectorAll(".scroll")) if (!lists.includes(list)) wasLow.push(list);
    wasLow.forEach(toEnd);
    if (name === "modal") showModal();
  }

  function isLow(list) {
    return list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  }

  // Who reads the newest message goes on reading it when pictures arrive or a panel opens beside it.
  const low = new WeakSet();

  function toEnd(list) {
    low.add(list);
    list.scrollTop = list.scrollHeight;
  }

  const keepLow = (list) => low.has(list) && toEnd(list);
  document.addEventListener(
    "scroll",
    ({ target }) => {
      if (target.classList && target.classList.contains("scroll")) low[isLow(target) ? "add" : "delete"](target);
    },
    true,
  );
  document.addEventListener("load", ({ target }) => target.nodeName === "IMG" && keepLow(target.closest(".scroll") || target), true);
  new ResizeObserver(() => document.querySelectorAll(".scroll").forEach(keepLow)).observe($("messages"));

  let focusBefore = null;

  function showModal() {
    const dialog = $("modal");
    const form = dialog.querySelector("form");
    if (form && !dialog.open) {
      focusBefore = document.activeElement;
      dialog.showModal();
    }
    if (!form && dialog.open) {
      dialog.close();
      if (focusBefore && focusBefore.isConnected) focusBefore.focus();
    }
    if (!form || dialog.dataset.shows === form.dataset.view) {
      if (!form) delete dialog.dataset.shows;
      return;
    }
    dialog.dataset.shows = form.dataset.view;
    const first = form.querySelector("[autofocus], .inside select, .inside input, .inside textarea, .inside button, .foot button");
    if (first) first.focus();
  }

  // Going somewhere without loading the page anew

  function go(url, remember = true) {
    const target = new URL(url, location.href);
    const [, , person, place] = target.pathname.split("/");
    if (decodeURIComponent(person) !== page.person) {
      location.assign(url);
      return;
    }
    const moved = decodeURIComponent(place) !== page.place;
    page.place = decodeURIComponent(place);
    page.thread = target.searchParams.get("thread") || "";
    page.shown = target.searchParams.get("shown") || (moved ? "40" : page.shown);
    if (remember) history.pushState(null, "", url);
    document.body.classList.remove("shows-sidebar");
    versions = {};
    if (page.place === "home" && moved) post("home", {});
    return refresh().then(() => {
      if (moved && !target.hash) toEnd($("messages"));
      const thread = $("thread").querySelector("textarea");
      if (page.thread && thread) thread.focus();
      const named = target.hash && $(target.hash.slice(1));
      if (named) named.scrollIntoView({ block: "center" });
    });
  }

  addEventListener("popstate", () => go(location.href, false));

  // Telling the server

  async function post(act, body) {
    const url = act.startsWith("/") ? act : `/as/${encodeURIComponent(page.person)}/${act}`;
    const form = body instanceof FormData;
    const headers = { "X-Workspace": "1", ...(form ? {} : { "Content-Type": "application/json" }) };
    const response = await fetch(url, { method: "POST", headers, body: form ? body : JSON.stringify(body) }).catch(() => null);
    if (!response) {
      say("The workspace does not answer. Is the demo still running?");
      return { ok: false, lost: true };
    }
    const told = await response.json().catch(() => ({ ok: response.ok }));
    if (told.says) say(told.says);
    refresh();
    return told;
  }

  function say(words) {
    const toast = document.createElement("p");
    toast.className = "toast";
    toast.textContent = words;
    $("toasts").append(toast);
    setTimeout(() => toast.remove(), 8000);
  }

  // Acts

  function placeOf(control) {
    const form = control.closest("[data-view]");
    if (form) return { view: form.dataset.view };
    if (control.closest("[data-home]")) return { home: true };
    const message = control.closest("[data-ts]");
    return { channel: message.dataset.channel, ts: message.dataset.ts };
  }

  function confirmed(control) {
    const dialog = control.dataset.confirm && $(control.dataset.confirm);
    if (!dialog) return Promise.resolve(true);
    return new Promise((answer) => {
      dialog.returnValue = "deny";
      dialog.showModal();
      dialog.addEventListener("close", () => answer(dialog.returnValue === "confirm"), { once: true });
    });
  }

  async function busy(control, work) {
    if (control.getAttribute("aria-busy") === "true") return;
    control.setAttribute("aria-busy", "true");
    try {
      return await work();
    } finally {
      control.removeAttribute("aria-busy");
    }
  }

  let pending = Promise.resolve();
  // One after the other, since each may change the form under the next.
  function inTurn(work) {
    pending = pending.then(work, work);
    return pending;
  }

  function send(control, act, body) {
    dirty.add(control);
    return inTurn(() => post(act, { ...placeOf(control), block: control.dataset.block, action: control.dataset.action, ...body })).finally(() => dirty.delete(control));
  }

  const timers = new WeakMap();

  function fill(control, more = {}) {
    clearTimeout(timers.get(control));
    timers.delete(control);
    if (control.isConnected) return send(control, "fill", { text: control.value, ...more });
    dirty.delete(control);
    return pending;
  }

  function flush(form) {
    for (const control of form.querySelectorAll("[data-act=type]")) if (timers.has(control)) fill(control);
    return pending;
  }

  const CLICKS = {
    press: async (control) => {
      if (await confirmed(control)) await busy(control, () => inTurn(() => post("click", { ...placeOf(control), action: control.dataset.action, value: control.dataset.value })));
    },
    samples: (control) => busy(control, () => attach(control, [], true)),
    detach: (control) => inTurn(() => post("detach", { ...placeOf(control), block: control.dataset.block, file: control.dataset.value })),
    close: (control) => inTurn(() => post("close", placeOf(control))),
    "close-all": (control) => inTurn(() => post("close", { ...placeOf(control), all: true })),
    shortcut: (control) => post("shortcut", { callback: control.dataset.callback }),
    "message-shortcut": (control) => post("message-shortcut", { ...placeOf(control), callback: control.dataset.callback }),
    dismiss: (control) => post("dismiss", { user: control.dataset.user, ts: control.dataset.ts }),
    delete: (control) => post("delete", placeOf(control)),
    "add-samples": (control) => addChip(control.closest("form"), null),
    unchip: (control) => {
      const form = control.closest("form");
      drafts.get(form).splice([...control.closest("ul").children].indexOf(control.closest("li")), 1);
      drawChips(form);
      form.querySelector("textarea").focus();
    },
  };

  addEventListener("click", (event) => {
    const answer = event.target.closest("[data-answer]");
    if (answer) {
      answer.closest("dialog").close(answer.dataset.answer);
      return;
    }
    for (const open of document.querySelectorAll("details.overflow[open], details.members[open]")) {
      if (!open.contains(event.target) || event.target.closest("button, a")) open.open = false;
    }
    const toggle = event.target.closest("[data-toggle]");
    if (toggle) {
      const isShown = document.body.classList.toggle(`shows-${toggle.dataset.toggle}`);
      toggle.setAttribute("aria-expanded", String(isShown));
      if (toggle.dataset.toggle === "desk") localStorage.setItem("desk", isShown ? "shown" : "hidden");
      return;
    }
    const link = event.target.closest("a[data-go]");
    const sameTab = link || event.target.closest(`a[href^="/as/${page.person}/"]:not([href*="/files/"])`);
    if (sameTab && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      go(sameTab.href);
      return;
    }
    const control = event.target.closest("[data-act]");
    const click = control && control.nodeName !== "FORM" && CLICKS[control.dataset.act];
    if (click) click(control);
    const posting = event.target.closest("button[data-post]");
    if (posting) busy(posting, () => post(posting.dataset.post, JSON.parse(posting.dataset.body || "{}")));
  });

  // A menu that would be cut off below opens upwards.
  document.addEventListener(
    "toggle",
    (event) => {
      const menu = event.target;
      if (!menu.open || !menu.classList.contains("overflow")) return;
      menu.classList.remove("above");
      const list = menu.closest(".scroll, .inside");
      const floor = list ? list.getBoundingClientRect().bottom : innerHeight;
      menu.classList.toggle("above", menu.lastElementChild.getBoundingClientRect().bottom > floor);
    },
    true,
  );

  addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    if (form.dataset.act === "say") sendMessage(form);
    if (form.dataset.act === "submit") submit(form);
    if (form.dataset.post) post(form.dataset.post, Object.fromEntries(new FormData(form)));
  });

  async function submit(form) {
    const button = form.querySelector("[data-act=submit]");
    if (!button) return;
    await busy(button, async () => {
      await flush(form);
      await inTurn(() => post("submit", { view: form.dataset.view }));
      await refresh();
    });
    const wrong = form.isConnected && form.querySelector("[aria-invalid=true], .wrong input, .wrong select");
    if (wrong) wrong.focus();
  }

  addEventListener("change", async (event) => {
    const control = event.target.closest("[data-act]");
    if (!control) return;
    const act = control.dataset.act;
    if (act === "type") fill(control);
    if (act === "attach") {
      await attach(control, [...control.files], false);
      control.value = "";
    }
    if (act === "add-files") {
      for (const file of control.files) addChip(control.closest("form"), file);
      control.value = "";
    }
    if (act === "suggest") {
      const found = [...control.list.options].find((option) => option.value === control.value);
      if (found) send(control, "choose", { value: found.dataset.value, typed: control.dataset.asked });
    }
    if (act === "choose") {
      if (await confirmed(control)) choose(control, control.value);
      else control.value = control.dataset.kept || "";
    }
    if (act === "tick") {
      const radio = event.target.type === "radio";
      const ticked = [...control.querySelectorAll("input:checked")].map((box) => box.value);
      choose(control, radio ? ticked[0] : ticked);
    }
  });

  // In a message a menu is clicked with its option; in a form it is held.
  function choose(control, value) {
    const place = placeOf(control);
    if (place.view) return send(control, "choose", { value });
    return inTurn(() => post("click", { ...place, action: control.dataset.action, value }));
  }

  addEventListener("input", (event) => {
    const control = event.target;
    if (control.matches("textarea.words")) {
      grow(control);
      hint(control);
      remember(control);
      return;
    }
    if (control.dataset.act === "type") {
      const soon = (control.dataset.on || "").includes("on_character_entered") ? 300 : 1200;
      dirty.add(control);
      clearTimeout(timers.get(control));
      timers.set(control, setTimeout(() => fill(control), soon));
    }
    if (control.dataset.act === "suggest" && control.value.length >= Number(control.dataset.least)) {
      clearTimeout(timers.get(control));
      timers.set(control, setTimeout(() => suggest(control), 250));
    }
  });

  async function suggest(control) {
    timers.delete(control);
    const typed = control.value;
    const query = new URLSearchParams({ ...placeOf(control), block: control.dataset.block, typed });
    const response = await fetch(`/as/${encodeURIComponent(page.person)}/suggest?${query}`).catch(() => null);
    if (!response || !response.ok) return;
    const { options } = await response.json();
    control.dataset.asked = typed;
    control.list.replaceChildren(...options.map((option) => {
      const entry = document.createElement("option");
      entry.value = option.text;
      entry.dataset.value = option.value;
      return entry;
    }));
  }

  function attach(control, files, samples) {
    const form = new FormData();
    form.set("view", placeOf(control).view);
    form.set("block", control.dataset.block);
    if (samples) form.set("samples", "1");
    for (const file of files) form.append("files", file);
    return inTurn(() => post("attach", form));
  }

  // The composer

  const drafts = new WeakMap();
  const SAMPLES = "the sample photos";

  function addChip(form, file) {
    const held = drafts.get(form) || [];
    if (file || !held.includes(SAMPLES)) held.push(file || SAMPLES);
    drafts.set(form, held);
    drawChips(form);
    form.querySelector("textarea").focus();
  }

  function drawChips(form) {
    form.querySelector(".chips").replaceChildren(...drafts.get(form).map((file) => {
      const chip = document.createElement("li");
      chip.textContent = file === SAMPLES ? "▤ a selfie and 8 liveness images " : `▤ ${file.name} `;
      const away = document.createElement("button");
      away.type = "button";
      away.className = "away";
      away.dataset.act = "unchip";
      away.textContent = "✕";
      away.setAttribute("aria-label", `Remove ${file === SAMPLES ? SAMPLES : file.name}`);
      chip.append(away);
      return chip;
    }));
  }

  async function sendMessage(form) {
    const words = form.querySelector("textarea");
    const files = drafts.get(form) || [];
    if (!words.value.trim() && !files.length) return;
    const body = new FormData();
    body.set("channel", form.dataset.channel);
    body.set("thread", form.dataset.thread);
    body.set("text", words.value);
    for (const file of files) file === SAMPLES ? body.set("samples", "1") : body.append("files", file);
    const text = words.value;
    words.value = "";
    drafts.set(form, []);
    drawChips(form);
    grow(words);
    hint(words);
    remember(words);
    toEnd(form.closest("aside, main").querySelector(".scroll"));
    const told = await busy(form, () => post("say", body));
    if (told && !told.ok && !words.value) {
      words.value = text;
      drafts.set(form, files);
      drawChips(form);
    }
  }

  function grow(words) {
    words.rows = Math.min(8, words.value.split("\n").length);
  }

  const draftKey = (words) => `draft ${words.closest("form").dataset.key}`;

  function remember(words) {
    if (words.value) sessionStorage.setItem(draftKey(words), words.value);
    else sessionStorage.removeItem(draftKey(words));
  }

  function recall() {
    for (const words of document.querySelectorAll("textarea.words")) {
      if (!words.value && !words.dataset.recalled) words.value = sessionStorage.getItem(draftKey(words)) || "";
      words.dataset.recalled = "1";
    }
  }

  function hint(words) {
    const list = words.getAttribute("aria-controls") && $(words.getAttribute("aria-controls"));
    if (!list) return;
    const typed = words.value.toLowerCase();
    let count = 0;
    for (const entry of list.children) {
      const fits = typed.startsWith("/") && entry.dataset.insert.startsWith(typed) && entry.dataset.insert.trim() !== typed;
      entry.hidden = !fits;
      entry.setAttribute("aria-selected", "false");
      if (fits) count += 1;
    }
    list.hidden = !count;
    words.removeAttribute("aria-activedescendant");
  }

  function moveHint(words, list, step) {
    const entries = [...list.children].filter((entry) => !entry.hidden);
    const at = entries.findIndex((entry) => entry.getAttribute("aria-selected") === "true");
    const next = entries[(at + step + entries.length + (at < 0 && step < 0 ? 1 : 0)) % entries.length];
    for (const entry of entries) entry.setAttribute("aria-selected", String(entry === next));
    words.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  }

  function takeHint(words, entry) {
    words.value = entry.dataset.insert;
    hint(words);
    remember(words);
    words.focus();
  }

  addEventListener("mousedown", (event) => {
    const entry = event.target.closest("[data-insert]");
    if (!entry) return;
    event.preventDefault();
    takeHint(entry.closest("form").querySelector("textarea"), entry);
  });

  addEventListener("keydown", (event) => {
    const words = event.target.matches && event.target.matches("textarea.words") ? event.target : null;
    const list = words && $(words.getAttribute("aria-controls"));
    if (list && !list.hidden) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        moveHint(words, list, event.key === "ArrowDown" ? 1 : -1);
        return;
      }
      const taken = list.querySelector("[aria-selected=true]");
      if (taken && (event.key === "Enter" || event.key === "Tab") && !event.shiftKey) {
        event.preventDefault();
        takeHint(words, taken);
        return;
      }
      if (event.key === "Escape") {
        list.hidden = true;
        return;
      }
    }
    if (words && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      words.form.requestSubmit();
      return;
    }
    const control = event.target;
    if (event.key === "Enter" && control.dataset && control.dataset.act === "type" && control.nodeName === "INPUT") {
      const form = control.closest("form");
      if ((control.dataset.on || "").includes("on_enter_pressed") && control.dataset.tells) {
        event.preventDefault();
        fill(control, { enter: true });
      } else if (form) {
        event.preventDefault();
        submit(form);
      }
    }
    if (event.key === "Escape") escape(event);
  });

  function escape(event) {
    const open = document.querySelector("details[open].overflow, details[open].members");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    } else if (document.body.classList.contains("shows-sidebar")) {
      document.body.classList.remove("shows-sidebar");
    } else if (event.target.closest("#thread")) {
      const close = document.querySelector("#thread [data-escape]");
      if (close) go(close.href).then(() => $("composer").querySelector("textarea")?.focus());
    }
  }

  // The browser would close the dialog by itself; here the server does, and tells the bot where the bot wants to know.
  $("modal").addEventListener("cancel", (event) => {
    if (event.target !== $("modal")) return;
    event.preventDefault();
    const form = $("modal").querySelector("form");
    if (form) inTurn(() => post("close", { view: form.dataset.view, all: true }));
  });

  // Files dropped anywhere go to the field or the composer below the pointer, else to the channel's composer.

  addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    drop([...event.dataTransfer.files], event.target);
  });

  function drop(files, target) {
    const field = target && target.closest(".input [data-drop]");
    if (field) {
      attach(field.querySelector("[data-act=attach]"), files, false);
      return;
    }
    const near = target && target.closest("#thread") ? $("thread") : $("composer");
    const form = near.querySelector("form.composer");
    if (form) for (const file of files) addChip(form, file);
  }

  // Live. A browser holds six connections to one host, so that of all tabs one alone listens and tells the others.

  const tabs = new BroadcastChannel("workspace");

  function listen() {
    const events = new EventSource("/events");
    const tell = (news) => {
      tabs.postMessage(news);
      hear(news);
    };
    events.addEventListener("changed", () => tell("changed"));
    events.addEventListener("error", () => {
      tell("away");
      // A browser gives up where the address answered with an error; then it is asked anew.
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
    });
  }

  function hear(news) {
    $("away").hidden = news !== "away";
    if (news === "changed" && document.visibilityState === "visible") refresh();
  }

  tabs.addEventListener("message", (event) => hear(event.data));
  document.addEventListener("visibilitychange", () => hear("changed"));

  window.workspace = { post, say, refresh, drop: (files) => drop([...files], null) };
  if ($("desk") && localStorage.getItem("desk") !== "hidden" && matchMedia("(min-width: 1500px)").matches) document.body.classList.add("shows-desk");
  document.body.classList.toggle("has-thread", $("thread").childElementCount > 0);
  recall();
  showModal();
  document.querySelectorAll(".scroll").forEach(toEnd);
  if (page.place === "home") post("home", {});
  navigator.locks.request("workspace events", () => new Promise(listen));
  refresh();
})();
