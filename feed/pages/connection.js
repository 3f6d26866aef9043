// The connection in words, and whether what is shown can be trusted.

import { badgeOf } from "./health.js";

const secondsUntil = (moment, now) => Math.max(0, Math.ceil((moment - now) / 1000));

const BADGES = {
  connecting: () => ({ state: "connecting", text: "Connecting", isStale: true }),
  waiting: (until, now) => ({ state: "waiting", text: "Reconnecting", detail: `in ${secondsUntil(until, now)} s`, isStale: true }),
  silent: (since, now) => ({ state: "waiting", text: "No sign of life", detail: `for ${Math.floor((now - since) / 1000)} s`, isStale: true }),
  live: (health) => ({ ...badgeOf(health), isStale: false }),
};

/** `{state, text, detail, title, isStale}` of a state of the client (clients/js/index.d.ts) at a moment. */
export function describeConnection([state, detail], now, isOnline = true) {
  const badge = { detail: "", title: "", ...BADGES[state](detail, now) };
  return state === "waiting" && !isOnline ? { ...badge, state: "offline", text: "Offline: no network", detail: "" } : badge;
}

export class Connection {
  /** Calls `tell(badge)` at each change, and when it is asked to count the seconds anew. */
  constructor(tell) {
    this.tell = tell;
    this.state = ["connecting", null];
  }

  show(...state) {
    this.state = state;
    this.tick();
  }

  tick() {
    this.tell(describeConnection(this.state, Date.now(), navigator.onLine));
  }
}

/** Write what differs: the text is read aloud, the seconds behind it are not. `root` is marked as stale. */
export function writeBadge(badge, { element, text, detail, root }) {
  if (badge.state !== element.dataset.state) element.dataset.state = badge.state;
  if (badge.title !== element.title) element.title = badge.title;
  if (badge.text !== text.textContent) text.textContent = badge.text;
  if (badge.detail !== detail.textContent) detail.textContent = badge.detail;
  root?.toggleAttribute("data-stale", badge.isStale);
}
