/**
 * The worker that colours: it loads the network, opens photos, and answers the page's questions.
 *
 * Not here: the page (`api.js` asks), the colours (`color/`), files (`opened.js`, `carry.js`). One
 * question is answered after the other.
 */

import { carried } from "./carry.js";
import { Colorizer } from "./color/look.js";
import { merge } from "./color/merge.js";
import { runnerOf } from "./color/running.js";
import { tablesOf } from "./color/tables.js";
import * as colors from "./color.js";
import { writtenKind } from "./kinds.js";
import { Opened, Refusal, poseOf, relevel } from "./opened.js";

const HERE = new URL("../../", import.meta.url);
const AWAKE = 3; // photos whose pictures are kept open
const QUALITY = 0.95;

/** @type {Map<string, Opened>} the one that was used last stands last */
const photos = new Map();
const forgotten = new Set();
let line = Promise.resolve();
/** @type {Promise<any> | null} */
let known = null;
/** @type {Promise<Colorizer> | null} */
let loaded = null;

self.addEventListener("message", ({ data }) => {
  if (data.forget) forgotten.add(data.forget);
  else line = line.then(() => answer(data));
});

async function answer({ id, what, values }) {
  if (forgotten.delete(id)) return;
  try {
    const { result, moved = [] } = await ANSWERS[what](values);
    self.postMessage({ id, result }, { transfer: moved });
  } catch (error) {
    self.postMessage({ id, problem: told(error) });
  }
}

const ANSWERS = {
  async facts() {
    const { version, schema, model } = await facts();
    const { name, summary } = model;
    colorizer().catch(() => {}); // begins to load; whoever needs it hears why it failed
    return { result: { version, schema, model: { name, summary, accepts_hints: true } } };
  },

  async open({ file, name }) {
    const opened = await Opened.of(file, name);
    photos.set(opened.id, opened);
    await used(opened.id);
    return { result: infoOf(opened) };
  },

  async photo({ id }) {
    return { result: infoOf(await used(id)) };
  },

  async forget({ id }) {
    photos.get(id)?.rest();
    photos.delete(id);
    return { result: null };
  },

  async preview({ id, steering, side, grey = false }) {
    const opened = await used(id);
    const [width, height] = opened.size(poseOf(steering));
    const scale = Math.min(1, side / Math.max(width, height));
    return shown(opened, steering, { x: 0, y: 0, width, height }, scale, grey);
  },

  async region({ id, steering, x, y, width, height, scale, grey = false }) {
    return shown(await used(id), steering, { x, y, width, height }, scale, grey);
  },

  async suggestions({ id, steering, x, y, count }) {
    const opened = await used(id);
    const { look } = await opened.look(poseOf(steering), await colorizer());
    const planes = await guided(opened, steering);
    const lightness = look.lightnessAt(x, y);
    const color = colors.labToHex(look.colorAt(planes, x, y, lightness));
    const found = await look.likely(x, y, steering.hints, count);
    return { result: { lightness, color, suggestions: found } };
  },

  async render({ id, steering, format }) {
    const opened = await used(id);
    const [width, height] = opened.size(poseOf(steering));
    const area = steering.crop ?? { x: 0, y: 0, width, height };
    const picture = await colored(opened, steering, area, 1);
    const kind = writtenKind(format, opened.kind);
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.putImageData(picture, 0, 0);
    const blob = await canvas.convertToBlob({ type: kind.type, quality: QUALITY });
    const { version, model, sourceType } = await facts();
    const made = { version, model: model.name, weights: model.sha256, sourceType };
    const mark = steering.mark === false ? null : { ...made, source: opened.id, steering };
    const { bytes, notes } = carried(new Uint8Array(await blob.arrayBuffer()), opened.bytes, mark);
    const name = `${stemOf(opened.name)}.color.${kind.ending}`;
    return {
      result: {
        blob: new Blob([/** @type {BlobPart} */ (bytes)], { type: kind.type }),
        name,
        notes,
      },
    };
  },

  async session({ id, steering }) {
    const opened = await used(id);
    const { model, sessionFormat } = await facts();
    const photo = { name: opened.name, sha256: opened.id };
    const asked = { model: model.name, ...steering };
    const text = JSON.stringify(
      { format: sessionFormat, photo, weights: model.sha256, steering: asked },
      null,
      1,
    );
    const blob = new Blob([`${text}\n`], { type: "application/json" });
    return { result: { blob, name: `${stemOf(opened.name)}.koalarize.json` } };
  },

  async openSession({ id, text }) {
    const opened = await used(id);
    const { schema, sessionFormat } = await facts();
    const { format, photo, steering } = JSON.parse(text);
    if (format !== sessionFormat)
      throw new Refusal("Not a session", "The file is none that “Save session” wrote.");
    if (photo.sha256 !== opened.id)
      throw new Refusal(
        "The session of another photo",
        `It belongs to “${photo.name}”: open that photo.`,
        { slug: "other-photo" },
      );
    const names = Object.keys(schema.properties).filter((name) => schema.properties[name].here);
    /** @type {string[]} */
    const left = [];
    const kept = {};
    for (const [name, value] of Object.entries(steering)) {
      const usual = schema.properties[name]?.default;
      if (names.includes(name)) kept[name] = value;
      else if (name !== "model" && JSON.stringify(value) !== JSON.stringify(usual)) left.push(name);
    }
    const note = left.length ? `Left out, since only the program does it: ${left.join(", ")}` : "";
    return { result: { steering: kept, note: note || undefined } };
  },
};

