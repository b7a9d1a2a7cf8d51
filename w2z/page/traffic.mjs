/** The messages that pass, for the traffic view: the last ones, and which of them are shown. */

export const CHANNELS = ["shell", "iopub", "stdin", "control", "hb"];

/** How many messages are kept, and how many bytes they may have in sum. */
const MOST = 5000;
const MOST_BYTES = 16 * 2 ** 20;

export class Traffic {
  constructor(most = MOST, mostBytes = MOST_BYTES) {
    this._most = most;
    this._mostBytes = mostBytes;
    this.records = [];
    this.bytes = 0;
    this.dropped = 0;
    this.passed = 0;
    /** Whether messages that pass are left out. */
    this.isPaused = false;
  }

  /**
   * @param {"to_kernel" | "to_client"} direction
   * @param {object} message
   * @param {number} size in bytes
   * @param {Date} time
   */
  add(direction, message, size, time) {
    this.passed += 1;
    if (this.isPaused) {
      return;
    }
    this.records.push({ number: this.passed, direction, message, size, time, text: null });
    this.bytes += size;
    if (this.records.length > 1.1 * this._most || this.bytes > this._mostBytes) {
      this._trim();
    }
  }

  /** Let the first messages go. That is done for many at once, because all others move then. */
  _trim() {
    let least = 0;
    while (
      this.records.length - least > this._most ||
      (this.bytes > this._mostBytes && this.records.length - least > 1)
    ) {
      this.bytes -= this.records[least].size;
      least += 1;
    }
    this.records.splice(0, least);
    this.dropped += least;
  }

  clear() {
    this.records = [];
    this.bytes = 0;
    this.dropped = 0;
  }

  /** @returns {string[]} the types of the messages that are kept */
  types() {
    return [...new Set(this.records.map(one => one.message.header.msg_type))].sort();
  }

  /**
   * @param {{channels: Set<string>, direction: string, type: string, text: string}} filter
   *   an empty direction, type or text means any
   * @returns {object[]} the records that fit
   */
  shown({ channels, direction, type, text }) {
    const wanted = text.trim().toLowerCase();
    return this.records.filter(
      one =>
        channels.has(one.message.channel) &&
        (direction === "" || one.direction === direction) &&
        (type === "" || one.message.header.msg_type === type) &&
        (wanted === "" || textOf(one).includes(wanted))
    );
  }
}

/** Characters of a message that are searched. */
const SEARCHED = 20_000;

/** The text of a message that a search looks into, made once. */
function textOf(record) {
  if (record.text === null) {
    const { channel, header, parent_header, metadata, content } = record.message;
    const parts = [channel, header, parent_header, metadata, content];
    record.text = JSON.stringify(parts).slice(0, SEARCHED).toLowerCase();
  }
  return record.text;
}

/** @returns {string} what a message says, in a few words */
export function summary(message) {
  const { content } = message;
  const said =
    content.execution_state ??
    content.text ??
    content.code ??
    content.evalue ??
    content.prompt ??
    content.data?.["text/plain"] ??
    content.status ??
    content.comm_id ??
    "";
  const line = String(said)
    .trim()
    .split("\n", 1)[0]
    .replace(/[\0-\x1f]/g, one => String.fromCharCode(0x2400 + one.charCodeAt(0)));
  return line.length > 160 ? `${line.slice(0, 160)}…` : line;
}
