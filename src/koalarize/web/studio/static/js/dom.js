/**
 * Small helpers for the page: elements, icons, announcements, files.
 *
 * Not here: anything that knows of photos or colours.
 */

/**
 * Make an element: `h("button", {class: "quiet", onclick}, "Save")`; children may be null.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node | string | null | undefined | (Node | string)[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  /** @type {any} */
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style")
      for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "class") element.className = value;
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Put the icons into the page once, so that new ones show without the server as well. */
async function loadIcons() {
  const answer = await fetch(new URL("../icons.svg", import.meta.url));
  const parsed = new DOMParser().parseFromString(await answer.text(), "image/svg+xml");
  const sprite = document.importNode(parsed.documentElement, true);
  sprite.setAttribute("class", "sprite");
  sprite.setAttribute("aria-hidden", "true");
  document.body.append(sprite);
}
loadIcons().catch(() => {}); // every icon's button has a name as well

/** An icon of `icons.svg`. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Put every `<i data-icon="name">` of the page's HTML into its icon.
 *
 * @param {ParentNode} root
 */
export function fillIcons(root = document) {
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (
    root.querySelectorAll("i[data-icon]")
  ))
    place.replaceWith(icon(place.dataset.icon));
}

/**
 * The first element of a selector, which must exist.
 *
 * @param {string} selector
 * @param {ParentNode} root
 * @returns {any} of the class that the page's HTML says
 */
export function $(selector, root = document) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return element;
}

/**
 * Call `work` with what a custom event tells.
 *
 * @param {EventTarget} target
 * @param {string} name
 * @param {(detail: any) => void} work
 */
export function onDetail(target, name, work) {
  target.addEventListener(name, (event) => work(/** @type {CustomEvent} */ (event).detail));
}

/** Say something to screen readers, and nothing else. */
export function announce(text) {
  $("#announcer").textContent = text;
}

/**
 * Show what goes on; screen readers hear it where more than its numbers changed.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function report(element, text) {
  const gist = (said) => said.replace(/[\d.,]/g, "");
  const isNew = text && gist(text) !== gist(element.textContent ?? "");
  element.textContent = text;
  if (isNew) announce(text);
}

/** Give a blob to the person as a file. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Ask for files; resolves to a list, empty if none was chosen. */
export function chooseFiles({ accept = "image/*", multiple = false } = {}) {
  return new Promise((resolve) => {
    const input = h("input", { type: "file", accept, multiple });
    input.addEventListener("change", () => resolve([...(input.files ?? [])]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}

/** A file by the name that it shows: signs that turn the direction of writing can hide its ending. */
export function plainlyNamed(file) {
  const name = file.name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "");
  return name === file.name ? file : new File([file], name, { type: file.type });
}

/** Call `work` once calls have stopped for `wait` milliseconds, or have gone on for `most`. */
export function debounce(work, wait, most = Infinity) {
  let timer = 0;
  let latest = 0; // when it is called though calls go on
  const later = (...values) => {
    clearTimeout(timer);
    const now = performance.now();
    latest ||= now + most;
    timer = setTimeout(
      () => {
        latest = 0;
        work(...values);
      },
      Math.max(0, Math.min(wait, latest - now)),
    );
  };
  later.cancel = () => {
    clearTimeout(timer);
    latest = 0;
  };
  return later;
}

/** A sentence of the service, with what it names in quotes rather than in backticks. */
export function prose(text) {
  return text.replace(/`([^`]*)`/g, "“$1”");
}

/** A text as a sentence begins; one that begins with the name of a file stays as it is. */
export function capital(text) {
  return /^[\p{L}-]+(\s|,|$)/u.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

/** A number within limits. */
export function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

/**
 * What draws on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 * @returns {CanvasRenderingContext2D}
 */
export function drawingOn(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("this browser cannot draw on a canvas");
  return context;
}

/** Fill a slider's track from `origin` to its value. */
export function fillTrack(input, origin = Number(input.min)) {
  const share = (value) =>
    (100 * (value - Number(input.min))) / (Number(input.max) - Number(input.min));
  const ends = [share(origin), share(Number(input.value))];
  input.style.setProperty("--from", `${Math.min(...ends)}%`);
  input.style.setProperty("--to", `${Math.max(...ends)}%`);
}
