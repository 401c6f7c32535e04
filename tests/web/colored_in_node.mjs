// Colours photos by the page's own modules, in Node: what a browser does, without a browser.
// Usage: node colored_in_node.mjs JOB.json, which names a site and its photos (test_browser_color.py).
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import * as ort from "onnxruntime-web/wasm";

const { site, photos } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const own = (path) => import(pathToFileURL(`${site}/static/js/${path}`).href);
const { Colorizer } = await own("color/look.js");
const { merge } = await own("color/merge.js");
const { runnerOf } = await own("color/running.js");
const { tablesOf } = await own("color/tables.js");
const colors = await own("color.js");

const facts = JSON.parse(readFileSync(`${site}/facts.json`, "utf8"));
const bytes = readFileSync(`${site}/tables.bin`);
const from = bytes.byteOffset;
facts.tables = tablesOf(facts, bytes.buffer.slice(from, from + bytes.length));
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(`${site}/${facts.model.file}`));

const colorizer = new Colorizer(facts, colors, runnerOf(ort, session));

const told = [];
for (const { path, width, height, steering, spot, restore } of photos) {
  const pixels = new Uint8ClampedArray(readFileSync(path));
  if (restore) {
    const levels = colorizer.restoring(pixels, { width, height });
    pixels.forEach((level, at) => at % 4 < 3 && (pixels[at] = levels[level]));
  }
  const look = colorizer.look(pixels, { width, height });
  const guidance = await look.plan(steering);
  const likely = spot ? await look.likely(spot[0], spot[1], steering.hints, 5) : [];
  merge(pixels, { width, height }, guidance, facts.tables);
  writeFileSync(path, pixels);
  const prints = look.page === null ? 0 : look.page.boxes.length;
  told.push({ shows: look.shows, prints, likely });
}
process.stdout.write(JSON.stringify(told));
