/** One cell in the page: its code, its outputs, and the question that it asks. */

import { h } from "./dom.mjs";
import { OutputView } from "./outputview.mjs";
import { taken } from "./words.mjs";

const BY = new Map([
  ["before", "run before this page was loaded again"],
  ["other", "run by another client"],
  ["kernel", "from the kernel, for no cell"]
]);

const STATES = new Map([
  ["waiting", "waiting"],
  ["running", "running"],
  ["failed", "failed"],
  ["aborted", "not run: a cell before it failed"],
  ["lost", "its end was not heard"]
]);

export class CellView {
  /**
   * @param {object} kernel
   * @param {import("./cell.mjs").Entry} cell
   * @param {(element: HTMLElement, code: string) => void} showCode
   */
  constructor(kernel, cell, showCode) {
    this._kernel = kernel;
    this._cell = cell;
    this._showCode = showCode;
    this._code = h("pre", { class: "code" });
    this._label = h("span", { class: "number" });
    this._state = h("span", { class: "state" });
    this._outputs = new OutputView(cell.outputs);
    this._question = null;
    this._shown = undefined;
    const by = BY.has(cell.by) ? h("span", { class: "by" }, BY.get(cell.by)) : null;
    this._head = h("div", { class: "head" }, this._label, by, this._state);
    this.element = h(
      "article",
      { class: `cell by-${cell.by}` },
      this._head,
      this._code,
      this._outputs.element
    );
  }

  /** Show the cell as it is now. */
  update() {
    const { code, count, state, by } = this._cell;
    this.element.dataset.state = state;
    this._label.textContent =
      by === "kernel" ? "" : `In [${count ?? (state === "running" ? "*" : " ")}]`;
    this.element.setAttribute("aria-label", by === "kernel" ? BY.get(by) : `Cell ${count ?? ""}`);
    this._state.textContent = this._stateWords();
    if (code !== this._shown) {
      this._shown = code;
      this.drawCode();
    }
    this._outputs.update();
    this._ask();
  }

  /** Show the code, in the language's colours if these are known. */
  drawCode() {
    this._code.hidden = this._cell.code === null;
    this._showCode(this._code, this._cell.code ?? "");
  }

  _stateWords() {
    const { state, begun, ended, by } = this._cell;
    if (state === "done" || state === "failed") {
      const time = begun && ended && ended - begun > 100 ? taken(ended - begun) : "";
      return state === "failed" ? `failed ${time}` : time;
    }
    return by === "kernel" ? "" : STATES.get(state);
  }

  /** Show the question of the cell, if it asks one. */
  _ask() {
    const { question } = this._cell;
    if (question === this._question) {
      return;
    }
    this._question = question;
    this._form?.remove();
    this._form = null;
    if (question === null) {
      return;
    }
    const { prompt, password } = question.content;
    const field = h("input", {
      type: password ? "password" : "text",
      "aria-label": prompt.trim() || "The cell asks for input",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false"
    });
    this._form = h(
      "form",
      { class: "question" },
      h("span", { class: "prompt", "aria-hidden": "true" }, prompt),
      field,
      h("button", { type: "submit" }, "Answer")
    );
    this._form.addEventListener("submit", event => {
      event.preventDefault();
      this._kernel.answer(this._cell, field.value);
      this.element.dispatchEvent(new CustomEvent("answered", { bubbles: true }));
    });
    this.element.append(this._form);
    field.focus();
  }
}
