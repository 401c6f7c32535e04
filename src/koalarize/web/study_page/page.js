// The test as a person sees it. It knows no answer before one is given: pictures come under random
// names, one request each, and their truth stays with the server.

import { byId, fill } from "./elements.js";
import { drawReport, fillReport } from "./report.js";

const CROSS_MS = 500;
const RETRY_MS = 150;
const sections = ["instructions", "trial", "between", "results", "trouble"];

const SECOND =
  "The test is open in another window. Go on there and close this one, or close that one and try again: no answer is lost.";
const ELSEWHERE =
  "This trial is no longer open here: the test went on in another window. Go on in one window only: close the others, then try again.";

let state = null;
let alone = false; // whether no other window shows the test
let practising = 0; // practice trials left
let wantsPause = false;
let stacked = false; // whether the pair that was shown last stood one above the other
let waiting = null; // what a key or a button answers at this moment

// -- talking to the server --------------------------------------------------------------------

class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, body) {
  const options =
    body === undefined
      ? {}
      : {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(
      "The program that serves this page does not answer. Start it again with the " +
        "same command, then try again: no answer is lost.",
      0,
    );
  }
  if (response.status === 202) return null;
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(content.error || "The request failed.", response.status);
  return content;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

// -- screens ----------------------------------------------------------------------------------

function show(id, focus) {
  for (const name of sections) byId(name).hidden = name !== id;
  document.body.classList.toggle("grey", id === "trial");
  if (focus) byId(focus).focus();
}

/** Whether no other window of this browser shows the test; this one then has it until it is closed. */
async function isAlone() {
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    navigator.locks
      .request("koalarize-turing", { ifAvailable: true }, (lock) => {
        resolve(Boolean(lock));
        return lock ? new Promise(() => {}) : undefined;
      })
      .catch(() => resolve(true)); // there are none where site data are blocked
  });
}

function trouble(error, again) {
  fill("trouble-text", error.message);
  byId("again").onclick = again;
  show("trouble", "trouble-title");
}

function pressed(...answers) {
  // Resolves with the value of the button clicked or the key pressed.
  return new Promise((resolve) => {
    const finish = (value, at) => {
      waiting = null;
      for (const { button } of answers) if (button) byId(button).onclick = null;
      resolve({ value, at });
    };
    for (const { button, value } of answers) {
      if (button) byId(button).onclick = (event) => finish(value, event.timeStamp);
    }
    waiting = (event) => {
      const chosen = answers.find(({ keys }) => keys && keys.includes(event.key));
      if (!chosen) return;
      event.preventDefault();
      finish(chosen.value, event.timeStamp);
    };
  });
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  // Enter and Space on a focused button are a click on it.
  const onButton = event.target instanceof HTMLButtonElement && ["Enter", " "].includes(event.key);
  if (waiting && !onButton) waiting(event);
});

// -- one trial --------------------------------------------------------------------------------

const isUpright = () => matchMedia("(orientation: portrait) and (max-width: 45rem)").matches;

/** What can be answered, of a pair that stood `upright` when it was shown, however the screen is turned since. */
function choices(upright) {
  const first = ["ArrowLeft"];
  const second = ["ArrowRight"];
  if (state.mode === "single") {
    return [
      { button: "first", keys: first, value: "real", label: "Real", key: "←" },
      { button: "second", keys: second, value: "recoloured", label: "Recoloured", key: "→" },
    ];
  }
  return [
    {
      button: "first",
      keys: [...first, "ArrowUp"],
      value: "left",
      label: upright ? "The upper one" : "The left one",
      key: upright ? "↑" : "←",
    },
    {
      button: "second",
      keys: [...second, "ArrowDown"],
      value: "right",
      label: upright ? "The lower one" : "The right one",
      key: upright ? "↓" : "→",
    },
  ];
}

function labelled(id, text, key) {
  const cap = document.createElement("kbd");
  cap.textContent = key;
  byId(id).replaceChildren(text, " ", cap);
}

