// The connection in words, and whether what is shown can be trusted: counted anew every second.

import { badgeOf } from "./health.js";

const secondsUntil = (moment) => Math.max(0, Math.ceil((moment - Date.now()) / 1000));

const BADGES = {
  connecting: () => ({ state: "connecting", text: "Connecting", isStale: true }),
  waiting: (until) => ({ state: "waiting", text: "Reconnecting", detail: `in ${secondsUntil(until)} s`, isStale: true }),
  offline: () => ({ state: "offline", text: "Offline: no network", isStale: true }),
  silent: (since) => ({ state: "waiting", text: "No sign of life", detail: `for ${Math.floor((Date.now() - since) / 1000)} s`, isStale: true }),
  heard: (health) => ({ ...badgeOf(health), isStale: false }),
};

export class Connection {
  /** `badge` is the element; the page is marked as stale by `data-stale` on `root`. */
  constructor(badge, root) {
    this.badge = badge;
    this.text = badge.querySelector("[role=status]");
    this.detail = badge.querySelector(".detail");
    this.root = root;
    this.state = ["connecting"];
  }

  show(...state) {
    this.state = state;
    this.tick();
  }

  /** Write what differs: the text is read aloud, the seconds behind it are not. */
  tick() {
    const [state, detail] = this.state;
    const badge = BADGES[state](detail);
    if (badge.state !== this.badge.dataset.state) this.badge.dataset.state = badge.state;
    if ((badge.title ?? "") !== this.badge.title) this.badge.title = badge.title ?? "";
    if (badge.text !== this.text.textContent) this.text.textContent = badge.text;
    if ((badge.detail ?? "") !== this.detail.textContent) this.detail.textContent = badge.detail ?? "";
    this.root.toggleAttribute("data-stale", badge.isStale);
  }
}
