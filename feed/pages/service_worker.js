// Keeps one page for the time when no other can be loaded. Nothing that is live is ever kept.

const KEPT = "offline-1";
const FILES = ["/offline", "/assets/common.css", "/assets/offline.css", "/assets/offline.js", "/assets/icon.svg"];

addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  const drop = async () => {
    for (const name of await caches.keys()) if (name !== KEPT) await caches.delete(name);
    await clients.claim();
  };
  event.waitUntil(drop());
});

addEventListener("fetch", (event) => {
  const { request } = event, { pathname, origin } = new URL(request.url);
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match("/offline")));
  else if (origin === location.origin && FILES.includes(pathname)) event.respondWith(fetch(request).catch(() => caches.match(pathname)));
});
