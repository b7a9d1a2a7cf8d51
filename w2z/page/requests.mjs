/** The requests that the page sends, as https://jupyter-client.readthedocs.io/ describes them. */

const VERSION = "5.4";

/**
 * A new id: 128 random bits. (crypto.randomUUID is there on https and localhost only.)
 * @returns {string}
 */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} session the session_id
 * @param {string} type such as "execute_request"
 * @param {object} content
 * @param {object} [more] what is not as it is for a request on shell without a parent
 * @returns {object} a message
 */
export function request(session, type, content, more = {}) {
  const header = {
    msg_id: newId(),
    msg_type: type,
    username: "page",
    session,
    date: new Date().toISOString(),
    version: VERSION
  };
  const fixed = { parent_header: {}, metadata: {}, buffers: [], channel: "shell" };
  return { ...fixed, ...more, header, content };
}

/** @returns {object} the content of a request to run code, which may ask for input */
export function execution(code) {
  return {
    code,
    silent: false,
    store_history: true,
    user_expressions: {},
    allow_stdin: true,
    stop_on_error: true
  };
}
