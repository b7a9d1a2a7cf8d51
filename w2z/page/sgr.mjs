/** Colours and other styles of text in a terminal: what the escape sequence ESC [ … m asks for. */

import Anser from "./vendor/anser.mjs";

/**
 * A style of text; null stands for text without any.
 * @typedef {{classes: string, color: string, background: string}} Style
 */

export class Styles {
  constructor() {
    this._anser = new Anser();
    this._anser.setupPalette();
    /** One object for each style, so that equal ones are the same. */
    this._known = new Map();
  }

  /**
   * @param {string} sequence a whole escape sequence that ends in m
   * @returns {Style | null} the style of what follows it
   */
  after(sequence) {
    const made = this._anser.ansiToJson(`${sequence}x`, { use_classes: true }).at(-1);
    const [foreground, color] = this._color(made.fg, made.fg_truecolor);
    const [back, background] = this._color(made.bg, made.bg_truecolor);
    const classes = [
      foreground && `${foreground}-fg`,
      back && `${back}-bg`,
      ...made.decorations.map(one => `ansi-${one}`)
    ]
      .filter(Boolean)
      .join(" ");
    if (!classes && !color && !background) {
      return null;
    }
    const key = `${classes}|${color}|${background}`;
    if (!this._known.has(key)) {
      this._known.set(key, { classes, color, background });
    }
    return this._known.get(key);
  }

  /** The class of one of the sixteen colours, or any other colour as the digits of rgb(). */
  _color(name, truecolor) {
    if (!name) {
      return ["", ""];
    }
    if (name === "ansi-truecolor") {
      return ["", truecolor];
    }
    if (name.startsWith("ansi-palette-")) {
      return ["", this._anser.PALETTE_COLORS[Number(name.slice(13))]];
    }
    return [name, ""];
  }
}
