/** A line of text whose parts have styles. */

/**
 * A line: a text without style, or runs of text with one.
 * @typedef {string | {text: string, style: import("./sgr.mjs").Style | null}[]} Line
 */

/** @returns {string} a line without its styles */
export function plain(line) {
  return typeof line === "string" ? line : line.map(run => run.text).join("");
}

/** @returns {number} how many characters a line has */
export function lengthOf(line) {
  return typeof line === "string"
    ? line.length
    : line.reduce((sum, run) => sum + run.text.length, 0);
}

/** @returns {object[]} a line as runs */
export function runsOf(line) {
  return typeof line === "string" ? (line ? [{ text: line, style: null }] : []) : line;
}

/** The runs from one column to another. */
export function slice(runs, from, to) {
  const found = [];
  let column = 0;
  for (const { text, style } of runs) {
    const piece = text.slice(Math.max(0, from - column), Math.max(0, to - column));
    if (piece) {
      found.push({ text: piece, style });
    }
    column += text.length;
  }
  return found;
}

/** The runs with another one in the place of what is at that column. */
export function overlay(runs, column, run) {
  const length = lengthOf(runs);
  const before = slice(runs, 0, column);
  if (column > length) {
    before.push({ text: " ".repeat(column - length), style: null });
  }
  const last = before.at(-1);
  if (last !== undefined && last.style === run.style) {
    before[before.length - 1] = { text: last.text + run.text, style: run.style };
  } else {
    before.push(run);
  }
  return [...before, ...slice(runs, column + run.text.length, length)];
}
