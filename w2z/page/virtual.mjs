/** A box with very many rows of one height, of which only those that are seen are in the page. */

import { h, inFrame } from "./dom.mjs";

/** Rows beyond those that are seen, on either side. */
const BEYOND = 20;

export class VirtualRows {
  /**
   * @param {object} props attributes of the box
   * @param {(index: number) => HTMLElement} row makes a row
   */
  constructor(props, row) {
    this._row = row;
    this._rows = h("div", { class: "rows", role: "presentation" });
    this._space = h("div", { class: "space", role: "presentation" }, this._rows);
    this.element = h("div", { ...props, class: `virtual ${props.class ?? ""}` }, this._space);
    this._count = 0;
    this._height = 0;
    this._draw = () => this.draw();
    this.element.addEventListener("scroll", () => inFrame(this._draw), { passive: true });
    new ResizeObserver(() => inFrame(this._draw)).observe(this.element);
    /** Whether the last row stays in view when more come. */
    this.follows = true;
    this.element.addEventListener("scroll", () => (this.follows = this._isAtEnd()), {
      passive: true
    });
  }

  /** Say how many rows there are now. */
  setCount(count) {
    this._count = count;
    this.draw();
  }

  /** Draw the rows that are seen anew. */
  draw() {
    if (!this.element.isConnected) {
      return;
    }
    this._height ||= this._measure();
    const { element } = this;
    this._space.style.height = `${this._count * this._height}px`;
    if (this.follows) {
      element.scrollTop = element.scrollHeight;
    }
    const first = Math.max(0, Math.floor(element.scrollTop / this._height) - BEYOND);
    const many = Math.ceil(element.clientHeight / this._height) + 2 * BEYOND;
    const rows = [];
    for (let index = first; index < Math.min(this._count, first + many); index += 1) {
      rows.push(this._row(index));
    }
    this._rows.style.transform = `translateY(${first * this._height}px)`;
    this._rows.replaceChildren(...rows);
  }

  /** Scroll so that a row is seen. */
  show(index) {
    const top = index * this._height;
    const { element } = this;
    if (top < element.scrollTop) {
      element.scrollTop = top;
    } else if (top + this._height > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + this._height - element.clientHeight;
    }
    this.follows = this._isAtEnd();
    this.draw();
  }

  _isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < 2 * (this._height || 20);
  }

  /** The height of a row, which is as high as one line. */
  _measure() {
    const probe = h("div", { class: "row" }, "x");
    this._rows.replaceChildren(probe);
    return probe.getBoundingClientRect().height || 20;
  }
}
