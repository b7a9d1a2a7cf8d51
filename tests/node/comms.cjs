// The published @jupyterlab/services while a comm takes its time, and w2z has something to say.
//
//   node comms.cjs LIBRARY BASE_URL TOKEN FORMAT WHAT
//
// LIBRARY and FORMAT are as in services.cjs. A cell of somebody else opens four comms, sends each a
// message and closes it; the first, "slow", is not done with before WHAT has come: "output" is a
// line that no cell has printed, "info" an answer to kernel_info_request. It says, in one JSON line
// each, that all of it waits ("waiting") and what has been handled in the end ("handled").
'use strict';

const WebSocket = require('ws');

const [library, baseUrl, token, format, what] = process.argv.slice(2);
const { KernelAPI, KernelManager, ServerConnection } = require(library);

class Socket extends WebSocket {
  constructor(url, protocols) {
    super(url, format === 'v1' ? protocols : []);
  }
}

function saw(what, fields) {
  console.log(JSON.stringify({ saw: what, ...fields }));
}

// The first message that arrives and for which it holds, before anything is done with it.
function arrived(kernel, holds) {
  return new Promise(resolve => {
    kernel.anyMessage.connect((_, { msg, direction }) => {
      if (direction === 'recv' && holds(msg)) {
        resolve(msg);
      }
    });
  });
}

async function main() {
  const settings = { baseUrl, token, appendToken: true, WebSocket: Socket };
  const serverSettings = ServerConnection.makeSettings(settings);
  const manager = new KernelManager({ serverSettings });
  await manager.ready;
  const [model] = await KernelAPI.listRunning(serverSettings);
  const kernel = manager.connectTo({ model });
  await kernel.info;
  // Requests for subshells would be in between, whose answers come at any time.
  kernel.commsOverSubshells = 'disabled';

  let release;
  const released = new Promise(resolve => (release = resolve));
  const handled = [];
  kernel.registerCommTarget('test', async (comm, { content }) => {
    const { name } = content.data;
    comm.onMsg = message => void handled.push(`${message.content.data.said} ${name}`);
    comm.onClose = () => void handled.push(`close ${name}`);
    handled.push(`open ${name}`);
    if (name === 'slow') {
      await released;
    }
  });
  const all = arrived(kernel, ({ content }) => content.text === 'all sent\n');
  const idle = arrived(kernel, ({ content }) => content.execution_state === 'idle');
  saw('ready');
  await all;
  let answer;
  if (what === 'output') {
    await idle;
    answer = arrived(kernel, ({ content }) => content.text?.includes('between'));
  } else {
    answer = arrived(kernel, ({ header }) => header.msg_type === 'kernel_info_reply');
    void kernel.requestKernelInfo();
  }
  saw('waiting');
  await answer;
  release();
  await new Promise(setImmediate);
  saw('handled', { handled });
  manager.dispose();
}

main().then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
