/** The outputs of a cell in the page. Of what has not changed nothing is made anew. */

import { h } from "./dom.mjs";
import { rich } from "./rich.mjs";
import { TextView } from "./textview.mjs";

export class OutputView {
  /** @param {import("./outputs.mjs").Outputs} outputs */
  constructor(outputs) {
    this._outputs = outputs;
    this._views = new Map();
    this._dropped = h("p", { class: "note", hidden: true });
    this.element = h("div", { class: "outputs" }, this._dropped);
  }

  /** Show the outputs as they are now. */
  update() {
    const { items, dropped } = this._outputs;
    const there = new Set(items.map(item => item.id));
    for (const [id, view] of this._views) {
      if (!there.has(id)) {
        view.element.remove();
        this._views.delete(id);
      }
    }
    for (const item of items) {
      let view = this._views.get(item.id);
      if (view === undefined) {
        view = item.terminal ? new TextOutput(item) : new DataOutput(item);
        this._views.set(item.id, view);
        this.element.append(view.element);
      }
      if (view.version !== item.version) {
        view.version = item.version;
        view.update();
      }
    }
    this._dropped.hidden = dropped === 0;
    this._dropped.textContent = `${dropped.toLocaleString("en")} earlier outputs are not shown.`;
  }
}

class TextOutput {
  constructor(item) {
    const isError = item.kind === "error";
    this._view = new TextView(item.terminal, isError ? "traceback" : item.name);
    this.element = h(
      "div",
      { class: `output ${isError ? "error" : item.name}` },
      this._view.element
    );
  }

  update() {
    this._view.update();
  }
}

class DataOutput {
  constructor(item) {
    this._item = item;
    this._shown = 0;
    this._begun = 0;
    this.element = h("div", { class: "output display" });
  }

  /** Show the data when they are made ready; those that came first never replace later ones. */
  async update() {
    this._begun += 1;
    const begun = this._begun;
    let made;
    try {
      made = await rich(this._item.data, this._item.metadata);
    } catch (error) {
      made = h("p", { class: "note" }, `The page could not show this output: ${error.message}`);
    }
    if (begun > this._shown) {
      this._shown = begun;
      this.element.replaceChildren(made);
    }
  }
}
