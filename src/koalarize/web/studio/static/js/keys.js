/**
 * Keys of the whole page.
 *
 * Not here: keys that belong to one element (hints, divider, pickers). Letters and digits do
 * not count in fields, menus and the editor of a hint; sliders and switches take none, so there they do.
 */

const LETTERS = {
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  0: "fit",
  1: "actual",
  f: "full-screen",
  c: "compare",
  n: "new-hint",
  r: "turn",
  s: "level",
  x: "crop",
  "?": "help-button",
};
/** What goes on while its key is held; all else is done once. */
const GOES_ON = new Set(["zoom-in", "zoom-out"]);
/** What lasts as long as a key is held. */
const HELD = { b: "peek", h: "bare" };

/** Listen; `commands` are functions by name. */
export function listenToKeys(commands) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const bracket = event.key === "[" || event.key === "]"; // typed with Alt on many keyboards
    const control = (event.ctrlKey || event.metaKey) && !(bracket && event.altKey);
    const key = latin(event);
    if (control) return withControl(event, key, commands);
    if ((event.altKey && !bracket) || !onPhoto(event.target)) return undefined;
    if (Object.hasOwn(HELD, key)) return event.repeat || commands[HELD[key]](true);
    if (key === "[" || key === "]") return commands.step(key === "[" ? -1 : 1);
    if (!Object.hasOwn(LETTERS, key)) return undefined;
    event.preventDefault();
    if (event.repeat && !GOES_ON.has(LETTERS[key])) return undefined;
    return commands[LETTERS[key]]();
  });
  const end = (name) => commands[name](false);
  addEventListener("blur", () => Object.values(HELD).forEach(end));
  addEventListener("keyup", (event) => {
    const key = event.key && latin(event);
    if (Object.hasOwn(HELD, key)) end(HELD[key]);
  });
}

/** The key, as a Latin letter where the keyboard writes another script. */
function latin({ key, code = "" }) {
  if (key.length !== 1) return key;
  const other = /\p{L}/u.test(key) && !/\p{Script=Latin}/u.test(key);
  return (other && code.startsWith("Key") ? code.slice(3) : key).toLowerCase();
}

function withControl(event, key, commands) {
  const inText = event.target.closest?.("input[type=text], textarea");
  const name = { z: event.shiftKey ? "redo" : "undo", y: "redo", s: "save" }[key];
  if (!name || (inText && key !== "s")) return;
  event.preventDefault();
  commands[name]();
}

function onPhoto(target) {
  const typed = "input:not([type=range], [type=checkbox]), select, textarea";
  return !target.closest?.(`${typed}, hint-editor, [popover], dialog`);
}