async function load(token) {
  const response = await fetch(`/picture/${token}`).catch(() => null);
  if (response?.status === 404) throw new Refused(ELSEWHERE, 409);
  if (!response || !response.ok) throw new Refused("A picture could not be loaded.", 0);
  const image = new Image();
  image.alt = "";
  image.src = URL.createObjectURL(await response.blob());
  await image.decode();
  return image;
}

async function display(images) {
  // Shows the pictures for the asked time, whole frames only, and says how long they stood there
  // and when they went: both are times of the frames, not of timers.
  const stage = byId("pictures");
  let hiddenMeanwhile = document.hidden;
  const note = () => {
    if (document.hidden) hiddenMeanwhile = true;
  };
  document.addEventListener("visibilitychange", note);
  stage.replaceChildren(...images);
  byId("cross").classList.add("on");
  await pause(CROSS_MS);
  const before = await frame();
  const start = await frame();
  const step = Math.min(start - before, 50);
  byId("cross").classList.remove("on");
  stage.classList.add("on");
  stacked = isUpright();
  const wanted = state.seconds * 1000;
  let now = start;
  while (now - start < wanted - step / 2) now = await frame();
  stage.classList.remove("on");
  stage.replaceChildren();
  document.removeEventListener("visibilitychange", note);
  for (const image of images) URL.revokeObjectURL(image.src);
  return { shown: now - start, hiddenAt: now, interrupted: hiddenMeanwhile };
}

async function oneTrial(practice) {
  const total = practice ? state.practice : state.total;
  const number = (practice ? state.practice - practising : state.answered) + 1;
  fill("count", `${practice ? "Practice " : ""}${number} of ${total}`);
  byId("progress").max = total;
  byId("progress").value = number - 1;
  byId("question").hidden = true;
  byId("feedback").hidden = true;
  byId("pause").hidden = practice;
  byId("trial").classList.add("showing");
  byId("pictures").classList.toggle("pair", state.mode === "pair");
  show("trial");
  let opened = null;
  while (!(opened = await ask("/api/next", { practice }))) await pause(RETRY_MS);
  const images = await Promise.all(opened.pictures.map(load));
  const { shown, hiddenAt, interrupted } = await display(images);
  const reply = await question(hiddenAt);
  const body = {
    trial: opened.trial,
    answer: reply.answer,
    shown_ms: shown,
    reaction_ms: reply.reaction,
    interrupted,
  };
  for (;;) {
    try {
      return await ask("/api/answer", body);
    } catch (error) {
      if (error.status === 409) throw error;
      await new Promise((resolve) => trouble(error, resolve));
      show("trial");
    }
  }
}

async function question(since) {
  const options = choices(stacked);
  fill("asked", state.mode === "single" ? "Real or recoloured?" : "Which one was real?");
  for (const { button, label, key } of options) labelled(button, label, key);
  document.querySelector(".choices")?.classList.toggle("upright", state.mode === "pair");
  byId("trial").classList.remove("showing");
  byId("question").hidden = false;
  byId("asked").focus();
  for (;;) {
    const { value, at } = await pressed(...options, {
      button: "pause",
      keys: ["p", "P", "Escape"],
      value: "pause",
    });
    if (value !== "pause") {
      byId("question").hidden = true;
      return { answer: value, reaction: Math.max(0, at - since) };
    }
    wantsPause = !wantsPause && !byId("pause").hidden;
    fill("live", wantsPause ? "The test pauses after this answer." : "The test goes on.");
    byId("pause").setAttribute("aria-pressed", String(wantsPause));
    labelled("pause", wantsPause ? "Pausing" : "Pause", "P");
  }
}

async function feedback({ correct, truth }, last) {
  const where = stacked ? { left: "upper", right: "lower" } : { left: "left", right: "right" };
  const fact = state.mode === "single" ? `it was ${truth}` : `the ${where[truth]} one was real`;
  fill("verdict", `${correct ? "Right" : "Wrong"}: ${fact}.`);
  labelled("go-on", last ? "Go on" : "Next", "Space");
  byId("feedback").hidden = false;
  byId("verdict").focus();
  await pressed({ button: "go-on", keys: [" ", "Enter"], value: true });
  byId("feedback").hidden = true;
}

