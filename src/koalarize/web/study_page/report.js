// The report of a finished test: numbers in a table, facts, and a drawing.

import { byId, fill } from "./elements.js";

const percent = (rate) => (rate === null ? "–" : `${(100 * rate).toFixed(1)}\u00a0%`);
const range = (bounds) => (bounds ? `${percent(bounds[0])} to ${percent(bounds[1])}` : "–");

/** Fill the results with a report, all but its drawing. */
export function fillReport(report) {
  const single = report.mode === "single";
  fill(
    "summary",
    single
      ? "How often you took a recoloured picture for a real one:"
      : "How often you took the recoloured picture for the real one:",
  );
  const titles = ["Model", "Fooled", "Rate", "95 % interval", single ? "d′" : "p against chance"];
  const rows = report.models.map((row) => [
    row.name,
    `${row.fooled.count} of ${row.fooled.n}`,
    percent(row.fooled.rate),
    range(row.fooled.interval),
    single
      ? row.d_prime === null
        ? "–"
        : row.d_prime.toFixed(2)
      : row.p_value === null
        ? "–"
        : row.p_value.toPrecision(2),
  ]);
  byId("models").replaceChildren(
    line("th", titles, titles),
    ...rows.map((row) => line("td", row, titles)),
  );
  const facts = [];
  if (single) {
    const { rate, interval, count, n } = report.real_judged_real;
    facts.push(
      `Real pictures judged real: ${percent(rate)} (${count} of ${n}; ${range(interval)}).`,
    );
  }
  if (report.catch.n) {
    facts.push(`Attention checks right: ${report.catch.count} of ${report.catch.n}.`);
  }
  const excluded = Object.entries(report.excluded).map(([why, count]) => `${count} ${why}`);
  facts.push(`Excluded answers: ${excluded.join(", ") || "none"}.`, ...report.notes);
  byId("facts").replaceChildren(
    ...facts.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
}

/**
 * @param {"td" | "th"} kind
 * @param {string[]} cells
 * @param {string[]} titles of the columns, which a narrow window shows beside the cells
 */
function line(kind, cells, titles) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row"); // a row to a reader too where it is laid out as a list
  cells.forEach((text, index) => {
    const cell = document.createElement(kind);
    cell.setAttribute("role", kind === "th" ? "columnheader" : "cell");
    if (kind === "th") cell.setAttribute("scope", "col");
    else cell.dataset.title = titles[index];
    cell.textContent = text;
    row.append(cell);
  });
  return row;
}

/** Draw a report, as wide as there is room. */
export function drawReport(report) {
  // Each model's rate with its interval on a line from 0 to 100 %; half is marked.
  const rows = report.models.filter((row) => row.fooled.n);
  if (report.real_judged_real && report.real_judged_real.n) {
    rows.push({ name: "real photos", fooled: report.real_judged_real });
  }
  const [left, step] = [110, 34];
  const width = Math.max(240, byId("chart").clientWidth);
  const height = rows.length * step;
  const at = (rate) => left + rate * (width - left - 24);
  const svg = node("svg", { width, height: height + 26, viewBox: `0 0 ${width} ${height + 26}` });
  for (const rate of [0, 0.5, 1]) {
    const kind = rate === 0.5 ? "half" : "axis";
    svg.append(node("line", { x1: at(rate), x2: at(rate), y1: 0, y2: height, class: kind }));
    svg.append(
      node("text", { x: at(rate), y: height + 18, "text-anchor": "middle" }, `${100 * rate} %`),
    );
  }
  rows.forEach(({ name, fooled }, index) => {
    const y = (index + 0.5) * step;
    const [low, high] = fooled.interval;
    const short = name.length > 12 ? `${name.slice(0, 11)}…` : name;
    svg.append(node("text", { x: left - 14, y: y + 4, "text-anchor": "end" }, short));
    svg.append(node("line", { x1: at(low), x2: at(high), y1: y, y2: y, class: "range" }));
    svg.append(node("circle", { cx: at(fooled.rate), cy: y, r: 6, class: "point" }));
  });
  byId("chart").replaceChildren(svg);
  byId("chart").setAttribute(
    "aria-label",
    rows
      .map(
        ({ name, fooled }) =>
          `${name}: ${percent(fooled.rate)} judged real, ${range(fooled.interval)}`,
      )
      .join("; "),
  );
}

function node(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}
