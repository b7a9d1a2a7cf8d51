/** Data of an output, shown by its MIME type. What shows them is loaded when there is something. */

import { h } from "./dom.mjs";
import { jsonTree } from "./json.mjs";
import { DELIMITERS, delimited, putFormulas, takeFormulas } from "./math.mjs";
import { choose, isScripted, textOf } from "./mime.mjs";
import { Terminal } from "./terminal.mjs";
import { TextView } from "./textview.mjs";

const SHOWN = { frame: inFrame, json: asJson, latex, markdown, picture, text };

/**
 * @param {object} data MIME types and what they show
 * @param {object} metadata by MIME type
 * @returns {Promise<HTMLElement>}
 */
export async function rich(data, metadata) {
  const without = [];
  for (;;) {
    const chosen = choose(data, without);
    if (chosen === null) {
      const types = Object.keys(data).join(", ") || "nothing";
      return h("p", { class: "note" }, `The page cannot show this output (${types}).`);
    }
    const { mime, kind } = chosen;
    const element = await SHOWN[kind](data, metadata, mime);
    if (element !== null) {
      const hidden = without.length > 0 || (kind === "text" && isScripted(data));
      return hidden ? h("div", {}, element, needsScripts()) : element;
    }
    without.push(mime);
  }
}

function needsScripts() {
  const words = "What else this output has needs scripts, which the page does not run.";
  return h("p", { class: "note" }, words);
}

async function inFrame(data, metadata, mime) {
  const { frame } = await import("./frame.mjs");
  return frame(textOf(data[mime]), mime === "image/svg+xml" ? "SVG picture" : "HTML output");
}

function asJson(data, metadata, mime) {
  return jsonTree(data[mime], { open: metadata[mime]?.expanded ?? true });
}

function picture(data, metadata, mime) {
  const alt = metadata[mime]?.alt ?? (data["text/plain"] ? textOf(data["text/plain"]) : "picture");
  const image = h("img", {
    src: `data:${mime};base64,${textOf(data[mime]).replace(/\s/g, "")}`,
    alt
  });
  const { width, height } = metadata[mime] ?? {};
  if (Number.isFinite(width)) {
    image.setAttribute("width", width);
  }
  if (Number.isFinite(height)) {
    image.setAttribute("height", height);
  }
  return h("div", { class: "picture" }, image);
}

function text(data, metadata, mime) {
  const terminal = new Terminal();
  terminal.write(textOf(data[mime]));
  terminal.end();
  const view = new TextView(terminal, "output");
  view.update();
  return view.element;
}

async function latex(data, metadata, mime) {
  const box = h("div", { class: "latex" }, delimited(textOf(data[mime])));
  await typeset(box);
  return box;
}

async function markdown(data, metadata, mime) {
  const [{ Marked }, { default: DOMPurify }] = await Promise.all([
    import("./vendor/marked.mjs"),
    import("./vendor/purify.mjs")
  ]);
  const { text: marked, formulas } = takeFormulas(textOf(data[mime]));
  const html = new Marked({ gfm: true, async: false }).parse(marked);
  const fragment = DOMPurify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "dialog"],
    FORBID_ATTR: ["style", "class", "id", "name"]
  });
  for (const link of fragment.querySelectorAll("a")) {
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
  }
  const box = h("div", { class: "markdown" });
  box.append(fragment);
  if (formulas.length > 0) {
    const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      walker.currentNode.data = putFormulas(walker.currentNode.data, formulas);
    }
    await typeset(box);
  }
  return box;
}

/** Put formulas in the place of LaTeX between delimiters. */
async function typeset(element) {
  loadStyle();
  const { renderMathInElement } = await import("./vendor/katex.mjs");
  const how = { throwOnError: false, trust: false, strict: "ignore", maxExpand: 1000, maxSize: 50 };
  renderMathInElement(element, { delimiters: DELIMITERS, ...how });
}

function loadStyle() {
  if (document.getElementById("katex-style") === null) {
    const href = new URL("./vendor/katex.css", import.meta.url).href;
    document.head.append(h("link", { id: "katex-style", rel: "stylesheet", href }));
  }
}
