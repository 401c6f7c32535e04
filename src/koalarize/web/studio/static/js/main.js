/**
 * The page: makes its parts and ties them together.
 *
 * Not here: any part's own work.
 */

import * as api from "./api.js";
import { Arrivals, waysOn } from "./arrivals.js";
import { listenToBack } from "./back.js";
import { Copying } from "./copying.js";
import {
  $,
  announce,
  capital,
  chooseFiles,
  fillIcons,
  h,
  icon,
  onDetail,
  plainlyNamed,
} from "./dom.js";
import { Film } from "./film.js";
import { FILM_KINDS, Films, isFilm } from "./films.js";
import { History } from "./history.js";
import { Keeping } from "./keeping.js";
import { listenToKeys } from "./keys.js";
import { Panel } from "./panel.js";
import { Previews } from "./previews.js";
import { printPhotos } from "./printing.js";
import { Saving } from "./saving.js";
import { Studio } from "./studio.js";
import { Table } from "./table.js";
import { takeFiles } from "./taking.js";
import { listenToUpgrades } from "./upgrade.js";

const STATUS_SECONDS = 4;
const TIP_SECONDS = 10;
const PATIENCE = 10_000; // milliseconds after which the page says that it waits

fillIcons();
const studio = new Studio();
const table = new Table(studio);
const { viewer } = table;
const panel = new Panel(studio, { open: (id) => table.openHint(id), add: () => table.addHint() });
const film = new Film($("#film"), studio, { add: choose });
const previews = new Previews(viewer, studio.steering, studio.tried);
const history = new History(studio, { say });
new Copying(studio, { say, history });
new Arrivals(studio, { complain });
printPhotos(studio);
listenToBack(table);
const saving = new Saving(studio, { say, complain });
const films = new Films(studio, { complain, say, isBusy: () => table.isBusy });

let statusTimer = 0;
let answering = false; // whether what stands there answers a person
let waitTimer = 0;
const told = new WeakSet(); // photos of which was said what is not there

/**
 * Say something in passing, below the photo and to screen readers. What the page does by itself takes the place
 * of nothing that answers a person, such as where a picture was saved.
 */
function say(text, { byItself = false, seconds = STATUS_SECONDS } = {}) {
  if (byItself && answering) return;
  answering = !byItself;
  const status = $("#status");
  status.textContent = text;
  status.hidden = false;
  announce(text);
  clearTimeout(statusTimer);
  statusTimer = setTimeout(() => {
    status.hidden = true;
    answering = false;
  }, 1000 * seconds);
}

/**
 * Say what went wrong, until it is put away, or put right by what it comes `from`: "offline", "photo",
 * "preview"; anything else by the next files that a person brings.
 *
 * @param {any} problem
 * @param {{from?: string, actions?: [string, () => void][]}} options
 */
function complain(
  problem,
  { from = api.isOffline(problem) ? "offline" : "files", actions = [] } = {},
) {
  if (problem.slug === "token-needed") {
    problem = { title: "The studio asks for its token", detail: api.LOCKED };
    actions = [["Enter the token", () => location.reload()]];
  }
  const notice = $("#notice");
  notice.dataset.from = from;
  const close = h(
    "button",
    {
      class: "icon-button small",
      type: "button",
      "aria-label": "Put away",
      onclick: () => {
        notice.hidden = true;
      },
    },
    icon("close"),
  );
  const text = h(
    "div",
    { class: "grow" },
    h("strong", {}, problem.title ?? "Something went wrong"),
    h("p", {}, problem.detail || problem.message),
  );
  notice.replaceChildren(
    icon("warning"),
    text,
    ...actions.map(([label, act]) =>
      h("button", { class: "quiet", type: "button", onclick: act }, label),
    ),
    close,
  );
  notice.hidden = false;
}

/** Put a notice away that comes from one of these. */
function putRight(...from) {
  if (from.includes($("#notice").dataset.from)) $("#notice").hidden = true;
}

