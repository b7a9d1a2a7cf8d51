// The published @jupyterlab/services while its connection is cut again and again.
//
//   node cuts.cjs BASE_URL TOKEN CUTS COUNT SEED
//
// A cell prints COUNT numbers; while it runs, the connection is cut CUTS times. The last line says
// what was seen, without repeats: one JSON object.
'use strict';

const WebSocket = require('ws');
const { KernelManager, ServerConnection } = require('@jupyterlab/services');

const [baseUrl, token, cuts, count, seed] = process.argv.slice(2);
const sockets = [];

class Socket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    sockets.push(this);
  }
}

// A linear congruential generator: the same moments for the same seed.
let state = Number(seed);
function upTo(limit) {
  state = (state * 1664525 + 1013904223) % 4294967296;
  return 1 + Math.floor((state / 4294967296) * limit);
}

async function main() {
  const settings = { baseUrl, token, appendToken: true, WebSocket: Socket };
  const serverSettings = ServerConnection.makeSettings(settings);
  const manager = new KernelManager({ serverSettings });
  await manager.ready;
  const [model] = manager.running();
  const kernel = manager.connectTo({ model });
  await kernel.info;

  const known = new Set();
  let texts = '';
  let repeats = 0;
  let made = 0;
  let left = 0;
  let idle = 0;
  kernel.connectionStatusChanged.connect((_, status) => {
    if (status === 'connected') {
      left = upTo(60);
    }
  });
  left = upTo(60);
  const code = `for n in range(${count}):\n    print(f"{n}\\n", end="", flush=True)`;
  const future = kernel.requestExecute({ code });
  future.onIOPub = message => {
    const { msg_id: id, msg_type: type } = message.header;
    if (known.has(id)) {
      repeats += 1;
    } else if (type === 'stream') {
      texts += message.content.text;
    } else if (type === 'status' && message.content.execution_state === 'idle') {
      idle += 1;
    }
    known.add(id);
    if (type === 'stream') {
      left -= 1;
      if (left === 0 && made < Number(cuts)) {
        made += 1;
        sockets.at(-1).terminate();
      }
    }
  };
  const reply = await future.done;
  const numbers = texts.split('\n').slice(0, -1).map(Number);
  const inOrder = numbers.every((number, index) => number === index);
  console.log(JSON.stringify({
    status: reply.content.status, numbers: numbers.length, inOrder, cuts: made, repeats, idle,
    sockets: sockets.length
  }));
}

main().then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
