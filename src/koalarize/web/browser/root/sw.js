/**
 * Keeps the page for visits without a network: all files of `files.json`, each version's by itself.
 *
 * Not here: the page. A file that is not kept comes from the network.
 */

/** @type {any} what a page's types do not know of workers */
const worker = self;
const VERSION = "@VERSION@";
const NAME = `koalarize-${VERSION}`;
const OURS = /^koalarize-/;

worker.addEventListener("install", (event) => {
  event.waitUntil(keep());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(leaveOthers());
});

worker.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(found(event.request));
});

async function keep() {
  const list = await (await fetch("files.json", { cache: "no-cache" })).json();
  if (list.koalarize !== VERSION) throw new Error("the page on the server is being changed");
  const cache = await caches.open(NAME);
  await cache.addAll(list.files.map(({ path }) => path).concat("files.json", "./"));
  await worker.skipWaiting();
}

async function leaveOthers() {
  const names = await caches.keys();
  const old = names.filter((name) => OURS.test(name) && name !== NAME);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

async function found(request) {
  const cache = await caches.open(NAME);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}
