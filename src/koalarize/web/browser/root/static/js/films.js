/**
 * Films, which this page does not colour: a person is told what does.
 *
 * Not here: the studio's `films.js`, whose place this takes.
 */

const ENDINGS = /\.(mp4|m4v|mov|mkv|webm|avi|m2ts|mts|mpe?g|vob|wmv|flv|3gp|ogv|dv|mxf)$/i;

/** A file chooser offers none. */
export const FILM_KINDS = "image/webp";

/** Whether a file is taken for a film. */
export function isFilm(file) {
  return Boolean(file.type?.startsWith("video/")) || ENDINGS.test(file.name ?? "");
}

export class Films {
  /**
   * @param {unknown} _studio
   * @param {{complain: (problem: any) => void}} commands
   */
  constructor(_studio, { complain }) {
    this.complain = complain;
  }

  /** @param {File[]} files */
  open(files) {
    if (!files.length) return;
    const names = files.map(({ name }) => name).join(", ");
    this.complain({
      title: "This page colours photos",
      detail: `Films are coloured by the program, on your own machine: “koalarize ${names}”.`,
    });
  }
}