function showPhoto() {
  const photo = studio.active;
  document.body.dataset.state = photo
    ? photo.info
      ? "ready"
      : photo.failure
        ? "failed"
        : "waiting"
    : "empty";
  const left = photo && $("#empty").contains(document.activeElement);
  $("#empty").hidden = Boolean(photo);
  if (left) viewer.focus({ preventScroll: true }); // what had the focus is gone
  putRight("photo", "preview");
  showTitle();
  document.title = photo ? `${photo.title} – Koalarize studio` : "Koalarize studio";
  $("#progress").hidden = !photo || Boolean(photo.failure) || Boolean(photo.info);
  if (!answering) $("#status").hidden = true; // it was said of the photo before
  if (photo?.failure) {
    viewer.setPhoto(1, 1);
    complain(photo.failure, {
      from: "photo",
      actions: [...waysOn(studio, photo), ["Remove", () => studio.remove(photo)]],
    });
  }
  clearTimeout(waitTimer);
  previews.show(photo);
  showSent();
  history.show();
}

/** How much of the photo on the table has been uploaded, until it is coloured. */
function showSent() {
  const photo = studio.active;
  const arriving = $("#arriving");
  const comes = photo && !photo.info && !photo.failure;
  arriving.hidden = !comes;
  if (!comes) return;
  const percent = Math.floor(100 * photo.sent);
  arriving.textContent = percent < 100 ? `Uploading… ${percent} %` : "Reading the photo…";
  arriving.setAttribute("aria-valuenow", String(percent));
}
studio.addEventListener("sent", showSent);

function showTitle() {
  const photo = studio.active;
  let own = photo?.info?.grey === false ? ", its own colours are replaced" : "";
  if (photo?.info?.negative && !photo.edit.negative)
    own = ", looks like a negative: switch on Negative";
  if (lackOf(photo)) own += `, ${lackOf(photo)}`;
  if (photo?.info && photo.info.pages > 1)
    own += `, the first of ${photo.info.pages} pictures in its file`;
  const { width, height } = photo?.edit.crop ?? (photo?.info ? photo : {});
  const size = width ? `${width} × ${height}${own}` : "";
  $("#photo-title").replaceChildren(
    ...(photo ? [h("strong", { dir: "auto" }, photo.title), h("span", {}, size)] : []),
  );
}

/** What is not there of a damaged photo that was opened as far as it can be read. */
function lackOf(photo) {
  return photo?.tolerant ? (photo.info?.notes ?? []).join("; ") : "";
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else
    $("#stage")
      .requestFullscreen?.()
      .catch(() => {});
}

const commands = {
  undo: () => history.undo(),
  redo: () => history.redo(),
  "zoom-in": () => viewer.zoomBy(1.25),
  "zoom-out": () => viewer.zoomBy(0.8),
  actual: () => viewer.actualSize(),
  fit: () => viewer.fit(),
  compare: () => {
    viewer.compare = !viewer.compare;
    $("#compare").setAttribute("aria-pressed", String(viewer.compare));
  },
  turn: () => studio.active?.info && !studio.active.film && studio.active.turn(),
  crop: () => !studio.active?.film && table.crop(),
  level: () => !studio.active?.film && table.straighten(),
  "full-screen": toggleFullScreen,
  theme: () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("koalarize-theme", root.dataset.theme);
    } catch {
      // The choice then lasts as long as the page.
    }
  },
  "help-button": () => $("#help").showModal(),
  open: () => choose(),
  choose: () => choose(),
};
for (const [id, act] of Object.entries(commands)) $(`#${id}`).addEventListener("click", act);
listenToKeys({
  ...commands,
  peek: (on) => {
    viewer.peek = on;
  },
  bare: (on) => {
    $("#hints").classList.toggle("bare", on);
  },
  "new-hint": () => table.addHint(),
  save: () => studio.active?.info && saving.open(),
  step: (by) => studio.step(by),
});

async function choose() {
  const files = await chooseFiles({
    multiple: true,
    accept: `image/*,.json,.tif,.tiff,${FILM_KINDS}`,
  });
  if (files.length) take(files);
}

/** Take files however they came: photos go on the table, a session is continued. */
async function take(given) {
  putRight("files");
  const files = given.map(plainlyNamed);
  const sessions = files.filter(
    (file) => file.name?.toLowerCase().endsWith(".json") || file.type === "application/json",
  );
  const photos = studio.add(files.filter((file) => !sessions.includes(file) && !isFilm(file)));
  films.open(files.filter(isFilm), { aside: photos.length > 0 });
  for (const file of sessions) {
    try {
      await saving.openSession(file);
    } catch (problem) {
      complain(problem);
    }
  }
}
takeFiles({
  take,
  leave: (detail, title = "Not everything was taken") => complain({ title, detail }),
  over: (on) => {
    $("#drop-here").hidden = !on;
  },
});

