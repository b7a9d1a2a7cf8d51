/**
 * HTML and SVG of the kernel, in a frame of its own. It is sanitised, and the frame's sandbox lets no
 * script run in it and gives it an origin of its own. Its policy is the page's, so it loads nothing.
 *
 * A frame whose inside nobody can look into does not tell how high it is. So a twin of what is in it
 * is measured in the page, in a shadow tree, where its styles touch nothing else.
 */

import DOMPurify from "./vendor/purify.mjs";
import { h, inFrame } from "./dom.mjs";

const HIGHEST = 1200;

const STYLE = `
  .w2z { font: 14px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
  .w2z table { border-collapse: collapse; border: 0; font-size: 13px; overflow-wrap: normal; }
  .w2z th, .w2z td { padding: 4px 10px; text-align: right; border: 0; vertical-align: top; }
  .w2z thead th { border-bottom: 1px solid GrayText; }
  .w2z tbody tr:nth-child(even) { background: color-mix(in srgb, GrayText 12%, transparent); }
  .w2z img, .w2z svg { max-width: 100%; }
  .w2z pre, .w2z code { font-family: ui-monospace, Menlo, Consolas, monospace; }
  .w2z p { margin: 0 0 8px; } .w2z > :last-child { margin-bottom: 0; }
`;

const OUTSIDE = ":root { color-scheme: light dark; } body { margin: 0; background: transparent; }";

const SANITISED = {
  RETURN_DOM: true,
  FORCE_BODY: true,
  USE_PROFILES: { html: true, svg: true, svgFilters: true, mathMl: true },
  FORBID_TAGS: ["form", "base", "link", "meta", "dialog"],
  ADD_ATTR: ["target"]
};

const policy = globalThis.trustedTypes?.createPolicy("w2z", { createHTML: text => text });

/**
 * @param {string} html what the kernel sent
 * @param {string} name what the frame is called, for screen readers
 * @returns {HTMLElement | null} null: nothing can be seen of it without scripts
 */
export function frame(html, name) {
  const body = DOMPurify.sanitize(html, SANITISED);
  if (!isSeen(body)) {
    return null;
  }
  const style = STYLE + takeStyles(body);
  for (const link of body.querySelectorAll("a[href]")) {
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
  }
  const inside = body.innerHTML;
  const element = h("iframe", {
    title: name,
    class: "frame",
    sandbox: "allow-popups allow-popups-to-escape-sandbox",
    referrerpolicy: "no-referrer"
  });
  const { nonce } = document.querySelector("link[nonce]");
  const text =
    `<!doctype html><meta charset="utf-8"><style nonce="${nonce}">${OUTSIDE}${style}</style>` +
    `<div class="w2z">${inside}</div>`;
  element.srcdoc = policy ? policy.createHTML(text) : text;
  const host = h("div", { class: "framed" }, element);
  watch(host, element, body, style);
  return host;
}

function isSeen(body) {
  const found = body.querySelector(
    "img, svg, table, hr, video, audio, math, input, progress, meter"
  );
  return found !== null || visibleText(body).trim() !== "";
}

function visibleText(body) {
  return Array.from(body.childNodes, one => (one.nodeName === "STYLE" ? "" : one.textContent)).join(
    ""
  );
}

/**
 * Take the styles out, those of attributes as well: the policy allows them in one place only, the
 * element with the nonce.
 */
function takeStyles(body) {
  let style = "";
  for (const one of body.querySelectorAll("style")) {
    style += `${one.textContent}\n`;
    one.remove();
  }
  for (const [index, one] of body.querySelectorAll("[style]").entries()) {
    const declared = one.getAttribute("style").replace(/[{}]/g, "");
    // Twice the attribute: it beats what is said of ids and classes almost always.
    style += `[data-w2z="${index}"][data-w2z][data-w2z] { ${declared} }\n`;
    one.setAttribute("data-w2z", index);
    one.removeAttribute("style");
  }
  return style.replaceAll("</", "<\\/");
}

/** Keep the frame as high as what is in it. */
function watch(host, element, body, style) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  let width = 0;
  const measure = () => {
    const now = host.clientWidth;
    if (now === 0 || now === width) {
      return;
    }
    width = now;
    // Around the shadow tree, whose styles reach its own host: nothing in it can be seen or clicked.
    const inner = h("div");
    const twin = h("div", { class: "twin", "aria-hidden": "true", inert: true }, inner);
    const root = inner.attachShadow({ mode: "closed" });
    root.adoptedStyleSheets = [sheet];
    const content = h("div", { class: "w2z" });
    content.append(...Array.from(body.childNodes, one => document.importNode(one, true)));
    root.append(content);
    host.append(twin);
    const fit = () => {
      const wide = content.scrollWidth > width ? 16 : 0;
      const height = Math.ceil(content.getBoundingClientRect().height) + wide;
      element.style.height = `${Math.min(HIGHEST, height)}px`;
    };
    fit();
    const pictures = [...content.querySelectorAll("img")].filter(one => !one.complete);
    Promise.allSettled(pictures.map(one => one.decode())).then(() => {
      fit();
      twin.remove();
    });
  };
  new ResizeObserver(() => inFrame(measure)).observe(host);
}
