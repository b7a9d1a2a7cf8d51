/** Bytes, to be read. */

/** Bytes of a buffer that are shown. */
export const SHOWN = 4096;

/**
 * @param {Uint8Array} bytes
 * @returns {string} lines of 16 bytes: where they are, in hexadecimal digits, as ASCII
 */
export function hexDump(bytes, most = SHOWN) {
  const lines = [];
  for (let start = 0; start < Math.min(bytes.length, most); start += 16) {
    const row = Array.from(bytes.subarray(start, Math.min(start + 16, most)));
    const digits = row.map(byte => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map(byte => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${start.toString(16).padStart(8, "0")}  ${digits.padEnd(47)}  ${text.join("")}`);
  }
  if (bytes.length > most) {
    lines.push(`… ${bytes.length - most} bytes more`);
  }
  return lines.join("\n");
}
