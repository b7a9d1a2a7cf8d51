/** What the kernel is doing, as its status messages tell. */

/**
 * @param {string} before the execution state before
 * @param {object} message a status
 * @returns {string} the execution state from now on
 */
export function stateAfter(before, { parent_header, content }) {
  const { execution_state: state } = content;
  // The end of what was lost with the kernel: w2z tells it when the kernel is dead already.
  const isOfLost = state === "idle" && parent_header.msg_id !== undefined;
  return isOfLost && (before === "dead" || before === "restarting") ? before : state;
}
