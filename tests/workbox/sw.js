// The service worker under test: Workbox's five strategies as its documentation sets them up, one cache for each case. Which one answers is
// said by the page in a header, and so is how far the clock is to be ahead.
import { ExpirationPlugin } from "workbox-expiration";
import { CacheFirst, CacheOnly, NetworkFirst, NetworkOnly, StaleWhileRevalidate } from "workbox-strategies";

/** Short, because nobody moves the browser's own clock. Carrel's cache waits for the time limit of the request. */
const TIMEOUT_S = 0.5;

let shiftMs = 0;
const realNow = Date.now;
Date.now = () => realNow() + shiftMs;

const strategies = new Map();
function strategy({ name, cache, freshS, staleS, ifErrorS }) {
  const key = `${cache} ${name}`;
  if (!strategies.has(key)) strategies.set(key, make());
  return strategies.get(key);

  function make() {
    const kept = (maxAgeSeconds) => ({
      cacheName: cache,
      plugins: [new ExpirationPlugin({ maxEntries: 500, ...(maxAgeSeconds ? { maxAgeSeconds } : {}), purgeOnQuotaError: true })],
    });
    switch (name) {
      case "cache-first":
        return new CacheFirst(kept());
      case "network-first":
        return new NetworkFirst({ ...kept(ifErrorS && freshS + ifErrorS), networkTimeoutSeconds: TIMEOUT_S });
      case "stale-while-revalidate":
        return new StaleWhileRevalidate(kept(freshS + staleS));
      case "network-only":
        return new NetworkOnly({ networkTimeoutSeconds: TIMEOUT_S });
      case "cache-only":
        return new CacheOnly({ cacheName: cache });
    }
  }
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const told = event.request.headers.get("x-told");
  if (!told) return;
  const { shift, ...route } = JSON.parse(told);
  shiftMs = shift * 1000;
  const headers = new Headers(event.request.headers);
  headers.delete("x-told");
  const request = new Request(event.request, { headers });
  event.respondWith(strategy(route).handle({ event, request }));
});
