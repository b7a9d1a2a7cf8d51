// Reads one binary websocket message of the subprotocol v1.kernel.websocket.jupyter.org.
export function readV1(buffer) {
  const view = new DataView(buffer);
  const at = index => Number(view.getBigUint64(8 * index, true));
  const count = at(0); // offsets are 64-bit: BigInt, until they are known to be small
  const part = index => new Uint8Array(buffer, at(index), at(index + 1) - at(index));
  const text = index => new TextDecoder().decode(part(index));
  const [channel, ...json] = [1, 2, 3, 4, 5].map(text);
  const [header, parent_header, metadata, content] = json.map(one => JSON.parse(one));
  const buffers = [];
  for (let index = 6; index < count; index += 1) {
    buffers.push(part(index));
  }
  return { channel, header, parent_header, metadata, content, buffers };
}
