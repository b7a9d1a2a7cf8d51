// The published @jupyterlab/services in a page: what the test calls, as `client`.

import { KernelAPI, KernelManager, KernelSpecManager, ServerConnection } from '@jupyterlab/services';

let manager, kernel, running, connected;
const sockets = [];

class Socket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    sockets.push(this);
  }
}

const client = {
  // The kernels and specs that the server lists.
  async list(baseUrl, token) {
    const settings = { baseUrl, token, appendToken: true, WebSocket: Socket };
    const serverSettings = ServerConnection.makeSettings(settings);
    const kernels = await KernelAPI.listRunning(serverSettings);
    manager = new KernelManager({ serverSettings });
    await manager.ready;
    const specs = new KernelSpecManager({ serverSettings });
    await specs.ready;
    return { kernels, specs: specs.specs };
  },

  // Connects to that kernel, or else to a new one.
  async connect(id) {
    kernel = id ? manager.connectTo({ model: { id, name: '' } }) : await manager.startNew();
    const info = await kernel.info;
    return { id: kernel.id, language: info.language_info.name, protocol: sockets.at(-1).protocol };
  },

  // Begins to run code; resolves when it has printed something.
  begin(code, answer) {
    const future = kernel.requestExecute({ code, allow_stdin: answer !== undefined });
    const outputs = [];
    running = future.done.then(reply => ({ status: reply.content.status, outputs }));
    future.onStdin = message => {
      outputs.push({ type: message.header.msg_type, ...message.content });
      kernel.sendInputReply({ status: 'ok', value: answer }, message.header);
    };
    return new Promise(resolve => {
      const known = new Set();
      future.onIOPub = message => {
        // What was under way when a connection was cut may come again: docs/delivery.md.
        if (known.has(message.header.msg_id)) {
          return;
        }
        known.add(message.header.msg_id);
        const type = message.header.msg_type;
        if (type !== 'status' && type !== 'execute_input') {
          outputs.push({ type, ...message.content });
          resolve();
        }
      };
    });
  },

  // The end of what was begun.
  end: () => running,

  async run(code, answer) {
    client.begin(code, answer);
    return await running;
  },

  interrupt: () => kernel.interrupt(),
  restart: () => kernel.restart(),

  // Looks out for the next connection; `reconnected` then resolves with the number of sockets.
  watch() {
    connected = new Promise(resolve => {
      kernel.connectionStatusChanged.connect((_, status) => {
        if (status === 'connected') {
          resolve(sockets.length);
        }
      });
    });
  },
  reconnected: () => connected,

  async shutdown() {
    await kernel.shutdown();
    return { disposed: kernel.isDisposed, status: kernel.status };
  }
};

window.client = client;
