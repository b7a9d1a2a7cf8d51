/** The entries of a transcript: cells, and notices between them. */

import { Outputs } from "./outputs.mjs";

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {"cell" | "notice"} kind
 * @property {"here" | "before" | "other" | "kernel"} [by] who ran it: this page, this page before it
 *   was loaded again, another client, nobody in particular
 * @property {string | null} [code]
 * @property {number | null} [count]
 * @property {"waiting" | "running" | "done" | "failed" | "aborted" | "lost"} [state]
 * @property {Outputs} [outputs]
 * @property {object | null} [question] the input_request that waits for an answer
 * @property {string} [text] of a notice
 */

/** @returns {Entry} a cell; what is said for no cell in particular has ended from the beginning */
export function newCell(id, fields) {
  const outputs = new Outputs();
  const cell = { id, kind: "cell", count: null, failed: false, question: null, outputs, ...fields };
  return cell.by === "kernel" ? { ...cell, state: "done" } : cell;
}

/** Whether a message is w2z's own word to the client, or that output is missing here. */
export function isNotice({ header, parent_header, metadata, content }) {
  return (
    header.msg_type === "stream" &&
    (metadata.w2z_gap !== undefined ||
      (parent_header.msg_id === undefined && /^(w2z:|\[w2z\])/.test(content.text)))
  );
}

/** @returns {boolean} whether a cell has not ended */
export function isOpen(cell) {
  return cell.state === "waiting" || cell.state === "running";
}
