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
    /** The height of a row, and of the box. They are read seldom: that makes the page be laid out. */
    this._height = 0;
    this._seen = 0;
    /** Where the page itself scrolled to last. */
    this._put = 0;
    /** Whether the last row stays in view when more come. */
    this.follows = true;
    this._draw = () => this._drawAt(this.element.scrollTop);
    this.element.addEventListener("scroll", () => this._scrolled(), { passive: true });
    new ResizeObserver(([{ contentRect }]) => {
      this._seen = contentRect.height;
      inFrame(() => this.draw());
    }).observe(this.element);
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
    this._seen ||= this.element.clientHeight;
    this._space.style.height = `${this._count * this._height}px`;
    if (this.follows) {
      const top = Math.max(0, this._count * this._height - this._seen);
      this._drawAt(top);
      this._scrollTo(top);
    } else {
      this._draw();
    }
  }

  /** Scroll so that a row is seen. */
  show(index) {
    const top = index * this._height;
    const { scrollTop } = this.element;
    if (top < scrollTop) {
      this._scrollTo(top);
    } else if (top + this._height > scrollTop + this._seen) {
      this._scrollTo(top + this._height - this._seen);
    }
    this.follows = false;
    this.draw();
  }

  _scrollTo(top) {
    this._put = top;
    this.element.scrollTop = top;
  }

  _drawAt(top) {
    const first = Math.max(0, Math.floor(top / this._height) - BEYOND);
    const last = Math.ceil((top + this._seen) / this._height) + BEYOND;
    const rows = [];
    for (let index = first; index < Math.min(this._count, last); index += 1) {
      rows.push(this._row(index));
    }
    this._rows.style.transform = `translateY(${first * this._height}px)`;
    this._rows.replaceChildren(...rows);
  }

  _scrolled() {
    const { scrollTop } = this.element;
    // Where a person scrolls to the end, it is followed from then on.
    if (Math.abs(scrollTop - this._put) > 1) {
      this.follows = this._count * this._height - this._seen - scrollTop < this._height;
    }
    inFrame(this._draw);
  }

  /** The height of a row, which is as high as one line. */
  _measure() {
    const probe = h("div", { class: "row" }, "x");
    this._rows.replaceChildren(probe);
    return probe.getBoundingClientRect().height || 20;
  }
}
