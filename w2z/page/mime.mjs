/** Which of the representations of an output is shown, and how. */

/** Ways to show a MIME type, the best first. */
const KINDS = [
  ["text/html", "frame"],
  ["image/svg+xml", "frame"],
  ["text/markdown", "markdown"],
  ["text/latex", "latex"],
  ["image/png", "picture"],
  ["image/jpeg", "picture"],
  ["image/gif", "picture"],
  ["image/webp", "picture"],
  ["application/json", "json"],
  ["application/geo+json", "json"],
  ["text/plain", "text"]
];

const SCRIPTED = /javascript|widget-view|plotly|bokeh|vega/;

/**
 * @param {object} data MIME types and what they show
 * @param {string[]} [without] types that could not be shown
 * @returns {{mime: string, kind: string} | null} null: none can be shown
 */
export function choose(data, without = []) {
  for (const [mime, kind] of KINDS) {
    if (data[mime] !== undefined && !without.includes(mime)) {
      return { mime, kind };
    }
  }
  const json = Object.keys(data).find(mime => mime.endsWith("+json") && !SCRIPTED.test(mime));
  return json && !without.includes(json) ? { mime: json, kind: "json" } : null;
}

/** @returns {boolean} whether a representation that is better than those shown needs scripts */
export function isScripted(data) {
  return Object.keys(data).some(mime => SCRIPTED.test(mime));
}

/** @returns {string} the text of a representation, which may be a list of lines */
export function textOf(value) {
  if (Array.isArray(value)) {
    return value.join("");
  }
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
