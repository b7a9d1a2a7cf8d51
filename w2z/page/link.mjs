/**
 * The websocket: it connects, and connects again as the same session when it is cut. Messages are
 * read in turns, so that however many come the page answers a key.
 */

import { afterClose } from "./reconnect.mjs";
import { Repeats } from "./repeats.mjs";
import { newId } from "./requests.mjs";
import { subprotocols } from "./token.mjs";
import { V1, decode, encode } from "./v1.mjs";

/** Milliseconds for which messages are read in one turn. */
const TURN = 6;
/** Bytes that wait to be read; with more, reading goes first, and the network waits. */
const MOST_WAITING = 32 * 2 ** 20;
/** Milliseconds after which a connection counts as one that lasted. */
const LASTED = 5000;

export class Link {
  /**
   * @param {string} base the address of w2z, with a slash at its end
   * @param {string} session the session_id
   * @param {object} told functions that are called:
   *   `message(message)`, `sent(message, size)`, `phase(phase, details)`, `lost(closing)`,
   *   `unread(error)`
   */
  constructor(base, session, told) {
    this._base = base.replace(/^http/, "ws");
    this._told = told;
    this.session = session;
    this.phase = "new";
    this._socket = null;
    this._token = null;
    this._connections = 0;
    this._attempts = 0;
    this._repeats = new Repeats();
    this._waiting = [];
    this._bytes = 0;
    /** Requests that nothing was heard of: they are sent again on the next connection. */
    this._unheard = new Map();
    this._turns = new MessageChannel();
    this._turns.port1.onmessage = () => this._turn();
    this._isTurning = false;
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => !document.hidden && this.now());
  }

  /** Connect, with a token or, where none is needed, with null. */
  open(token) {
    this._token = token;
    this._attempts = 0;
    this._connect();
  }

  /** Connect at once if the next attempt is waited for. */
  now() {
    if (this.phase === "waiting") {
      this._connect();
    }
  }

  /**
   * Send a request. Where there is no connection it is sent by the next one.
   * @param {object} message
   * @param {boolean} again whether to send it on the next connection, too, until something is heard
   *   of it: w2z does nothing twice
   */
  send(message, again = false) {
    const payload = encode(message);
    const isOpen = this.phase === "open";
    if (again || !isOpen) {
      this._unheard.set(message.header.msg_id, { payload, again, isSent: isOpen });
    }
    if (isOpen) {
      this._socket.send(payload);
    }
    this._told.sent(message, payload.length);
  }

  _connect() {
    clearTimeout(this._timer);
    this._connections += 1;
    const number = this._connections;
    const url = `${this._base}channels?session_id=${encodeURIComponent(this.session)}`;
    const socket = new WebSocket(url, subprotocols(V1, this._token));
    socket.binaryType = "arraybuffer";
    this._socket = socket;
    this._enter("connecting");
    socket.onopen = () => this._opened();
    socket.onmessage = event => this._take(number, event.data);
    socket.onclose = event => number === this._connections && this._closed(event);
  }

  _opened() {
    this._since = performance.now();
    this._enter("open");
    for (const [id, request] of this._unheard) {
      this._socket.send(request.payload);
      request.isSent = true;
      if (!request.again) {
        this._unheard.delete(id);
      }
    }
  }

  _closed(event) {
    const wasOpen = this.phase === "open";
    const lasted = wasOpen && performance.now() - this._since > LASTED;
    this._attempts = lasted ? 1 : this._attempts + 1;
    const { next, delay, words } = afterClose(event, this._attempts, Math.random());
    if (next === "renew") {
      this._renew();
    }
    this._told.lost({ next, words, wasOpen });
    if (next === "ask") {
      this._enter("refused");
    } else if (next === "renew") {
      this._connect();
    } else {
      this._enter("waiting", { until: Date.now() + delay });
      this._timer = setTimeout(() => this.now(), delay);
    }
  }

  /** Go on as another session. What was sent is not sent again: w2z knows repeats of one session alone. */
  _renew() {
    this.session = newId();
    for (const [id, { isSent }] of this._unheard) {
      if (isSent) {
        this._unheard.delete(id);
      }
    }
  }

  /** Do not connect any more, until it is opened again. */
  refuse() {
    clearTimeout(this._timer);
    this._enter("refused");
  }

  _enter(phase, details = {}) {
    this.phase = phase;
    this._told.phase(phase, details);
  }

  // Messages.

  _take(number, payload) {
    this._waiting.push([number, payload]);
    this._bytes += payload.byteLength;
    if (this._bytes > MOST_WAITING) {
      this._read(Infinity);
    } else if (!this._isTurning) {
      this._isTurning = true;
      this._turns.port2.postMessage(null);
    }
  }

  _turn() {
    this._read(TURN);
    this._isTurning = this._waiting.length > 0;
    if (this._isTurning) {
      this._turns.port2.postMessage(null);
    }
  }

  _read(milliseconds) {
    const end = performance.now() + milliseconds;
    let index = 0;
    while (index < this._waiting.length && performance.now() < end) {
      const [number, payload] = this._waiting[index];
      index += 1;
      this._bytes -= payload.byteLength;
      this._one(number, payload);
    }
    this._waiting.splice(0, index);
  }

  _one(number, payload) {
    let message;
    try {
      message = decode(payload);
    } catch (error) {
      this._told.unread(error);
      return;
    }
    if (!this._repeats.has(number, message.header.msg_id)) {
      this._unheard.delete(message.parent_header.msg_id);
      this._told.message(message);
    }
  }
}
