/**
 * ZIP files: several files in one, stored as they are, since pictures are compressed already.
 *
 * Not here: where the files come from (`saving.js`). Names are UTF-8; sizes stay below 4 GiB.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});
const UTF8 = 0x0800;
const MOST = 0xffffffff;

/** Files that become one; what is added is held by the browser, not in this page's memory. */
export class Zip {
  /** @type {BlobPart[]} */
  #parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  #directory = [];
  #size = 0;
  #names = new Set();

  get count() {
    return this.#directory.length;
  }

  /**
   * Add a file; one whose name is taken already gets a number.
   *
   * @param {Blob} blob
   * @param {string} name
   */
  async add(blob, name) {
    const free = this.#free(name);
    if (this.#size + blob.size + 1024 > MOST)
      throw new Error("one ZIP file has no room for more than 4 GB: save the others by themselves");
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const facts = { checksum: crc32(bytes), size: blob.size, name: new TextEncoder().encode(free) };
    const head = header(facts);
    this.#directory.push(header(facts, this.#size));
    this.#parts.push(head, blob);
    this.#size += head.length + blob.size;
  }

  /** The whole file. */
  blob() {
    const length = this.#directory.reduce((sum, entry) => sum + entry.length, 0);
    const end = numbers([4, 0x06054b50], [2, 0], [2, 0], [2, this.count], [2, this.count]);
    const tail = numbers([4, length], [4, this.#size], [2, 0]);
    return new Blob([...this.#parts, ...this.#directory, end, tail], { type: "application/zip" });
  }

  #free(name) {
    const [, stem = name, ending] = /^(.*?)((?:\.color)?\.[^.]*)?$/s.exec(name) ?? [];
    let free = name;
    for (let number = 2; this.#names.has(free.toLowerCase()); number += 1)
      free = `${stem} (${number})${ending ?? ""}`;
    this.#names.add(free.toLowerCase());
    return free;
  }
}

/** The header of a file, or with `offset` its entry in the directory. */
function header({ checksum, size, name }, offset = -1) {
  const entry = offset >= 0;
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const shared = [
    [2, 20],
    [2, UTF8],
    [2, 0],
    [2, time],
    [2, day],
    [4, checksum],
    [4, size],
    [4, size],
    [2, name.length],
    [2, 0],
  ];
  const before = entry ? [[4, 0x02014b50], [2, 20]] : [[4, 0x04034b50]]; // prettier-ignore
  const after = entry ? [[2, 0], [2, 0], [2, 0], [4, 0], [4, offset]] : []; // prettier-ignore
  const fixed = numbers(...before, ...shared, ...after);
  const whole = new Uint8Array(fixed.length + name.length);
  whole.set(fixed);
  whole.set(name, fixed.length);
  return whole;
}

/** Numbers of 2 or 4 bytes, the lowest byte first. */
function numbers(...given) {
  const bytes = given.flatMap(([count, value]) =>
    Array.from({ length: count }, (_, place) => Math.floor(value / 256 ** place) % 256),
  );
  return Uint8Array.from(bytes);
}

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
