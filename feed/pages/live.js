// The page's client: to where the page came from, with a heartbeat, and at once when somebody looks again.

import { Client } from "./client.js";

/** A client of this page's service; `tell` has the callbacks of clients/js/index.d.ts. */
export function openClient(tell) {
  const ended = new AbortController();
  const client = new Client(location.origin, { heartbeat: true, ...tell, onEnd: () => ended.abort() });
  const listening = { signal: ended.signal };
  addEventListener("online", () => client.reconnect(), listening);
  document.addEventListener("visibilitychange", () => document.hidden || client.reconnect(), listening);
  return client;
}
