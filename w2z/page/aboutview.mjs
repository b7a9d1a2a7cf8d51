/** The kernel: what it is, how it fares, and how other clients connect to it. */

import { connectLines } from "./connectlines.mjs";
import { copyButton, h } from "./dom.mjs";
import { duration } from "./words.mjs";

export class AboutView {
  /** @param {object} kernel @param {boolean} needsToken */
  constructor(kernel, needsToken) {
    this._kernel = kernel;
    this._needsToken = needsToken;
    this._facts = h("dl", { class: "facts" });
    this._ways = h("div", { class: "ways" });
    this._lines = "";
    this.element = document.getElementById("about");
    const token =
      "The token is in the variable W2Z_TOKEN in all of them; the page shows it nowhere.";
    const shared = "Everybody who connects has the same kernel, with the same variables.";
    this.element.append(
      h("h2", {}, "This kernel"),
      this._facts,
      h("h2", {}, "Connect to it"),
      h("p", { class: "note" }, needsToken ? `${shared} ${token}` : shared),
      this._ways
    );
    kernel.addEventListener("facts", () => this.draw());
    kernel.addEventListener("connection", () => this.draw());
  }

  /** Show what is known now. */
  draw() {
    if (this.element.hidden || this._kernel.model === null) {
      return;
    }
    this._facts.replaceChildren(
      ...this._known()
        .filter(([, value]) => value)
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))))
    );
    const about = { kernelId: this._kernel.model.id, needsToken: this._needsToken };
    const ways = connectLines(this._kernel.base, about);
    if (JSON.stringify(ways) !== this._lines) {
      this._lines = JSON.stringify(ways);
      this._ways.replaceChildren(...ways.map(way));
    }
  }

  _known() {
    const { model, spec, info, status, execution, connection, base } = this._kernel;
    const language = info?.language_info;
    const own = spec?.metadata?.w2z ?? {};
    const up = status && Date.now() - Date.parse(status.started);
    const quiet = Date.now() - Date.parse(model.last_activity);
    return [
      ["Name", spec ? `${spec.display_name} (${model.name})` : model.name],
      ["Language", language ? `${language.name} ${language.version ?? ""}` : spec?.language],
      ["Implementation", info ? `${info.implementation} ${info.implementation_version}` : ""],
      ["State", execution === "unknown" ? model.execution_state : execution],
      ["Last activity", `${duration(quiet)} ago`],
      ["Clients", `${model.connections} connected`],
      [
        "w2z",
        up === null ? "" : `up for ${duration(up)}${own.version ? `, version ${own.version}` : ""}`
      ],
      ["Image", own.image],
      ["Address", base],
      ["Kernel id", model.id],
      ["This page's session", this._kernel.link.session],
      ["Connection", connection.phase === "open" ? "open" : "not open"]
    ];
  }
}

function way({ name, words, lines }) {
  return h(
    "section",
    { class: "way" },
    h(
      "div",
      { class: "head" },
      h("h3", {}, name),
      copyButton(() => lines, `the lines for ${name}`)
    ),
    words ? h("p", {}, words) : null,
    h("pre", { tabindex: "0", role: "group", "aria-label": `Lines for ${name}` }, lines)
  );
}
