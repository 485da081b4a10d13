// Keeps a copy of all that was loaded, and gives it where there is no network.
const CACHE = "inception";
const FILES = ["./", "style.css", "page.js", "charts.js", "worker.js", "inception_web.js",
  "inception_web_bg.wasm", "model.safetensors", "seven.png", "zero.png", "two.png", "four.png"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.location.origin)) event.respondWith(answer(event.request));
});
