/** Where code is written: the editor, its buttons, and what the kernel says of a name. */

import { announce, h } from "./dom.mjs";
import { History } from "./history.mjs";
import { textOf } from "./mime.mjs";
import { Terminal } from "./terminal.mjs";
import { TextView } from "./textview.mjs";

/** Inputs of before that the kernel is asked for. */
const REMEMBERED = 200;

const KEYS =
  "Shift+Enter runs, Tab completes, Shift+Tab explains, ↑ and ↓ recall, " +
  "Ctrl+C interrupts; Esc and then Tab leaves the editor";

export class Composer {
  /** @param {object} kernel */
  constructor(kernel) {
    this._kernel = kernel;
    this._history = new History();
    this._place = h("div", { class: "editor" });
    this._run = h("button", { type: "button", class: "main", onclick: () => this.run() }, "Run");
    this._explained = h("div", { class: "explained", hidden: true });
    this.others = h("input", { type: "checkbox", id: "others", checked: true });
    this.clear = h("button", { type: "button", class: "quiet" }, "Clear");
    const below = h(
      "div",
      { class: "below" },
      h("span", { id: "keys", class: "keys" }, KEYS),
      h("label", { for: "others" }, this.others, " Show what others run"),
      this.clear
    );
    this.element = h("div", { class: "composer" }, this._explained, this._place, this._run, below);
    this.editor = null;
    kernel.addEventListener("facts", () => this._allow());
  }

  /** Load the editor. */
  async begin() {
    const { Editor } = await import("./editor.mjs");
    this.editor = new Editor(this._place, {
      run: () => this.run(),
      back: code => this._history.move(-1, code),
      forward: code => this._history.move(1, code),
      complete: (code, position) => this._complete(code, position),
      inspect: (code, position) => this._inspect(code, position),
      interrupt: () => this._interrupt(),
      escape: () => this._close()
    });
  }

  /** Ask the kernel for the inputs that it remembers. */
  async recall() {
    const content = { output: false, raw: true, hist_access_type: "tail", n: REMEMBERED };
    try {
      const reply = await this._kernel.ask("history_request", content, 60_000);
      this._history.begin((reply.history ?? []).map(([, , input]) => String(input)));
    } catch {
      // A kernel that is busy for so long, or remembers nothing: there is this page's own history.
    }
  }

  /** Run what is in the editor. */
  run() {
    const { code } = this.editor;
    if (code.trim() === "" || this._run.disabled) {
      return;
    }
    this._history.add(code);
    this._close();
    this.editor.code = "";
    this._kernel.run(code);
    this.element.dispatchEvent(new CustomEvent("ran", { bubbles: true }));
  }

  _allow() {
    this._run.disabled = this._kernel.execution === "dead";
  }

  _interrupt() {
    const runs = this._kernel.transcript.unfinished().length > 0;
    if (runs) {
      this._kernel.interrupt();
    }
    return runs;
  }

  async _complete(code, position) {
    try {
      return await this._kernel.ask("complete_request", { code, cursor_pos: position });
    } catch (error) {
      announce(`No completions: ${error.message}`);
      return null;
    }
  }

  async _inspect(code, position) {
    const content = { code, cursor_pos: position, detail_level: 0 };
    let text;
    try {
      const { found, data } = await this._kernel.ask("inspect_request", content);
      text = found ? textOf(data["text/plain"] ?? "") : "The kernel knows nothing of this.";
    } catch (error) {
      text = error.message;
    }
    this._explain(text);
  }

  _explain(text) {
    const terminal = new Terminal();
    terminal.write(text);
    terminal.end();
    const view = new TextView(terminal, "explanation");
    view.update();
    const close = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this._close() },
      "Close"
    );
    const props = { class: "words", tabindex: "0", role: "group", "aria-label": "Explanation" };
    this._explained.replaceChildren(h("div", props, view.element), close);
    this._explained.hidden = false;
    announce(terminal.text().slice(0, 500));
  }

  _close() {
    const wasOpen = !this._explained.hidden;
    this._explained.hidden = true;
    if (wasOpen) {
      this.editor.focus();
    }
    return wasOpen;
  }
}
