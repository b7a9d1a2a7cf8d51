/** How other clients connect to this kernel: the lines to copy, for this page's own address. */

/**
 * @param {string} base the address of w2z, with a slash at its end
 * @param {{kernelId: string, needsToken: boolean}} about
 * @returns {{name: string, words: string, lines: string}[]}
 */
export function connectLines(base, { kernelId, needsToken }) {
  const bare = base.replace(/\/$/, "");
  const websocket = base.replace(/^http/, "ws");
  const token = needsToken ? "process.env.W2Z_TOKEN" : '""';
  return [
    {
      name: "Any Jupyter frontend",
      words:
        "A kernel called far, in JupyterLab, VS Code, nbclient, papermill and consoles of this machine.",
      lines: `w2z kernelspec install far --url ${shell(base)}`
    },
    {
      name: "JupyterLab without w2z",
      words: "Notebooks of this machine, all of them run by this kernel.",
      lines: lines(
        needsToken && 'export JUPYTER_GATEWAY_AUTH_TOKEN="$W2Z_TOKEN"',
        `jupyter lab --gateway-url=${shell(bare)}`
      )
    },
    {
      name: "VS Code",
      words:
        "Select Kernel, then Existing Jupyter Server, then this address" +
        (needsToken ? ", with the token itself at its end." : "."),
      lines: needsToken ? `${base}?token=$W2Z_TOKEN` : base
    },
    {
      name: "w2z attach",
      words: "A connection file on this machine, for everything that takes one: jupyter console, …",
      lines: `w2z attach ${shell(base)}`
    },
    {
      name: "Python",
      words: needsToken ? "The token is read from W2Z_TOKEN." : "",
      lines: lines(
        "import asyncio",
        "import w2z.client",
        "",
        "async def main():",
        `    url = ${JSON.stringify(base)}`,
        "    async with w2z.client.connect(url) as kernel:",
        '        print((await kernel.run("6 * 7")).text)',
        "",
        "asyncio.run(main())"
      )
    },
    {
      name: "Browser or Node.js",
      words: "With @jupyterlab/services. A page of another origin needs --allow-origin.",
      lines: lines(
        'import { KernelManager, ServerConnection } from "@jupyterlab/services";',
        "",
        "const serverSettings = ServerConnection.makeSettings({",
        `  baseUrl: ${JSON.stringify(base)},`,
        `  wsUrl: ${JSON.stringify(websocket)},`,
        `  token: ${token}`,
        "});",
        "const manager = new KernelManager({ serverSettings });",
        "await manager.ready;",
        "const [model] = manager.running();",
        "const kernel = manager.connectTo({ model });"
      )
    },
    {
      name: "curl",
      words: "What the kernel is doing, and how it is interrupted.",
      lines: [
        curl(`${base}api/kernels`, needsToken),
        curl(`${base}api/kernels/${kernelId}/interrupt`, needsToken, "-X POST ")
      ].join("\n")
    }
  ];
}

function curl(url, needsToken, method = "") {
  const header = needsToken ? '-H "Authorization: Bearer $W2Z_TOKEN" ' : "";
  return `curl ${method}${header}${shell(url)}`;
}

function lines(...found) {
  return found.filter(line => line !== false).join("\n");
}

/** @returns {string} a word as a shell takes it */
export function shell(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
