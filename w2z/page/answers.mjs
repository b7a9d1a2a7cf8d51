/** Who waits for which reply. */

/** Milliseconds that a completion or an inspection may take. */
const PATIENCE = 5000;

export class Answers {
  constructor() {
    this._waiting = new Map();
  }

  /**
   * Wait for the reply to a request.
   * @param {string} id its msg_id
   * @param {number} [patience] in milliseconds
   * @returns {Promise<object>} the reply's content
   */
  to(id, patience = PATIENCE) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this._waiting.delete(id);
        reject(new Error("The kernel is busy."));
      }, patience);
      this._waiting.set(id, reply => {
        clearTimeout(timer);
        resolve(reply);
      });
    });
  }

  /** Hand a reply to who waits for it. */
  take(id, content) {
    this._waiting.get(id)?.(content);
    this._waiting.delete(id);
  }
}
