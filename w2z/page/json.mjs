/** JSON as a tree of parts that open and close; what is closed is not in the page. */

import { h } from "./dom.mjs";

/** Entries of one object or list that are shown at once. */
const AT_ONCE = 200;

/**
 * @param {unknown} value
 * @param {{open?: boolean, name?: string}} [how] whether the first level is open
 * @returns {HTMLElement}
 */
export function jsonTree(value, { open = true, name = "" } = {}) {
  return h("div", { class: "json" }, part(name, value, open));
}

function part(name, value, open = false) {
  const label = name === "" ? "" : h("span", { class: "key" }, `${name}: `);
  if (value === null || typeof value !== "object") {
    return h("div", { class: "leaf" }, label, leaf(value));
  }
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  const [left, right] = Array.isArray(value) ? "[]" : "{}";
  if (entries.length === 0) {
    return h("div", { class: "leaf" }, label, left + right);
  }
  const about = h("span", { class: "many" }, `${left} ${entries.length} ${right}`);
  const details = h("details", {}, h("summary", {}, label, about));
  const fill = () => {
    if (details.open && details.childElementCount === 1) {
      details.append(list(entries, 0));
    }
  };
  details.addEventListener("toggle", fill);
  details.open = open;
  fill();
  return details;
}

function list(entries, from) {
  const parts = entries.slice(from, from + AT_ONCE).map(([name, one]) => part(String(name), one));
  const box = h("div", { class: "parts" }, ...parts);
  const rest = entries.length - from - AT_ONCE;
  if (rest > 0) {
    const more = h("button", { type: "button", class: "quiet" }, `${rest} more`);
    more.addEventListener("click", () => more.replaceWith(list(entries, from + AT_ONCE)));
    box.append(more);
  }
  return box;
}

function leaf(value) {
  const kind = value === null ? "null" : typeof value;
  return h("span", { class: kind }, JSON.stringify(value));
}
