/** What to do when the websocket has closed: the close codes are in docs/protocol.md. */

const FIRST = 500;
const LONGEST = 15_000;

/** Close codes after which only a new token helps, or only another session. */
const TOKEN_REVOKED = 4401;
const REPLACED = 4409;

const FAULTS = new Map([
  [1002, "w2z could not read what the page sent"],
  [1003, "w2z could not read what the page sent"],
  [1007, "w2z could not read what the page sent"],
  [1008, "w2z did not allow what the page sent"],
  [1009, "w2z does not take a message of that size"]
]);

/**
 * Decide what comes after a websocket.
 * @param {{code: number, reason: string}} event how it closed
 * @param {number} attempts how many connections failed in a row, this one included
 * @param {number} chance a random number from 0 to 1
 * @returns {{next: "ask" | "renew" | "retry", delay: number, words: string}}
 *   ask for a token, go on as another session, or connect again; after so many milliseconds
 */
export function afterClose({ code, reason }, attempts, chance) {
  if (code === TOKEN_REVOKED) {
    return { next: "ask", delay: 0, words: "The token is not valid any more." };
  }
  if (code === REPLACED) {
    const words = "Another tab has taken over this tab's session. This one goes on with a new one.";
    return { next: "renew", delay: 0, words };
  }
  const fault = FAULTS.get(code);
  return {
    next: "retry",
    delay: delayBefore(attempts, chance),
    words: fault ? `${fault}: ${reason || `close code ${code}`}.` : ""
  };
}

/**
 * Milliseconds to wait before the next attempt. Half of it is chance, so that the pages of a w2z
 * that comes back do not all come at once.
 */
export function delayBefore(attempts, chance) {
  const whole = Math.min(LONGEST, FIRST * 2 ** Math.max(0, attempts - 1));
  return Math.round(whole / 2 + (whole / 2) * chance);
}
