/** The inputs of before, which the arrow keys bring back. */

const MOST = 1000;

export class History {
  constructor() {
    this._inputs = [];
    this._place = 0;
    this._draft = "";
  }

  /** Put what the kernel remembers in front of what this page has run. */
  begin(inputs) {
    this._inputs = [...inputs.filter(one => one.trim()), ...this._inputs].slice(-MOST);
    this._place = this._inputs.length;
  }

  /** Remember an input, unless it is the last one again. */
  add(input) {
    if (input.trim() && this._inputs.at(-1) !== input) {
      this._inputs.push(input);
      this._inputs = this._inputs.slice(-MOST);
    }
    this._place = this._inputs.length;
    this._draft = "";
  }

  /**
   * Go back (-1) or forward (1).
   * @param {number} step
   * @param {string} current what is in the editor; the draft comes back behind the last input
   * @returns {string | null} the input there; null: there is none
   */
  move(step, current) {
    const place = this._place + step;
    if (place < 0 || place > this._inputs.length) {
      return null;
    }
    if (this._place === this._inputs.length) {
      this._draft = current;
    }
    this._place = place;
    return place === this._inputs.length ? this._draft : this._inputs[place];
  }
}
