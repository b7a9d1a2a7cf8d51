/**
 * The kernel as this page knows it: the model, its state, requests and their answers, the cells and
 * the traffic. It has no place in the page; who shows something of it listens.
 */

import { Answers } from "./answers.mjs";
import { ApiError } from "./api.mjs";
import { Link } from "./link.mjs";
import { execution, newId, request } from "./requests.mjs";
import { Traffic } from "./traffic.mjs";
import { stateAfter } from "./status.mjs";
import { Transcript } from "./transcript.mjs";

/** Milliseconds between two looks at the model. */
const LOOK = 15_000;
/** Milliseconds after a connection is back in which the end of cells has to be heard. */
const HEARD = 5000;

export class Kernel extends EventTarget {
  /** @param {string} base @param {string | null} session the session_id of before a reload */
  constructor(base, session) {
    super();
    this.base = base;
    this.api = null;
    this.model = null;
    this.spec = null;
    this.status = null;
    this.info = null;
    this.execution = "unknown";
    this.deadReason = "";
    this.connection = { phase: "new" };
    this.traffic = new Traffic();
    this.transcript = new Transcript();
    this._answers = new Answers();
    this.link = new Link(base, session ?? newId(), {
      message: message => this._message(message),
      sent: (message, size) => this._passed("to_kernel", message, size),
      phase: (phase, details) => this._phase(phase, details),
      lost: closing => this._lost(closing),
      unread: error => this.say(`A message could not be read: ${error.message}`)
    });
    this.transcript.sessions.add(this.link.session);
  }

  /** Begin, with an API that has answered. */
  async begin(api, token) {
    this.api = api;
    this.link.open(token);
    await this.look();
    if (!this._looking) {
      this._looking = setInterval(() => !document.hidden && this.look(), LOOK);
    }
  }

  /** Look at the model, and tell what is new. */
  async look() {
    try {
      this.model = await this.api.kernel();
      this.status = await this.api.status();
      this.spec ??= await this.api.spec();
    } catch (error) {
      this._refused(error);
      return;
    }
    const isNews = this.execution === "unknown" || this.model.execution_state === "dead";
    if (isNews || this.connection.phase !== "open") {
      this._execution(this.model.execution_state, "");
    }
    this._tell("facts");
  }

  // What is asked of it.

  /** Run code. @returns {object} the cell */
  run(code) {
    const message = request(this.link.session, "execute_request", execution(code));
    const cell = this.transcript.run(message.header.msg_id, code, Date.now());
    this.link.send(message, true);
    this._touch([cell]);
    return cell;
  }

  /** Answer a cell's question. */
  answer(cell, value) {
    const more = { channel: "stdin", parent_header: cell.question.header };
    this.link.send(request(this.link.session, "input_reply", { value }, more));
    this.transcript.answered(cell, value);
    this._touch([cell]);
  }

  /**
   * Ask for something that is answered at once.
   * @returns {Promise<object>} the reply's content
   * @throws {Error} when there is no connection, or the kernel is busy for too long
   */
  ask(type, content, patience) {
    if (this.link.phase !== "open") {
      return Promise.reject(new Error("There is no connection to the kernel."));
    }
    const message = request(this.link.session, type, content);
    this.link.send(message);
    return this._answers.to(message.header.msg_id, patience);
  }

  async interrupt() {
    await this._do("interrupt", "The kernel could not be interrupted");
  }

  /** @returns {Promise<boolean>} whether there is another kernel now */
  async restart() {
    this._execution("restarting", "");
    const done = await this._do("restart", "The kernel could not be restarted");
    if (done) {
      this.info = null;
      this._introduce();
      this._touch([this.transcript.notice("The kernel was restarted.", Date.now())]);
    }
    await this.look();
    return done;
  }

  async _do(what, fault) {
    try {
      await this.api[what](this.model.id);
      return true;
    } catch (error) {
      if (!this._refused(error)) {
        this.say(`${fault}: ${error.message}`);
      }
      return false;
    }
  }

  /** Remove what is shown. */
  clear() {
    this.transcript.clear();
    this._tell("cells", []);
  }

  // What is heard of it.

  _message(message) {
    const { channel, header, content } = message;
    this._passed("to_client", message, message.size);
    if (channel === "iopub") {
      if (header.msg_type === "status") {
        this._execution(stateAfter(this.execution, message), content.reason ?? "");
      }
    } else {
      this._answers.take(message.parent_header.msg_id, content);
    }
    this._touch(this.transcript.receive(message, Date.now()));
  }

  _passed(direction, message, size) {
    this.traffic.add(direction, message, size, new Date());
    this._tell("traffic");
  }

  _execution(state, reason) {
    const before = this.execution;
    if (state === before && reason === "") {
      return;
    }
    this.execution = state;
    this.deadReason = state === "dead" ? reason : "";
    this._tell("facts");
  }

  _phase(phase, details) {
    this.connection = { phase, ...details };
    if (phase === "open") {
      this.transcript.sessions.add(this.link.session);
      if (this.info === null) {
        this._introduce();
      }
      setTimeout(() => this._forget(), HEARD);
    }
    this._tell("connection");
  }

  /** Ask the kernel who it is. It may be busy for long, and answers when it is not. */
  _introduce() {
    this.ask("kernel_info_request", {}, 2 ** 31 - 1).then(
      info => {
        this.info = info;
        this._tell("facts");
        this._tell("info");
      },
      () => {}
    );
  }

  /** The end of cells that ended while nobody kept it will not be heard any more. */
  _forget() {
    if (this.connection.phase === "open" && this.execution === "idle") {
      this._touch(this.transcript.lose(Date.now()));
    }
  }

  _lost({ next, words, wasOpen }) {
    if (words) {
      this.say(words);
    }
    if (next === "ask") {
      this._tell("refused", words);
    } else if (!wasOpen && next === "retry") {
      // Browsers do not say why a websocket was refused; the API does.
      this.look();
    }
  }

  /** Whether an error says that another token is needed; if so, it is asked for. */
  _refused(error) {
    if (error instanceof ApiError && error.isToken) {
      this.link.refuse();
      this._tell("refused", "The token is not valid any more.");
      return true;
    }
    return false;
  }

  _touch(entries) {
    if (entries.length > 0) {
      this._tell("cells", entries);
    }
  }

  /** Say something to the person. */
  say(words) {
    this._tell("words", words);
  }

  _tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
