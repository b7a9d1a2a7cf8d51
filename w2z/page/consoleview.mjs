/** The console: what was run, and what comes of it as it comes. */

import { CellView } from "./cellview.mjs";
import { announce, h, inFrame } from "./dom.mjs";
import { plain } from "./runs.mjs";
import { count } from "./words.mjs";

/** Pixels from the end within which the end stays in view. */
const NEAR = 60;

/** Characters of a cell's last output that a screen reader is told. */
const TOLD = 300;

export class ConsoleView {
  /**
   * @param {object} kernel
   * @param {(element: HTMLElement, code: string) => void} showCode
   * @param {HTMLElement} composer
   */
  constructor(kernel, showCode, composer) {
    this._kernel = kernel;
    this._showCode = showCode;
    this._views = new Map();
    this._touched = new Set();
    this._ended = new WeakSet();
    this._draw = () => this.draw();
    this._dropped = h("p", { class: "note", hidden: true });
    this._hint = h(
      "p",
      { class: "hint" },
      "Nothing has been run here yet. Variables are shared with everybody who uses this kernel."
    );
    this._list = h("div", {
      class: "cells",
      role: "log",
      "aria-live": "off",
      "aria-label": "Cells"
    });
    this._list.append(this._hint, this._dropped);
    this._scroll = h("div", { class: "scroll", tabindex: "-1" }, this._list);
    this._latest = h(
      "button",
      { type: "button", class: "latest", hidden: true },
      "Latest output ↓"
    );
    this._latest.addEventListener("click", () => this.toEnd());
    this._follows = true;
    this._scroll.addEventListener("scroll", () => this._scrolled(), { passive: true });
    new ResizeObserver(() => this._stay()).observe(this._list);
    this.element = document.getElementById("console");
    this.element.append(this._scroll, this._latest, composer);
    kernel.addEventListener("cells", event => this._touch(event.detail));
  }

  /** Show the end, and keep it in view. */
  toEnd() {
    this._follows = true;
    this._stay();
  }

  /** Show or hide what other clients run. */
  showOthers(shown) {
    this._list.classList.toggle("alone", !shown);
  }

  /** Show the codes again: the language is known now. */
  drawCodes() {
    this._views.forEach(view => view.drawCode?.());
  }

  /** Show what has changed. */
  draw() {
    const { entries, dropped } = this._kernel.transcript;
    const there = new Set(entries);
    for (const [entry, view] of this._views) {
      if (!there.has(entry)) {
        view.element.remove();
        this._views.delete(entry);
      }
    }
    for (const entry of this._touched) {
      if (there.has(entry)) {
        this._viewOf(entry).update();
        this._tell(entry);
      }
    }
    this._touched.clear();
    this._hint.hidden = entries.length > 0 || dropped > 0;
    this._dropped.hidden = dropped === 0;
    this._dropped.textContent = `${count(dropped, "earlier entry", "earlier entries")} not shown.`;
  }

  _touch(entries) {
    entries.forEach(entry => this._touched.add(entry));
    inFrame(this._draw);
  }

  _viewOf(entry) {
    let view = this._views.get(entry);
    if (view === undefined) {
      view =
        entry.kind === "notice"
          ? { element: h("p", { class: "notice" }, entry.text), update() {} }
          : new CellView(this._kernel, entry, this._showCode);
      this._views.set(entry, view);
      this._list.append(view.element);
    }
    return view;
  }

  /** Tell screen readers that a cell of this page has ended, and what it said last. */
  _tell(entry) {
    if (entry.kind === "notice") {
      announce(entry.text);
    } else if (entry.by === "here" && entry.ended && !this._ended.has(entry)) {
      this._ended.add(entry);
      announce(`Cell ${entry.count ?? ""} ${entry.state}. ${lastWords(entry)}`);
    }
  }

  _scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this._scroll;
    this._follows = scrollHeight - scrollTop - clientHeight < NEAR;
    this._latest.hidden = this._follows;
  }

  _stay() {
    if (this._follows) {
      this._scroll.scrollTop = this._scroll.scrollHeight;
    }
    this._latest.hidden = this._follows;
  }
}

function lastWords({ outputs }) {
  const last = outputs.items.at(-1);
  if (last === undefined) {
    return "No output.";
  }
  if (last.kind === "error") {
    return last.summary.slice(0, TOLD);
  }
  if (last.terminal) {
    const lines = last.terminal.lines.slice(-6).map(plain);
    return lines.join("\n").trim().slice(-TOLD);
  }
  const text = last.data["text/plain"];
  return text ? String(text).slice(0, TOLD) : "There is an output.";
}