// -- the whole test ---------------------------------------------------------------------------

async function between(title, text, button) {
  fill("between-title", title);
  fill("between-text", text);
  labelled("continue", button, "Space");
  show("between", "between-title");
  await pressed({ button: "continue", keys: [" ", "Enter"], value: true });
}

async function run(practice) {
  try {
    practising = practice ? state.practice : 0;
    while (practising > 0) {
      const answered = await oneTrial(true);
      practising -= 1;
      await feedback(answered, practising === 0);
      if (practising === 0) {
        await between(
          "That was the practice",
          `Now ${state.total - state.answered} trials count. You will not be told whether you were ` +
            "right until the end.",
          "Begin",
        );
      }
    }
    while (!state.finished) {
      state = await oneTrial(false);
      if (wantsPause && !state.finished) {
        wantsPause = false;
        byId("pause").setAttribute("aria-pressed", "false");
        labelled("pause", "Pause", "P");
        await between(
          "Pause",
          `${state.answered} of ${state.total} done. Every answer is kept: ` +
            "you can also close the page and go on another day.",
          "Go on",
        );
      }
    }
    await results();
  } catch (error) {
    trouble(error, begin);
  }
}

function welcome() {
  const pair = state.mode === "pair";
  const seconds = `${state.seconds} second${state.seconds === 1 ? "" : "s"}`;
  byId("greeting").hidden = !state.person;
  fill("greeting", `Hello ${state.person}.`);
  fill(
    "what",
    pair
      ? "You will see two pictures of the same thing. One is a photo as it was taken. The other has " +
          "lost its colours, and a computer has put new ones in."
      : "You will see pictures one after the other. Some are photos as they were taken. Others have " +
          "lost their colours, and a computer has put new ones in.",
  );
  const steps = [
    "Look at the cross in the middle.",
    `${pair ? "Two pictures appear" : "A picture appears"} for ${seconds}.`,
    pair ? "Say which one was real." : "Say whether its colours were real.",
  ];
  byId("steps").replaceChildren(
    ...steps.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
  const [first, second] = choices(isUpright());
  const cap = (text) => {
    const key = document.createElement("kbd");
    key.textContent = text;
    return key;
  };
  const keys = [
    "Answer with the keys ",
    cap(first.key),
    ` (${first.label.toLowerCase()}) and `,
    cap(second.key),
    ` (${second.label.toLowerCase()}), or tap the buttons.`,
  ];
  const byTouch = matchMedia("(hover: none) and (pointer: coarse)").matches;
  byId("keys").replaceChildren(...(byTouch ? ["Answer by tapping one of two buttons."] : keys));
  const begun = state.answered > 0;
  byId("resume").hidden = !begun;
  fill("resume", `${state.answered} of ${state.total} are done already; the test goes on there.`);
  fill("file", state.file);
  fill("practise", `Practise ${state.practice} times first`);
  fill("start", begun ? "Go on with the test" : `Begin with the ${state.total} trials`);
  byId("practise").classList.toggle("main", !begun);
  byId("start").classList.toggle("main", begun);
  show("instructions", "instructions-title");
  pressed({ button: "practise", value: true }, { button: "start", value: false }).then(
    ({ value }) => run(value),
  );
}

async function begin() {
  alone = alone || (await isAlone());
  if (!alone) return trouble(new Refused(SECOND, 409), begin);
  try {
    state = await ask("/api/state");
    if (state.finished) await results();
    else welcome();
  } catch (error) {
    trouble(error, begin);
  }
}

// -- results ----------------------------------------------------------------------------------

async function results() {
  const report = await ask("/api/results");
  fillReport(report);
  fill("results-file", state.file);
  show("results", "results-title");
  drawReport(report);
  onresize = () => drawReport(report);
}

begin();
