/**
 * Text as a terminal shows it: lines, of which "\r", "\b" and a few escape sequences change the last
 * ones, as progress bars do. What it holds is bounded: the first lines go, and are counted.
 */

import { lengthOf, overlay, plain, runsOf, slice } from "./runs.mjs";
import { Styles } from "./sgr.mjs";

const MOST_LINES = 200_000;
const MOST_CHARACTERS = 32 * 2 ** 20;
const LONGEST_LINE = 50_000;

/** A part of the text that means one thing: a line's end, a movement, an escape sequence, text. */
const PARTS =
  /\r?\n|\r|\x08|\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^[\]]|[^\r\n\x08\x1b]+|\x1b/g;
const UNFINISHED = /(?:\x1b(?:\[[0-9;:<=>?]*[ -/]*|\][^\x07\x1b]{0,4096}\x1b?)?|\r)$/;
const SPECIAL = /[\r\x08\x1b]/;
const UNSEEN = /[\0-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;

export class Terminal {
  constructor(mostLines = MOST_LINES, mostCharacters = MOST_CHARACTERS) {
    this._mostLines = mostLines;
    this._mostCharacters = mostCharacters;
    this._styles = null;
    this._style = null;
    this._held = "";
    this._row = 0;
    this._column = 0;
    /** @type {import("./runs.mjs").Line[]} */
    this.lines = [""];
    /** How many lines went before the first one that is kept. */
    this.dropped = 0;
    this.characters = 0;
    this._changed = 0;
  }

  /** Take more text. An escape sequence may be cut anywhere. */
  write(text) {
    let whole = this._held + text;
    this._held = UNFINISHED.exec(whole)?.[0] ?? "";
    whole = this._held ? whole.slice(0, -this._held.length) : whole;
    if (this._style === null && this._isAtEnd() && !SPECIAL.test(whole)) {
      this._append(whole);
    } else {
      for (const [part, values, final] of whole.matchAll(PARTS)) {
        this._take(part, values, final);
      }
    }
    this._trim();
  }

  /** Take what is held back because it might have gone on. */
  end() {
    const held = this._held;
    this._held = "";
    if (held === "\r") {
      this._column = 0;
    }
  }

  /**
   * Where the lines differ from those of the last call; those behind it may differ, too.
   * @returns {number} an index, counted from the first line that there ever was
   */
  takeChanged() {
    const changed = this._changed;
    this._changed = this.dropped + this.lines.length;
    return changed;
  }

  /** How many lines there are to be shown: not the one that has yet to begin. */
  get length() {
    return this.lines.at(-1).length === 0 ? this.lines.length - 1 : this.lines.length;
  }

  /** All text that is kept, without styles. */
  text() {
    return this.lines.map(plain).join("\n");
  }

  _isAtEnd() {
    return this._row === this.lines.length - 1 && this._column === lengthOf(this.lines[this._row]);
  }

  /** Text without style behind the last line: the quick way. */
  _append(text) {
    const pieces = text.replace(UNSEEN, "").split("\n");
    this._touch(this._row);
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) {
        this._newLine();
      }
      this._put(piece, null);
    }
  }

  _take(part, values, final) {
    if (part === "\n" || part === "\r\n") {
      this._newLine();
    } else if (part === "\r") {
      this._column = 0;
    } else if (part === "\b") {
      this._column = Math.max(0, this._column - 1);
    } else if (final !== undefined) {
      this._escape(part, values, final);
    } else if (!part.startsWith("\x1b")) {
      this._put(part.replace(UNSEEN, ""), this._style);
    }
  }

  _escape(sequence, values, final) {
    const number = Number.parseInt(values, 10) || 0;
    const steps = Math.min(Math.max(1, number), LONGEST_LINE);
    if (final === "m") {
      this._styles ??= new Styles();
      this._style = this._styles.after(sequence);
    } else if (final === "A") {
      this._row = Math.max(0, this._row - steps);
    } else if (final === "B") {
      this._row = Math.min(this.lines.length - 1, this._row + steps);
    } else if (final === "C") {
      this._column += steps;
    } else if (final === "D") {
      this._column = Math.max(0, this._column - steps);
    } else if (final === "G") {
      this._column = steps - 1;
    } else if (final === "K") {
      this._erase(number);
    }
  }

  /** Erase behind the cursor (0), before it (1) or the whole line (2). */
  _erase(mode) {
    const line = this.lines[this._row];
    const length = lengthOf(line);
    const runs = runsOf(line);
    const kept = mode === 0 ? slice(runs, 0, this._column) : [];
    if (mode === 1) {
      const blank = { text: " ".repeat(Math.min(this._column, length)), style: null };
      kept.push(blank, ...slice(runs, this._column, length));
    }
    this._set(this._row, kept);
  }

  _newLine() {
    this._row += 1;
    this._column = 0;
    if (this._row === this.lines.length) {
      this.lines.push("");
      this._touch(this._row);
    }
  }

  /** Put text over what is at the cursor, or behind the line. */
  _put(text, style) {
    let rest = text;
    while (rest.length > 0) {
      if (this._column >= LONGEST_LINE) {
        this._newLine();
      }
      const piece = rest.slice(0, LONGEST_LINE - this._column);
      rest = rest.slice(piece.length);
      const line = this.lines[this._row];
      if (style === null && typeof line === "string" && this._column === line.length) {
        this.lines[this._row] = line + piece;
        this.characters += piece.length;
        this._touch(this._row);
      } else {
        this._set(this._row, overlay(runsOf(line), this._column, { text: piece, style }));
      }
      this._column += piece.length;
    }
  }

  _set(row, runs) {
    const before = lengthOf(this.lines[row]);
    const isPlain = runs.every(run => run.style === null);
    this.lines[row] = isPlain ? runs.map(run => run.text).join("") : runs;
    this.characters += lengthOf(this.lines[row]) - before;
    this._touch(row);
  }

  _touch(row) {
    this._changed = Math.min(this._changed, this.dropped + row);
  }

  _trim() {
    let least = 0;
    if (this.lines.length > this._mostLines) {
      // More than has to go, so that not every line moves all others.
      least = this.lines.length - Math.floor(this._mostLines * 0.9);
    }
    let left = this.characters;
    for (let index = 0; index < least; index += 1) {
      left -= lengthOf(this.lines[index]);
    }
    while (left > this._mostCharacters && least < this.lines.length - 1) {
      left -= lengthOf(this.lines[least]);
      least += 1;
    }
    if (least > 0) {
      this.lines.splice(0, least);
      this.characters = left;
      this.dropped += least;
      this._row = Math.max(0, this._row - least);
      this._changed = Math.max(this._changed, this.dropped);
    }
  }
}
