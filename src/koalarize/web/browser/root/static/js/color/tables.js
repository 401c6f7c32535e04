/**
 * The tables of the arithmetic of a pixel, which the program wrote down (`koalarize.web.browser`).
 *
 * Not here: what is looked up in them (`merge.js`).
 */

/** The tables of the arithmetic of a pixel, which lie in one file one after the other. */
export function tablesOf(facts, buffer) {
  const found = { numbers: facts.numbers, light: facts.light };
  for (const [name, { type, start, length }] of Object.entries(facts.tables)) {
    const kind = type === "uint8" ? Uint8Array : Float32Array;
    found[name] = new kind(buffer, start, length);
  }
  return found;
}
