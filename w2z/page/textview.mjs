/** The text of a terminal. Of a long one only the lines that are seen are in the page. */

import { copyButton, h } from "./dom.mjs";
import { VirtualRows } from "./virtual.mjs";
import { count } from "./words.mjs";

/** Lines up to which all of them are in the page. */
const SHORT = 400;

export class TextView {
  /**
   * @param {import("./terminal.mjs").Terminal} terminal
   * @param {string} name what this is, for screen readers
   */
  constructor(terminal, name) {
    this._terminal = terminal;
    this._name = name;
    this._lines = h("div", { class: "lines" });
    this._drawn = 0;
    this._box = null;
    this.element = h("div", { class: `text text-${name}` }, this._lines);
  }

  /** Show the text as it is now. */
  update() {
    const { length, dropped } = this._terminal;
    const changed = this._terminal.takeChanged();
    if (this._box === null && length <= SHORT && dropped === 0) {
      this._drawAll(Math.min(changed, this._drawn), length);
      return;
    }
    this._box ??= this._makeBox();
    this._box.element.setAttribute("aria-label", `${this._name}: ${count(length, "line")}`);
    this._box.setCount(length);
    const gone = dropped > 0 ? `, the last of ${(dropped + length).toLocaleString("en")}` : "";
    this._about.firstChild.textContent = `${count(length, "line")}${gone}`;
  }

  _drawAll(from, length) {
    const { childNodes } = this._lines;
    while (childNodes.length > from) {
      this._lines.lastChild.remove();
    }
    const rows = [];
    for (let index = childNodes.length; index < length; index += 1) {
      rows.push(drawLine(this._terminal.lines[index]));
    }
    this._lines.append(...rows);
    this._drawn = length;
  }

  _makeBox() {
    const props = { class: "long", tabindex: "0", role: "group" };
    const box = new VirtualRows(props, index => drawLine(this._terminal.lines[index]));
    this._about = h("p", { class: "about" }, "");
    this._about.prepend(h("span"));
    this._about.append(copyButton(() => this._terminal.text(), `the whole ${this._name}`));
    this.element.replaceChildren(box.element, this._about);
    return box;
  }
}

/** @returns {HTMLElement} one line, with its styles */
export function drawLine(line) {
  const row = h("div", { class: "row" });
  if (typeof line === "string") {
    row.textContent = `${line}\n`;
    return row;
  }
  for (const { text, style } of line) {
    if (style === null) {
      row.append(text);
      continue;
    }
    const part = h("span", { class: style.classes }, text);
    if (style.color) {
      part.classList.add("any-fg");
      part.style.setProperty("--fg", `rgb(${style.color})`);
    }
    if (style.background) {
      part.classList.add("any-bg");
      part.style.setProperty("--bg", `rgb(${style.background})`);
    }
    row.append(part);
  }
  row.append("\n");
  return row;
}
