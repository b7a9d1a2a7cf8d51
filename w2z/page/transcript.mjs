/**
 * What was run and what came of it: the cells of this page, and those of others on the same kernel,
 * told apart; and notices between them. Messages go in, and which entry they changed comes out.
 */

import { isNotice, isOpen, newCell } from "./cell.mjs";
import { update } from "./outputs.mjs";

const MOST_ENTRIES = 300;
const MOST_WEIGHT = 96 * 2 ** 20;
/** How many bytes come before it is weighed again what the entries hold. */
const WEIGHED_AFTER = 4 * 2 ** 20;
/** Displays that can be updated; the first ones cannot be any more. */
const MOST_DISPLAYS = 2000;

/** Parents of messages that belong to a cell. Others are completions and the like. */
const RUNS = new Set([undefined, "execute_request"]);

const OUTPUTS = new Set([
  "stream",
  "display_data",
  "execute_result",
  "update_display_data",
  "error",
  "clear_output"
]);

export class Transcript {
  constructor({ mostEntries = MOST_ENTRIES, mostWeight = MOST_WEIGHT } = {}) {
    this._mostEntries = mostEntries;
    this._mostWeight = mostWeight;
    /** @type {import("./cell.mjs").Entry[]} */
    this.entries = [];
    this.dropped = 0;
    this._cells = new Map();
    this._displays = new Map();
    this._unweighed = 0;
    /** The sessions that were this page's, before it was loaded again as well. */
    this.sessions = new Set();
  }

  /** Add a cell of this page, which is sent with the given msg_id. */
  run(id, code, time) {
    return this._addCell(id, { by: "here", code, state: "waiting", sent: time });
  }

  /** Add a notice. */
  notice(text, time) {
    return this._add({
      id: `notice-${this.dropped + this.entries.length}-${time}`,
      kind: "notice",
      text
    });
  }

  /**
   * Take a message of the kernel.
   * @param {object} message
   * @param {number} time in milliseconds
   * @returns {import("./cell.mjs").Entry[]} what changed
   */
  receive(message, time) {
    const { channel, header } = message;
    if (channel === "iopub") {
      if (isNotice(message)) {
        return [this.notice(message.content.text.trim(), time)];
      }
      if (OUTPUTS.has(header.msg_type)) {
        return this._output(message, time);
      }
      if (header.msg_type === "execute_input") {
        const { code, execution_count: count } = message.content;
        return [Object.assign(this._cellOf(message, time), { code, count, state: "running" })];
      }
      return header.msg_type === "status" ? this._status(message, time) : [];
    }
    const cell = this._cells.get(message.parent_header.msg_id);
    if (cell === undefined) {
      return [];
    }
    if (header.msg_type === "execute_reply") {
      this._reply(cell, message.content);
      return [cell];
    }
    if (header.msg_type === "input_request") {
      cell.question = message;
      return [cell];
    }
    return [];
  }

  /** The question of a cell was answered; what was said is shown, unless it is a password. */
  answered(cell, value) {
    const { prompt, password } = cell.question.content;
    cell.question = null;
    cell.outputs.stream("stdout", `${prompt}${password ? "········" : value}\n`);
  }

  /** The cells of this page that have not ended. */
  unfinished() {
    return this.entries.filter(one => one.by === "here" && isOpen(one));
  }

  /** Nothing was heard of the end of these cells, and nothing will be. */
  lose(time) {
    const lost = this.entries.filter(one => one.kind === "cell" && one.state === "running");
    for (const cell of lost) {
      this._end(cell, "lost", time);
    }
    return lost;
  }

  /** Remove all entries but the cells that have not ended. */
  clear() {
    this.entries = this.entries.filter(one => one.kind === "cell" && isOpen(one));
    this._cells = new Map(this.entries.map(one => [one.id, one]));
    this._displays.clear();
    this.dropped = 0;
  }

  _output(message, time) {
    const { header, content } = message;
    if (!RUNS.has(message.parent_header.msg_type)) {
      return [];
    }
    const id = content.transient?.display_id;
    if (header.msg_type === "update_display_data") {
      const found = this._displays.get(id) ?? [];
      found.forEach(([, item]) => update(item, content));
      return found.map(([cell]) => cell);
    }
    const cell = this._cellOf(message, time);
    const { outputs } = cell;
    if (header.msg_type === "stream") {
      outputs.stream(content.name, content.text);
    } else if (header.msg_type === "error") {
      outputs.error(content);
      cell.failed = true;
    } else if (header.msg_type === "clear_output") {
      outputs.clear(content.wait);
    } else {
      const item = outputs.display(content, content.execution_count);
      if (id !== undefined) {
        this._register(id, cell, item);
      }
    }
    this._unweighed += message.size ?? 0;
    if (this._unweighed > WEIGHED_AFTER) {
      this._bound();
    }
    return [cell];
  }

  _register(id, cell, item) {
    const others = (this._displays.get(id) ?? []).filter(([one]) => one.outputs.items.length > 0);
    this._displays.delete(id);
    this._displays.set(id, [...others, [cell, item]]);
    if (this._displays.size > MOST_DISPLAYS) {
      this._displays.delete(this._displays.keys().next().value);
    }
  }

  _status(message, time) {
    const cell = this._cells.get(message.parent_header.msg_id);
    if (cell === undefined) {
      return [];
    }
    if (message.content.execution_state === "busy") {
      cell.state = "running";
      cell.begun = time;
    } else if (message.content.execution_state === "idle") {
      this._end(cell, cell.failed ? "failed" : cell.state === "aborted" ? "aborted" : "done", time);
    }
    return [cell];
  }

  _reply(cell, content) {
    cell.count = content.execution_count ?? cell.count;
    if (content.status === "aborted") {
      cell.state = "aborted";
    } else if (content.status === "error" && !cell.failed) {
      // Nobody has said it on iopub: the kernel is gone, or was never asked.
      cell.failed = true;
      cell.outputs.error(content);
      cell.state = isOpen(cell) ? cell.state : "failed";
    }
    for (const one of content.payload ?? []) {
      if (one.source === "page") {
        cell.outputs.display({ data: one.data });
      }
    }
  }

  _end(cell, state, time) {
    cell.state = state;
    cell.ended = time;
    cell.question = null;
    cell.outputs.items.forEach(item => item.terminal?.end());
  }

  /** The cell that a message belongs to; a new one for what was run elsewhere. */
  _cellOf(message, time) {
    const { msg_id: id = "", session } = message.parent_header;
    const found = this._cells.get(id);
    if (found !== undefined) {
      return found;
    }
    const by = id === "" ? "kernel" : this.sessions.has(session) ? "before" : "other";
    return this._addCell(id, { by, code: null, state: "running", begun: time });
  }

  _addCell(id, fields) {
    const cell = newCell(id, fields);
    this._cells.set(id, cell);
    return this._add(cell);
  }

  _add(entry) {
    this.entries.push(entry);
    this._bound();
    return entry;
  }

  /** Let the first entries go when there are too many, or they hold too much. */
  _bound() {
    this._unweighed = 0;
    let weight = this.entries.reduce((sum, one) => sum + (one.outputs?.weight ?? 0), 0);
    while (
      this.entries.length > this._mostEntries ||
      (this.entries.length > 1 && weight > this._mostWeight)
    ) {
      const gone = this.entries.shift();
      weight -= gone.outputs?.weight ?? 0;
      this._cells.delete(gone.id);
      this.dropped += 1;
    }
  }
}
