// Hears that something has changed. A browser holds six connections to one host, so of all tabs one alone listens and
// tells the others; when it is closed, another takes its place.

import { refresh } from "./panes.js";
import { $ } from "./server.js";

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

export function begin() {
  tabs.addEventListener("message", (event) => hear(event.data));
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
  // Never let go of, until the tab is closed.
  navigator.locks.request("workspace events", () => new Promise(listen));
  refresh();
}
