/**
 * Which messages have come before. What was on its way when a connection broke comes again on the
 * next one of the session, with the msg_id that it had. Within one connection nothing is repeated,
 * so what a kernel sends twice with one msg_id is shown twice.
 */

/** Ids that are kept, at least. So many messages are never on their way. */
const KEPT = 30_000;

export class Repeats {
  constructor(kept = KEPT) {
    this._kept = kept;
    /** Two generations: msg_id to the number of the connection on which it came first. */
    this._older = new Map();
    this._newer = new Map();
  }

  /**
   * Whether a message is a repeat; if not, it is remembered.
   * @param {number} connection the number of the connection that it came on
   * @param {string | undefined} id its msg_id
   * @returns {boolean}
   */
  has(connection, id) {
    if (id === undefined) {
      return false;
    }
    const before = this._newer.get(id) ?? this._older.get(id);
    if (before !== undefined && before !== connection) {
      return true;
    }
    this._newer.set(id, connection);
    if (this._newer.size >= this._kept) {
      this._older = this._newer;
      this._newer = new Map();
    }
    return false;
  }
}
