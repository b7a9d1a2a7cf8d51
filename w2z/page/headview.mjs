/** The head of the page: which kernel this is, what it does, how the connection is; its buttons. */

import { h } from "./dom.mjs";

const STATES = new Map([
  ["idle", "idle"],
  ["busy", "busy"],
  ["starting", "starting"],
  ["restarting", "restarting"],
  ["dead", "dead"]
]);

const $ = id => document.getElementById(id);

/** Show the head for a kernel, and keep it up to date. */
export function headView(kernel) {
  const banner = new Banners($("banners"));
  const facts = () => {
    const name = kernel.spec?.display_name ?? kernel.model?.name ?? "Kernel";
    const isKnown = kernel.connection.phase === "open" || kernel.execution === "dead";
    const state = (isKnown && STATES.get(kernel.execution)) || "unknown";
    $("name").textContent = name;
    $("state").dataset.state = state;
    $("state").firstElementChild.textContent = state === "unknown" ? "…" : state;
    document.title = `${state === "busy" ? "● " : ""}${name}${state === "dead" ? " (dead)" : ""}`;
    const reason = kernel.deadReason && `: ${kernel.deadReason.replace(/\.?$/, ".")}`;
    banner.set("dead", state === "dead" ? `The kernel is dead${reason || "."}` : "");
    buttons();
  };
  const buttons = () => {
    const isThere = kernel.connection.phase === "open";
    $("interrupt").disabled = !isThere || kernel.execution !== "busy";
    $("restart").disabled = !isThere || kernel.execution === "restarting";
  };
  const connection = () => {
    const { phase, until } = kernel.connection;
    clearInterval(kernel.countdown);
    $("connection").dataset.phase = phase;
    $("connection").textContent = phase === "open" ? "connected" : "connecting…";
    if (phase === "waiting") {
      const tell = () => {
        const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
        const words = `No connection to w2z. What is missed comes later. Next try in ${seconds} s.`;
        banner.set("connection", words, ["Try now", () => kernel.link.now()]);
      };
      $("connection").textContent = "not connected";
      tell();
      kernel.countdown = setInterval(tell, 1000);
    } else if (phase === "open" || phase === "refused") {
      banner.set("connection", "");
    }
    facts();
  };
  kernel.addEventListener("facts", facts);
  kernel.addEventListener("connection", connection);
  kernel.addEventListener("words", event => banner.add(event.detail));
  $("interrupt").addEventListener("click", () => kernel.interrupt());
  $("restart").addEventListener("click", () => $("confirm").showModal());
  $("confirm").addEventListener("close", () => {
    if ($("confirm").returnValue === "yes") {
      kernel.restart();
    }
    $("confirm").returnValue = "";
  });
  facts();
}

/** Lines below the head: one for each thing that lasts, and those that a person closes. */
class Banners {
  constructor(element) {
    this._element = element;
    this._lasting = new Map();
  }

  /** Say something as long as it holds; an empty text ends it. */
  set(name, words, [label, does] = []) {
    let line = this._lasting.get(name);
    if (words === "") {
      line?.remove();
      this._lasting.delete(name);
      return;
    }
    if (line === undefined) {
      line = h("p", { class: `banner ${name}`, role: name === "dead" ? "alert" : null }, h("span"));
      if (label) {
        line.append(h("button", { type: "button", onclick: does }, label));
      }
      this._lasting.set(name, line);
      this._element.append(line);
    }
    line.firstChild.textContent = words;
  }

  /** Say something once. */
  add(words) {
    const line = h("p", { class: "banner once", role: "alert" }, h("span", {}, words));
    line.append(h("button", { type: "button", onclick: () => line.remove() }, "Close"));
    this._element.append(line);
    const once = this._element.querySelectorAll(".once");
    if (once.length > 3) {
      once[0].remove();
    }
  }
}
