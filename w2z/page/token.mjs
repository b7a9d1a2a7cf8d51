/** The token: from the address, once. It is kept in memory, and nowhere else. */

/**
 * Take the token out of an address: `?token=` or, better, `#token=`, which no server sees.
 * @param {string} href
 * @returns {{token: string | null, href: string}} the token, and the address without it
 */
export function takeToken(href) {
  const url = new URL(href);
  const behind = new URLSearchParams(url.hash.slice(1));
  const token = behind.get("token") || url.searchParams.get("token");
  if (behind.has("token")) {
    behind.delete("token");
    url.hash = behind.toString();
  }
  if (url.searchParams.has("token")) {
    url.searchParams.delete("token");
  }
  return { token: token || null, href: url.href };
}

/** @returns {string[]} the subprotocols that a websocket has to offer; the format comes first */
export function subprotocols(format, token) {
  const offered = [format];
  if (token !== null) {
    offered.push(`v1.token.websocket.jupyter.org.${quoted(token)}`);
  }
  return offered;
}

/** Percent-encode what a subprotocol may not have (RFC 6455 section 4.1). */
function quoted(token) {
  return encodeURIComponent(token).replace(
    /[()]/g,
    one => `%${one.charCodeAt(0).toString(16).toUpperCase()}`
  );
}
