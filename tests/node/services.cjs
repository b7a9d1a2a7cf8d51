// The published @jupyterlab/services against a running server: one JSON line for each thing seen.
//
//   node services.cjs LIBRARY BASE_URL TOKEN FORMAT FOLDER
//
// LIBRARY is the name under which a version of it is installed here.
// FORMAT is "v1", or "default" for a browser that offers no subprotocol, as JupyterLab 3 does.
// FOLDER is one that the kernel sees too.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const WebSocket = require('ws');

const [library, baseUrl, token, format, folder] = process.argv.slice(2);
const {
  KernelAPI,
  KernelManager,
  KernelMessage,
  KernelSpecManager,
  ServerConnection,
  SessionAPI,
  SessionManager
} = require(library);
const sockets = [];

class Socket extends WebSocket {
  constructor(url, protocols) {
    super(url, format === 'v1' ? protocols : []);
    sockets.push(this);
  }
}

function saw(what, fields) {
  console.log(JSON.stringify({ saw: what, ...fields }));
}

const COMM_TARGET = `
def opened(comm, message):
    @comm.on_msg
    def answer(message):
        comm.send(message["content"]["data"], buffers=[bytes(b)[::-1] for b in message["buffers"]])
get_ipython().kernel.comm_manager.register_target("reverse", opened)
`;

// Runs code to its end; `more` is called with each message that is not a status.
async function execute(kernel, code, more = () => {}) {
  const future = kernel.requestExecute({ code });
  const outputs = [];
  const known = new Set();
  future.onIOPub = message => {
    const { msg_type: type, msg_id: id } = message.header;
    // What was on its way when the connection was cut may come twice.
    const repeated = known.has(id);
    known.add(id);
    if (!repeated && type !== 'status' && type !== 'execute_input') {
      outputs.push({ type, ...message.content });
      more(message);
    }
  };
  future.onStdin = more;
  const reply = await future.done;
  return { status: reply.content.status, outputs };
}

async function comm(kernel) {
  await execute(kernel, COMM_TARGET);
  const opened = kernel.createComm('reverse');
  await opened.subshellStarted;
  await opened.open().done;
  const answer = new Promise(resolve => (opened.onMsg = resolve));
  opened.send({ n: 1 }, undefined, [new Uint8Array([0, 1, 254, 255]).buffer]);
  const { content, buffers } = await answer;
  const bytes = buffers.map(one => [...new Uint8Array(one.buffer ?? one)]);
  saw('comm', { data: content.data, buffers: bytes, subshell: Boolean(opened.subshellId) });
}

async function input(kernel) {
  saw('input', await execute(kernel, "print('hello', input('who? '))", message => {
    if (message.header.msg_type === 'input_request') {
      saw('prompt', { prompt: message.content.prompt });
      kernel.sendInputReply({ status: 'ok', value: 'anna' }, message.header);
    }
  }));
}

// Runs a cell without end, up to what `stop` does to it.
async function endless(kernel, stop) {
  const code = "import time\nprint('begun', end='', flush=True)\nwhile True: time.sleep(0.05)";
  return await execute(kernel, code, message => {
    if (message.header.msg_type === 'stream') {
      stop();
    }
  });
}

async function interrupt(kernel) {
  saw('interrupt by message', await endless(kernel, () => {
    kernel.sendControlMessage(KernelMessage.createMessage({
      msgType: 'interrupt_request',
      channel: 'control',
      username: kernel.username,
      session: kernel.clientId,
      content: {}
    }), true);
  }));
  let answered;
  const seen = await endless(kernel, () => (answered = kernel.interrupt()));
  await answered;
  saw('interrupt', seen);
}

// What was there is gone, the kernel is ready, and comes in a new connection.
async function restart(kernel) {
  await execute(kernel, 'kept = 1');
  const before = sockets.length;
  await kernel.restart();
  const seen = await execute(kernel, "print('again')\nkept");
  saw('restart', { ...seen, sockets: sockets.length - before, id: kernel.id });
}

const summary = ({ path, name, type, kernel }) => ({ path, name, type, kernel: kernel.id });

async function sessions(kernelManager, serverSettings, name) {
  const manager = new SessionManager({ kernelManager, serverSettings });
  await manager.ready;
  const list = async () => (await SessionAPI.listRunning(serverSettings)).map(summary);
  const before = await list();
  const asked = { path: 'x.ipynb', name: 'x', type: 'notebook', kernel: { name } };
  const session = await manager.startNew(asked);
  const seen = await execute(session.kernel, "print('in a session')");
  const again = await manager.startNew(asked);
  const same = again.id === session.id;
  await session.setPath('y.ipynb');
  await session.setName('y');
  await session.setType('console');
  const made = await list();
  await session.shutdown();
  saw('sessions', { ...seen, before, made, same, after: await list() });
  manager.dispose();
}

// The connection is cut while a cell runs; the cell goes on once there is a new one.
async function reconnect(kernel) {
  const file = path.join(folder, 'cut');
  const code = [
    'import os, time',
    "print('before\\n', end='', flush=True)",
    `while not os.path.exists(${JSON.stringify(file)}): time.sleep(0.01)`,
    "print('after')"
  ].join('\n');
  const before = sockets.length;
  kernel.connectionStatusChanged.connect((_, status) => {
    if (status === 'connected') {
      fs.writeFileSync(file, '');
    }
  });
  const seen = await execute(kernel, code, message => {
    if (message.content.text === 'before\n') {
      sockets.at(-1).terminate();
    }
  });
  const ids = sockets.map(socket => new URL(socket.url).searchParams.get('session_id'));
  const same = ids.every(id => id === kernel.clientId);
  saw('reconnect', { ...seen, sockets: sockets.length - before, same });
}

async function main() {
  const settings = { baseUrl, token, appendToken: true, WebSocket: Socket };
  const serverSettings = ServerConnection.makeSettings(settings);
  const specManager = new KernelSpecManager({ serverSettings });
  await specManager.ready;
  const { default: name, kernelspecs } = specManager.specs;
  const { display_name, language } = kernelspecs[name];
  saw('specs', { name, names: Object.keys(kernelspecs), display_name, language });

  const [model] = await KernelAPI.listRunning(serverSettings);
  const manager = new KernelManager({ serverSettings });
  await manager.ready;
  const kernel = await manager.startNew({ name });
  const info = await kernel.info;
  saw('start', { same: kernel.id === model.id, name: kernel.name === model.name });
  saw('info', { language: info.language_info.name, protocol: sockets[0].protocol });

  saw('stream', await execute(kernel, "print('hello ☃')\n6 * 7"));
  const rich = "from IPython.display import display, HTML\ndisplay(HTML('<b>ü</b>'))\n1/0";
  saw('rich', await execute(kernel, rich));
  await input(kernel);
  await comm(kernel);
  await interrupt(kernel);
  await reconnect(kernel);
  await restart(kernel);
  await sessions(manager, serverSettings, name);
  saw('state', { state: kernel.status });

  await kernel.shutdown();
  const [left] = await KernelAPI.listRunning(serverSettings);
  const other = manager.connectTo({ model: left });
  saw('shutdown', { state: kernel.status, ...(await execute(other, "print('still here')")) });
  specManager.dispose();
  manager.dispose();
}

main().then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