studio.addEventListener("photo", showPhoto);
onDetail(studio, "edit", (detail) => {
  showTitle();
  previews.changed(detail);
  history.show();
  if (!detail.live) film.show();
});
onDetail(studio, "problem", ({ problem }) => complain(problem));
viewer.addEventListener("view", () => {
  const percent = 100 * viewer.view.scale * devicePixelRatio;
  const shown = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
  $("#actual").textContent = shown;
  $("#actual").setAttribute("aria-label", `${shown}: choose actual size`);
});

onDetail(table.level, "tilt", (degrees) => previews.tilt(degrees));
onDetail(table.level, "lost", say);
onDetail(previews, "state", ({ photo, busy, seconds, problem }) => {
  if (photo !== studio.active) return;
  $("#progress").hidden = !busy;
  clearTimeout(waitTimer);
  const waits = () => say("No answer yet. The page waits for it…", { byItself: true });
  if (busy) waitTimer = setTimeout(waits, PATIENCE);
  const again = () => {
    putRight("preview");
    previews.retry();
  };
  if (problem?.offline) complain(problem);
  else if (problem?.status === 422) mend(photo, problem);
  else if (problem) complain(problem, { from: "preview", actions: [["Try again", again]] });
  if (seconds === undefined) return;
  putRight("preview");
  const taken = `Coloured in ${seconds < 0.1 ? "under 0.1" : seconds.toFixed(1)} s`;
  const tip = tipFor(photo);
  say(taken + tip, { byItself: true, seconds: tip ? TIP_SECONDS : STATUS_SECONDS });
  document.body.dataset.coloured = String(Number(document.body.dataset.coloured ?? 0) + 1);
  film.picture(photo, photo.pictures.after);
  panel.settled();
});

/**
 * What is not there of a damaged photo, said once; what to do next, at the first photo of a visit: the panel says it
 * too, but below what is in sight.
 */
function tipFor(photo) {
  const lack = !told.has(photo) && lackOf(photo);
  told.add(photo);
  if (lack) return `. ${capital(lack)}.`;
  const isFirst = !document.body.dataset.coloured && !photo.edit.hints.length;
  if (!isFirst || studio.modelOf(photo)?.accepts_hints === false) return "";
  const byTouch = matchMedia("(pointer: coarse)").matches;
  return `. ${byTouch ? "Tap" : "Click"} on the photo where a colour is wrong.`;
}

/** Show the photo as it can be where what is asked of it cannot; say in any case what is wrong. */
async function mend(photo, problem) {
  await asked; // the models
  const mended = await panel.mend(photo);
  if (mended) complain(mended);
  else if (photo === studio.active) complain(problem, { from: "preview" });
}

api.connection.addEventListener("online", () => {
  putRight("offline");
  for (const said of document.querySelectorAll(".problem"))
    if (said instanceof HTMLElement && said.textContent === api.AWAY) said.hidden = true;
  for (const photo of studio.photos) if (api.isOffline(photo.failure)) studio.retry(photo);
  previews.retry();
  panel.settled(); // its colourings may not have come
});
api.connection.addEventListener("offline", () => {
  complain({ title: "No answer from koalarize", detail: api.AWAY }, { from: "offline" });
});
onDetail(api.connection, "busy", ({ waiting }) => {
  if (waiting) say("The server is busy; waiting for a turn…", { byItself: true });
});

async function showExamples() {
  const examples = await (
    await fetch(new URL("../examples/examples.json", import.meta.url))
  ).json();
  const at = (name) => new URL(`../examples/${name}`, import.meta.url).href;
  $("#examples").replaceChildren(
    ...examples.map(({ file, thumb, title }) =>
      h(
        "button",
        {
          type: "button",
          class: "example",
          onclick: async () =>
            studio.add([
              new File([await (await fetch(at(file))).blob()], file, { type: "image/jpeg" }),
            ]),
        },
        h("img", { src: at(thumb), alt: "", width: "96", height: "96", draggable: "false" }),
        h("span", {}, title),
      ),
    ),
  );
}

/** The models that there are; without an answer, asked for again as soon as the server is back. */
async function learnModels() {
  try {
    studio.models = await api.models();
  } catch (problem) {
    if (api.isOffline(problem))
      api.connection.addEventListener("online", learnModels, { once: true });
    complain(problem);
  }
  panel.show();
}

showExamples().catch(complain);
const asked = learnModels();
listenToUpgrades(complain);
// Work is kept and brought back whatever else fails.
new Keeping(studio, { complain }).start().catch(complain);
