/** One message in full: its parts as trees, its buffers as bytes. */

import { copyButton, h } from "./dom.mjs";
import { hexDump } from "./hex.mjs";
import { jsonTree } from "./json.mjs";
import { JSON_PARTS } from "./v1.mjs";
import { size } from "./words.mjs";

/**
 * @param {object} record of the traffic
 * @param {() => void} close
 * @returns {HTMLElement}
 */
export function messageView(record, close) {
  const { message, direction, time } = record;
  const way = direction === "to_kernel" ? "to the kernel" : "to this page";
  const head = h(
    "div",
    { class: "head" },
    h("h2", {}, String(message.header.msg_type)),
    copyButton(() => text(message), "the message"),
    h("button", { type: "button", class: "quiet", onclick: close }, "Close")
  );
  const about = `${message.channel}, ${way}, ${time.toISOString()}, ${size(record.size)}`;
  const parts = JSON_PARTS.map(name =>
    h("section", {}, h("h3", {}, name), jsonTree(message[name]))
  );
  const buffers = message.buffers.map((buffer, index) =>
    h(
      "section",
      {},
      h("h3", {}, `buffer ${index}, ${size(buffer.length)}`),
      h("pre", { class: "hex", tabindex: "0" }, hexDump(buffer))
    )
  );
  return h("div", {}, head, h("p", { class: "note" }, about), ...parts, ...buffers);
}

function text(message) {
  const { channel, header, parent_header, metadata, content, buffers } = message;
  const sizes = buffers.map(buffer => `${buffer.length} bytes`);
  return JSON.stringify(
    { channel, header, parent_header, metadata, content, buffers: sizes },
    null,
    2
  );
}
