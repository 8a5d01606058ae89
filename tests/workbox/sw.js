// The service worker under test: Workbox's five strategies set up as in its documentation, one cache per case. The page
// selects the strategy and the clock's offset with request headers.
import { ExpirationPlugin } from "workbox-expiration";
import { CacheFirst, CacheOnly, NetworkFirst, NetworkOnly, StaleWhileRevalidate } from "workbox-strategies";

/** Short, because the browser's own clock cannot be advanced. Carrel's cache uses the time limit of the request. */
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
    const options = (maxAgeSeconds) => ({
      cacheName: cache,
      plugins: [new ExpirationPlugin({ maxEntries: 500, ...(maxAgeSeconds ? { maxAgeSeconds } : {}), purgeOnQuotaError: true })],
    });
    switch (name) {
      case "cache-first":
        return new CacheFirst(options());
      case "network-first":
        return new NetworkFirst({ ...options(ifErrorS && freshS + ifErrorS), networkTimeoutSeconds: TIMEOUT_S });
      case "stale-while-revalidate":
        return new StaleWhileRevalidate(options(freshS + staleS));
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
  const config = event.request.headers.get("x-route");
  if (!config) return;
  const { shift, ...route } = JSON.parse(config);
  shiftMs = shift * 1000;
  const headers = new Headers(event.request.headers);
  headers.delete("x-route");
  const request = new Request(event.request, { headers });
  event.respondWith(strategy(route).handle({ event, request }));
});