/** The photo of an id, which is now the one that was used last. */
async function used(id) {
  const opened = photos.get(id);
  if (!opened) throw new Refusal("Not open", "The photo is no longer open.", { status: 404 });
  photos.delete(id);
  photos.set(id, opened);
  for (const other of [...photos.values()].slice(0, -AWAKE)) other.rest();
  return opened;
}

function infoOf({ id, name, width, height, grey, kind }) {
  const format = kind?.name ?? "";
  return {
    id,
    name,
    sha256: id,
    width,
    height,
    grey,
    negative: false,
    pages: 1,
    notes: [],
    format,
  };
}

/** How chroma follows lightness on a photo steered so; the last answer is kept. */
async function guided(opened, steering) {
  const made = await opened.look(poseOf(steering), await colorizer());
  const { hints, recolors, vividness, warmth, tint, reach } = steering;
  const key = JSON.stringify({ hints, recolors, vividness, warmth, tint, reach });
  if (made.guidance.key !== key) {
    made.guidance = { key, planes: await made.look.plan(steering) };
  }
  return made.guidance.planes;
}

/** A part of a photo in colour. */
async function colored(opened, steering, area, scale) {
  const pose = poseOf(steering);
  const picture = await untouched(opened, steering, area, scale);
  const planes = await guided(opened, steering);
  const [width, height] = opened.size(pose);
  const share = {
    x: area.x / width,
    y: area.y / height,
    width: area.width / width,
    height: area.height / height,
  };
  merge(picture.data, picture, planes, (await colorizer()).facts.tables, share);
  return picture;
}

/** A part of a photo as it is, inverted and restored. */
async function untouched(opened, steering, area, scale) {
  const pose = poseOf(steering);
  const columns = Math.max(1, Math.round(area.width * scale));
  const rows = Math.max(1, Math.round(area.height * scale));
  const picture = opened.drawn(await opened.bitmap(), pose, area, columns, rows);
  if (pose.negative || pose.faded) {
    relevel(picture, (await opened.look(pose, await colorizer())).levels);
  }
  return picture;
}

async function shown(opened, steering, area, scale, isGrey) {
  const made = isGrey ? untouched : colored;
  const bitmap = await createImageBitmap(await made(opened, steering, area, scale));
  return { result: bitmap, moved: [bitmap] };
}

const stemOf = (name) => name.replace(/(?<=.)\.[^.]*$/, "");

/** What the program wrote down for the page. */
function facts() {
  known ??= again(
    async () => (await fetched("facts.json")).json(),
    () => (known = null),
  );
  return known;
}

/** The colorizer, loaded once. */
function colorizer() {
  loaded ??= again(load, () => (loaded = null));
  return loaded;
}

/** Do it; where it fails, another attempt may be made. */
async function again(work, reset) {
  try {
    return await work();
  } catch (error) {
    reset();
    throw error;
  }
}

async function load() {
  const found = structuredClone(await facts());
  found.tables = tablesOf(found, await (await fetched("tables.bin")).arrayBuffer());
  const model = await withProgress(await fetched(found.model.file), found.model.bytes);
  const ort = await import(new URL("ort/ort.wasm.min.mjs", HERE).href);
  ort.env.wasm.wasmPaths = new URL("ort/", HERE).href;
  const most = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  ort.env.wasm.numThreads = Math.min(4, most);
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return new Colorizer(found, colors, runnerOf(ort, session));
}

async function fetched(name) {
  let response;
  try {
    response = await fetch(new URL(name, HERE));
  } catch {
    throw new Refusal(
      "The page could not be loaded whole",
      "Check the connection, then load the page again.",
    );
  }
  if (response.ok) return response;
  throw new Refusal(
    "The page is not whole",
    `“${name}” is missing on the server (${response.status}): tell whoever runs it.`,
  );
}

/** All bytes of an answer, told as they come. */
async function withProgress(response, of) {
  const reader = response.body.getReader();
  const all = new Uint8Array(of);
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (bytes + value.length <= of) all.set(value, bytes);
    bytes += value.length;
    self.postMessage({ loading: { bytes, of } });
  }
  if (bytes === of) return all;
  throw new Refusal(
    "The network’s file is another one",
    "The page on the server was changed while it was loaded: load it again.",
  );
}

/** What to tell a person of an error. */
function told(error) {
  if (error instanceof Refusal) {
    const { title, detail, status, slug } = /** @type {any} */ (error);
    return { title, detail, status, slug };
  }
  const text = error instanceof Error ? error.message : String(error);
  if (/out of memory|allocation|bad_alloc/i.test(text) || error instanceof RangeError)
    return {
      title: "There is not enough memory for this photo",
      detail: "Close other tabs, or make the photo smaller. The program needs less.",
    };
  return { title: "The photo could not be coloured", detail: text };
}
