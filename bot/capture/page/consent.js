// What the customer is asked before anything is taken, and how they say no.

import { $, onPress, show } from "./screen.js";
import { chosen, moment, notice, say } from "./words.js";

export function showConsent(told) {
  $("consent-id").textContent = [told.id_type, told.country].filter(Boolean).join(", ");
  $("consent-number").textContent = told.number;
  const until = told.expires_at;
  $("consent-until").hidden = !until || Number.isNaN(Date.parse(until));
  if (!$("consent-until").hidden) say($("consent-until"), "consent_until", { until: () => moment(until) });
  show("consent");
}

export function forgetConsent() {
  for (const id of ["consent-id", "consent-number"]) $(id).textContent = "";
}

// `onLeft` is called before the customer's no is told: a camera that still runs is turned off at once.
export function prepareConsent({ ask, onAgreed, onLeft, onEnded }) {
  async function agree() {
    const answer = await ask("consent", { notice: notice(), language: chosen() }, agree);
    if (answer) onAgreed();
  }

  async function decline(reason, step) {
    onLeft();
    const answer = await ask("decline", { reason }, () => decline(reason, step));
    if (answer) onEnded(step);
  }

  onPress("consent-agree", agree);
  onPress("consent-disagree", () => decline("no", "declined"));
  onPress("consent-not-me", () => show("not-me"));
  onPress("not-me-yes", () => decline("not_me", "wrong-person"));
  onPress("not-me-back", () => show("consent"));
  onPress("withdraw", () => decline("no", "declined"));
}
