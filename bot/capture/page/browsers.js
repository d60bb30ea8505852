// What the browser says of itself: which words help its user, never what it is allowed to do.

const agent = navigator.userAgent;

export const isApple = /iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1);
export const isAndroid = /Android/.test(agent);

// Apps that show pages in a browser of their own, where the camera often stays shut.
const APPS = [
  ["WhatsApp", /\bWhatsApp\b/],
  ["Instagram", /\bInstagram\b/],
  ["Messenger", /\bFBAN\/Messenger|\bFB_IAB\/(MESSENGER|Orca)/],
  ["Facebook", /\bFBAN\/|\bFBAV\/|\bFB_IAB\//],
  ["TikTok", /\bTikTok|\bmusical_ly|\bBytedanceWebview/],
  ["Snapchat", /\bSnapchat\b/],
  ["Telegram", /\bTelegram\b/],
  ["X", /\bTwitter\b/],
  ["LinkedIn", /\bLinkedInApp\b/],
];

// The app's name, or "" in a browser.
export function inApp() {
  const found = APPS.find(([, pattern]) => pattern.test(agent));
  return found ? found[0] : "";
}

export function properBrowser() {
  return isApple ? "Safari" : "Chrome";
}
