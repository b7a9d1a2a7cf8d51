/** The traffic: messages as they pass, filtered, and one of them in full. */

import { h, inFrame } from "./dom.mjs";
import { messageView } from "./messageview.mjs";
import { CHANNELS, summary } from "./traffic.mjs";
import { VirtualRows } from "./virtual.mjs";
import { count, size } from "./words.mjs";

export class TrafficView {
  /** @param {object} kernel */
  constructor(kernel) {
    this._traffic = kernel.traffic;
    this._shown = [];
    this._chosen = null;
    this._types = "";
    this.element = document.getElementById("traffic");
    this._about = h("p", { class: "about" });
    const props = { class: "messages", tabindex: "0", role: "listbox", "aria-label": "Messages" };
    this._rows = new VirtualRows(props, index => this._row(index));
    this._rows.element.addEventListener("keydown", event => this._key(event));
    this._rows.element.addEventListener("click", event => this._click(event));
    this._one = h("div", { class: "one", hidden: true });
    const both = h("div", { class: "both" }, this._rows.element, this._one);
    this.element.append(this._filter(), this._about, both);
    this._draw = () => this.draw();
    kernel.addEventListener("traffic", () => inFrame(this._draw));
  }

  /** Show what has passed. */
  draw() {
    if (this.element.hidden) {
      return;
    }
    this._offerTypes();
    this._shown = this._traffic.shown({
      channels: new Set(this._channels.filter(one => one.checked).map(one => one.value)),
      direction: this._direction.value,
      type: this._type.value,
      text: this._text.value
    });
    const { records, passed, dropped, bytes, isPaused } = this._traffic;
    const kept = `${count(records.length, "message")} kept, ${size(bytes)}`;
    const parts = [`${this._shown.length.toLocaleString("en")} shown`, kept, `${passed} passed`];
    if (dropped > 0) {
      parts.push(`the first ${dropped} not kept`);
    }
    if (isPaused) {
      parts.push("paused");
    }
    this._about.textContent = parts.join(" · ");
    this._rows.setCount(this._shown.length);
  }

  _filter() {
    const draw = () => this.draw();
    this._channels = CHANNELS.map(name => {
      const box = h("input", {
        type: "checkbox",
        value: name,
        id: `channel-${name}`,
        onchange: draw
      });
      box.checked = true;
      return box;
    });
    const labels = this._channels.map(box =>
      h("label", { for: box.id, class: `channel ${box.value}` }, box, ` ${box.value}`)
    );
    this._direction = h("select", { "aria-label": "Direction", onchange: draw });
    for (const [value, label] of DIRECTIONS) {
      this._direction.append(h("option", { value }, label));
    }
    this._type = h(
      "select",
      { "aria-label": "Type", onchange: draw },
      h("option", { value: "" }, "any type")
    );
    this._text = h("input", {
      type: "search",
      placeholder: "Text",
      "aria-label": "Text",
      oninput: draw
    });
    const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
    pause.addEventListener("click", () => {
      this._traffic.isPaused = !this._traffic.isPaused;
      pause.setAttribute("aria-pressed", this._traffic.isPaused);
      this.draw();
    });
    const clear = h("button", { type: "button" }, "Clear");
    clear.addEventListener("click", () => {
      this._traffic.clear();
      this._close();
      this.draw();
    });
    const channels = h("fieldset", {}, h("legend", { class: "unseen" }, "Channels"), ...labels);
    return h(
      "div",
      { class: "filter" },
      channels,
      this._direction,
      this._type,
      this._text,
      pause,
      clear
    );
  }

  _offerTypes() {
    const types = this._traffic.types();
    if (types.join() !== this._types) {
      this._types = types.join();
      const chosen = this._type.value;
      this._type.replaceChildren(h("option", { value: "" }, "any type"));
      this._type.append(...types.map(type => h("option", { value: type }, type)));
      this._type.value = types.includes(chosen) ? chosen : "";
    }
  }

  _row(index) {
    const record = this._shown[index];
    const { message, direction, time } = record;
    const isSent = direction === "to_kernel";
    const row = h(
      "div",
      {
        class: `row message ${message.channel}`,
        role: "option",
        id: `message-${record.number}`,
        "aria-selected": String(record === this._chosen),
        "aria-posinset": String(index + 1),
        "aria-setsize": String(this._shown.length)
      },
      h("span", { class: "time" }, clock(time)),
      h(
        "span",
        { class: "way", title: isSent ? "to the kernel" : "to this page" },
        isSent ? "→" : "←"
      ),
      h("span", { class: "unseen" }, isSent ? "to the kernel" : "to this page"),
      h("span", { class: "channel" }, message.channel),
      h("span", { class: "type" }, String(message.header.msg_type)),
      h("span", { class: "said" }, summary(message)),
      h("span", { class: "size" }, size(record.size))
    );
    row.dataset.index = index;
    return row;
  }

  _click(event) {
    const row = event.target.closest(".message");
    if (row) {
      this._choose(Number(row.dataset.index));
    }
  }

  _key(event) {
    const last = this._shown.length - 1;
    const at = this._shown.indexOf(this._chosen);
    const places = new Map([
      ["ArrowDown", at < 0 ? last : Math.min(last, at + 1)],
      ["ArrowUp", at < 0 ? last : Math.max(0, at - 1)],
      ["PageDown", Math.min(last, at + 10)],
      ["PageUp", Math.max(0, at - 10)],
      ["Home", 0],
      ["End", last]
    ]);
    if (places.has(event.key) && last >= 0) {
      event.preventDefault();
      this._choose(places.get(event.key));
    } else if (event.key === "Escape") {
      this._close();
    }
  }

  _choose(index) {
    this._chosen = this._shown[index];
    this._rows.follows = false;
    this._rows.show(index);
    this._rows.element.setAttribute("aria-activedescendant", `message-${this._chosen.number}`);
    this._one.hidden = false;
    this._one.replaceChildren(messageView(this._chosen, () => this._close()));
    this._rows.draw();
  }

  _close() {
    this._chosen = null;
    this._one.hidden = true;
    this._rows.element.removeAttribute("aria-activedescendant");
    this._rows.follows = true;
    this._rows.draw();
    this._rows.element.focus();
  }
}

const DIRECTIONS = [
  ["", "both ways"],
  ["to_kernel", "→ to the kernel"],
  ["to_client", "← to this page"]
];

function clock(time) {
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${time.toLocaleTimeString("en-GB")}.${milliseconds}`;
}
