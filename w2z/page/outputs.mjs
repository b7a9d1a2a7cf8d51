/** The outputs of one cell, as the kernel's messages make and change them. */

import { Terminal } from "./terminal.mjs";

/** Outputs that are kept of a cell; the first ones go. */
const MOST = 500;
/** Characters of data that are kept of a cell, but for the last output's. */
const MOST_DATA = 48 * 2 ** 20;

let numbers = 0;

/**
 * An output. Its version changes with it.
 * @typedef {object} Output
 * @property {number} id
 * @property {number} version
 * @property {"stream" | "display" | "error"} kind
 * @property {string} [name] stdout or stderr
 * @property {Terminal} [terminal] the text of a stream or an error
 * @property {object} [data] MIME types and what they show
 * @property {object} [metadata]
 * @property {number} [count] of a result
 */

export class Outputs {
  constructor(most = MOST) {
    this._most = most;
    /** @type {Output[]} */
    this.items = [];
    this.dropped = 0;
    this._clears = false;
  }

  /** Text: goes on in the last output if that is of the same stream. */
  stream(name, text) {
    this._clearNow();
    let last = this.items.at(-1);
    if (last?.kind !== "stream" || last.name !== name) {
      last = this._add({ kind: "stream", name, terminal: new Terminal() });
    }
    last.terminal.write(text);
    last.version += 1;
  }

  /** @returns {Output} a new output of data */
  display({ data, metadata }, count) {
    this._clearNow();
    return this._add({ kind: "display", data: data ?? {}, metadata: metadata ?? {}, count });
  }

  error({ ename, evalue, traceback }) {
    this._clearNow();
    const terminal = new Terminal();
    const lines = traceback?.length ? traceback : [`${ename}: ${evalue}`];
    terminal.write(lines.join("\n"));
    terminal.end();
    this._add({ kind: "error", terminal, name: ename, summary: `${ename}: ${evalue}` });
  }

  /** @param {boolean} wait whether to clear when the next output comes, so that nothing flickers */
  clear(wait) {
    this._clears = wait;
    if (!wait) {
      this.items = [];
    }
  }

  /** Characters that it holds, about. */
  get weight() {
    return this.items.reduce((sum, item) => sum + weightOf(item), 0);
  }

  _clearNow() {
    if (this._clears) {
      this._clears = false;
      this.items = [];
    }
  }

  _add(fields) {
    numbers += 1;
    const item = { id: numbers, version: 0, ...fields };
    if (item.data !== undefined) {
      item.weight = sizeOf(item.data);
    }
    this.items.push(item);
    let weight = this.weight;
    while (this.items.length > this._most || (this.items.length > 1 && weight > MOST_DATA)) {
      weight -= weightOf(this.items.shift());
      this.dropped += 1;
    }
    return item;
  }
}

/** Put other data into an output. */
export function update(item, { data, metadata }) {
  item.data = data ?? {};
  item.metadata = metadata ?? {};
  item.weight = sizeOf(item.data);
  item.version += 1;
}

function weightOf(item) {
  return item.terminal ? item.terminal.characters : item.weight;
}

function sizeOf(data) {
  let sum = 0;
  for (const value of Object.values(data)) {
    sum += typeof value === "string" ? value.length : JSON.stringify(value).length;
  }
  return sum;
}
