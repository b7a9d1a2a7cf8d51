/**
 * The websocket subprotocol v1.kernel.websocket.jupyter.org: one binary message is a number of
 * offsets, the offsets, and the parts that they point to. All numbers are little-endian uint64.
 */

export const V1 = "v1.kernel.websocket.jupyter.org";

/** The JSON parts, in their order behind the channel. */
export const JSON_PARTS = ["header", "parent_header", "metadata", "content"];

const FIRST_BUFFER = 1 + JSON_PARTS.length;

/**
 * Read a message.
 * @param {ArrayBuffer} payload
 * @returns {object} channel, header, parent_header, metadata, content, buffers and its size in bytes
 * @throws {Error} for what is no such message
 */
export function decode(payload) {
  const view = new DataView(payload);
  const at = index => Number(view.getBigUint64(8 * index, true));
  const count = at(0);
  if (count < FIRST_BUFFER + 1 || 8 * (count + 1) > payload.byteLength) {
    throw new Error(`a message cannot have ${count} offsets`);
  }
  const part = index => new Uint8Array(payload, at(index + 1), at(index + 2) - at(index + 1));
  const reader = new TextDecoder();
  const message = { channel: reader.decode(part(0)), size: payload.byteLength, buffers: [] };
  JSON_PARTS.forEach((name, index) => {
    message[name] = JSON.parse(reader.decode(part(index + 1)));
  });
  for (let index = FIRST_BUFFER; index < count - 1; index += 1) {
    message.buffers.push(part(index));
  }
  return message;
}

/**
 * Write a message.
 * @param {object} message with channel, header, parent_header, metadata, content and buffers
 * @returns {Uint8Array}
 */
export function encode(message) {
  const writer = new TextEncoder();
  const parts = [writer.encode(message.channel)];
  for (const name of JSON_PARTS) {
    parts.push(writer.encode(JSON.stringify(message[name])));
  }
  parts.push(...message.buffers);
  const count = parts.length + 1;
  let end = 8 * (count + 1);
  const payload = new Uint8Array(parts.reduce((sum, part) => sum + part.length, end));
  const view = new DataView(payload.buffer);
  view.setBigUint64(0, BigInt(count), true);
  view.setBigUint64(8, BigInt(end), true);
  parts.forEach((part, index) => {
    payload.set(part, end);
    end += part.length;
    view.setBigUint64(8 * (index + 2), BigInt(end), true);
  });
  return payload;
}
