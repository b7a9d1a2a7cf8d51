// The published @jupyterlab/services, opened while a kernel is busy with somebody else's cell.
//
//   node busy.cjs LIBRARY BASE_URL TOKEN FORMAT
//
// LIBRARY and FORMAT are as in services.cjs. It says, in one JSON line each, what it has learned of
// the kernel ("info"), what it shows when that cell prints ("shown"), and how a cell of its own,
// which has waited for the kernel until then, went ("ran").
'use strict';

const WebSocket = require('ws');

const [library, baseUrl, token, format] = process.argv.slice(2);
const { KernelAPI, KernelManager, ServerConnection } = require(library);

class Socket extends WebSocket {
  constructor(url, protocols) {
    super(url, format === 'v1' ? protocols : []);
  }
}

function saw(what, fields) {
  console.log(JSON.stringify({ saw: what, ...fields }));
}

async function main() {
  const settings = { baseUrl, token, appendToken: true, WebSocket: Socket };
  const serverSettings = ServerConnection.makeSettings(settings);
  const manager = new KernelManager({ serverSettings });
  await manager.ready;
  const [model] = await KernelAPI.listRunning(serverSettings);
  const kernel = manager.connectTo({ model });
  const printed = new Promise(resolve => {
    kernel.iopubMessage.connect((_, { header }) => header.msg_type === 'stream' && resolve());
  });

  const info = await kernel.info;
  saw('info', { language: info.language_info.name });
  await printed;
  saw('shown', { status: kernel.status });

  const future = kernel.requestExecute({ code: "print('mine')" });
  let text = '';
  future.onIOPub = message => (text += message.content.text ?? '');
  const reply = await future.done;
  const again = await kernel.info;
  const language = again.language_info.name;
  saw('ran', { status: reply.content.status, text, language });
  manager.dispose();
}

main().then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
