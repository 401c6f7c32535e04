/**
 * Keys of the whole page.
 *
 * Not here: keys that belong to one element (hints, divider, pickers). Letters and digits do
 * not count in fields, menus and the editor of a hint.
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

/** Listen; `commands` are functions by name. */
export function listenToKeys(commands) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (control) return withControl(event, key, commands);
    if (event.altKey || !onPhoto(event.target)) return undefined;
    if (key === "b") return event.repeat || commands.peek(true);
    if (key === "[" || key === "]") return commands.step(key === "[" ? -1 : 1);
    if (!Object.hasOwn(LETTERS, key)) return undefined;
    event.preventDefault();
    return commands[LETTERS[key]]();
  });
  addEventListener("blur", () => commands.peek(false));
  addEventListener("keyup", (event) => event.key?.toLowerCase() === "b" && commands.peek(false));
}

function withControl(event, key, commands) {
  const inText = event.target.closest?.("input[type=text], textarea");
  const name = { z: event.shiftKey ? "redo" : "undo", y: "redo", s: "save" }[key];
  if (!name || (inText && key !== "s")) return;
  event.preventDefault();
  commands[name]();
}

function onPhoto(target) {
  return !target.closest?.("input, select, textarea, hint-editor, [popover], dialog");
}
