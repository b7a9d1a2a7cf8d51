/** What the kernel's messages make of cells and their outputs; the traffic. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Outputs } from "../../../w2z/page/outputs.mjs";
import { stateAfter } from "../../../w2z/page/status.mjs";
import { Traffic, summary } from "../../../w2z/page/traffic.mjs";
import { Transcript } from "../../../w2z/page/transcript.mjs";

let numbers = 0;

function message(
  type,
  content,
  { parent = {}, channel = "iopub", metadata = {}, size = 100 } = {}
) {
  numbers += 1;
  const header = { msg_id: `m${numbers}`, msg_type: type };
  return { channel, header, parent_header: parent, metadata, content, buffers: [], size };
}

/** A transcript with a cell of this page, and a function that gives it messages for that cell. */
function running(code = "1") {
  const transcript = new Transcript();
  transcript.sessions.add("me");
  const cell = transcript.run("r1", code, 0);
  const parent = { msg_id: "r1", msg_type: "execute_request", session: "me" };
  const hear = (type, content, more = {}) =>
    transcript.receive(message(type, content, { parent, ...more }), 1000);
  return { transcript, cell, hear };
}

const said = outputs => outputs.items.map(item => item.terminal?.text() ?? item.data["text/plain"]);

test("a cell waits, runs and is done", () => {
  const { cell, hear, transcript } = running();
  assert.equal(cell.state, "waiting");
  assert.deepEqual(hear("status", { execution_state: "busy" }), [cell]);
  assert.equal(cell.state, "running");
  assert.deepEqual(transcript.unfinished(), [cell]);
  hear("execute_input", { code: "1", execution_count: 7 });
  hear("execute_result", { data: { "text/plain": "1" }, metadata: {}, execution_count: 7 });
  hear("execute_reply", { status: "ok", execution_count: 7 }, { channel: "shell" });
  hear("status", { execution_state: "idle" });
  assert.deepEqual(
    [cell.state, cell.count, cell.by, said(cell.outputs)],
    ["done", 7, "here", ["1"]]
  );
  assert.deepEqual(transcript.unfinished(), []);
});

test("text of one stream is one output, and each stream has its own", () => {
  const { cell, hear } = running();
  for (const [name, text] of [
    ["stdout", "a"],
    ["stdout", "b\n"],
    ["stderr", "c"],
    ["stdout", "d"]
  ]) {
    hear("stream", { name, text });
  }
  assert.deepEqual(said(cell.outputs), ["ab\n", "c", "d"]);
});

test("an error is a traceback, whoever tells it", () => {
  const failed = running();
  failed.hear("error", { ename: "E", evalue: "v", traceback: ["\x1b[31mone\x1b[0m", "two"] });
  failed.hear(
    "execute_reply",
    { status: "error", ename: "E", evalue: "v", traceback: [] },
    { channel: "shell" }
  );
  failed.hear("status", { execution_state: "idle" });
  assert.deepEqual([failed.cell.state, said(failed.cell.outputs)], ["failed", ["one\ntwo"]]);
  const lost = running();
  const reply = { status: "error", ename: "KernelLost", evalue: "it ended", traceback: [] };
  lost.hear("execute_reply", reply, { channel: "shell" });
  lost.hear("status", { execution_state: "idle" });
  assert.deepEqual(
    [lost.cell.state, said(lost.cell.outputs)],
    ["failed", ["KernelLost: it ended"]]
  );
});

test("a cell behind one that failed was not run", () => {
  const { cell, hear } = running();
  hear("status", { execution_state: "busy" });
  hear("execute_reply", { status: "aborted" }, { channel: "shell" });
  hear("status", { execution_state: "idle" });
  assert.equal(cell.state, "aborted");
});

test("what is cleared is cleared at once, or when the next output comes", () => {
  const { cell, hear } = running();
  hear("stream", { name: "stdout", text: "a" });
  hear("clear_output", { wait: true });
  assert.deepEqual(said(cell.outputs), ["a"]);
  hear("stream", { name: "stdout", text: "b" });
  assert.deepEqual(said(cell.outputs), ["b"]);
  hear("clear_output", { wait: false });
  assert.deepEqual(said(cell.outputs), []);
});

test("displays of one id are updated in whichever cell they are", () => {
  const { transcript, cell, hear } = running();
  const shown = text => ({
    data: { "text/plain": text },
    metadata: {},
    transient: { display_id: "d" }
  });
  hear("display_data", shown("one"));
  const second = transcript.run("r2", "2", 0);
  const parent = { msg_id: "r2", msg_type: "execute_request", session: "me" };
  transcript.receive(message("display_data", shown("two"), { parent }), 0);
  const before = cell.outputs.items[0].version;
  const touched = transcript.receive(message("update_display_data", shown("three"), { parent }), 0);
  assert.deepEqual(touched, [cell, second]);
  assert.deepEqual([said(cell.outputs), said(second.outputs)], [["three"], ["three"]]);
  assert.ok(cell.outputs.items[0].version > before);
  const unknown = { ...shown("x"), transient: { display_id: "unknown" } };
  assert.deepEqual(transcript.receive(message("update_display_data", unknown, { parent }), 0), []);
});

test("what others run is told apart", () => {
  const { transcript } = running();
  const of = (id, session) => ({ parent: { msg_id: id, msg_type: "execute_request", session } });
  transcript.receive(
    message("execute_input", { code: "2", execution_count: 3 }, of("x", "them")),
    0
  );
  transcript.receive(message("stream", { name: "stdout", text: "theirs" }, of("x", "them")), 0);
  transcript.receive(message("stream", { name: "stdout", text: "old" }, of("y", "me")), 0);
  transcript.receive(message("stream", { name: "stdout", text: "from a thread" }), 0);
  const found = transcript.entries.map(({ by, code, outputs }) => [by, code, said(outputs).join()]);
  assert.deepEqual(found, [
    ["here", "1", ""],
    ["other", "2", "theirs"],
    ["before", null, "old"],
    ["kernel", null, "from a thread"]
  ]);
  const completion = { parent: { msg_id: "c", msg_type: "complete_request", session: "them" } };
  transcript.receive(message("status", { execution_state: "busy" }, completion), 0);
  transcript.receive(message("stream", { name: "stdout", text: "noise" }, completion), 0);
  assert.equal(transcript.entries.length, 4);
});

test("a question is asked, and the answer shown unless it is a password", () => {
  const { transcript, cell, hear } = running();
  hear("input_request", { prompt: "who? ", password: false }, { channel: "stdin" });
  assert.equal(cell.question.content.prompt, "who? ");
  transcript.answered(cell, "anna");
  assert.equal(cell.question, null);
  hear("input_request", { prompt: "word? ", password: true }, { channel: "stdin" });
  transcript.answered(cell, "sesame");
  assert.deepEqual(said(cell.outputs), ["who? anna\nword? ········\n"]);
  hear("input_request", { prompt: "more? ", password: false }, { channel: "stdin" });
  hear("status", { execution_state: "idle" });
  assert.equal(cell.question, null, "a cell that has ended asks nothing");
});

test("w2z's words and gaps are notices in their place", () => {
  const { transcript, hear } = running();
  hear("stream", { name: "stdout", text: "w2z: printed by a cell" });
  transcript.receive(message("stream", { name: "stderr", text: "w2z: the kernel ended\n" }), 0);
  const gap = { metadata: { w2z_gap: { messages: 2, bytes: 10 } } };
  hear("stream", { name: "stderr", text: "[w2z] 2 messages were dropped here" }, gap);
  const notices = transcript.entries.filter(one => one.kind === "notice").map(one => one.text);
  assert.deepEqual(notices, ["w2z: the kernel ended", "[w2z] 2 messages were dropped here"]);
});

test("what ? shows is an output", () => {
  const { cell, hear } = running("print?");
  const payload = [{ source: "page", data: { "text/plain": "the docstring" } }];
  hear("execute_reply", { status: "ok", execution_count: 1, payload }, { channel: "shell" });
  assert.deepEqual(said(cell.outputs), ["the docstring"]);
});

test("cells whose end nobody will hear are said to be lost", () => {
  const { transcript, cell, hear } = running();
  assert.deepEqual(transcript.lose(5), [], "nothing was heard of its beginning either");
  hear("status", { execution_state: "busy" });
  assert.deepEqual(transcript.lose(5), [cell]);
  assert.equal(cell.state, "lost");
});

test("what is kept is bounded", () => {
  const transcript = new Transcript({ mostEntries: 3, mostWeight: 10_000 });
  for (let index = 0; index < 5; index += 1) {
    transcript.run(`r${index}`, "", 0);
  }
  assert.deepEqual(
    transcript.entries.map(one => one.id),
    ["r2", "r3", "r4"]
  );
  assert.equal(transcript.dropped, 2);
  const parent = { msg_id: "r3", msg_type: "execute_request" };
  const big = { name: "stdout", text: "x".repeat(20_000) };
  transcript.receive(message("stream", big, { parent, size: 8 * 2 ** 20 }), 0);
  assert.deepEqual(
    transcript.entries.map(one => one.id),
    ["r4"]
  );
  transcript.clear();
  assert.deepEqual(
    transcript.entries.map(one => one.id),
    ["r4"],
    "what runs is not cleared"
  );

  const outputs = new Outputs(10);
  for (let index = 0; index < 25; index += 1) {
    outputs.display({ data: { "text/plain": String(index) } });
  }
  assert.deepEqual(
    [outputs.items.length, outputs.dropped, outputs.items[0].data["text/plain"]],
    [10, 15, "15"]
  );
  for (let index = 0; index < 5; index += 1) {
    outputs.display({ data: { "image/png": "x".repeat(20 * 2 ** 20) } });
  }
  assert.equal(outputs.items.length, 2);
});

test("of the traffic the last messages are kept, in a number and in bytes", () => {
  const traffic = new Traffic(10, 1000);
  for (let index = 0; index < 25; index += 1) {
    traffic.add("to_client", message("status", {}), 10, new Date(0));
    assert.ok(traffic.records.length <= 11);
  }
  const { records, dropped, passed, bytes } = traffic;
  assert.deepEqual([records.length + dropped, passed, bytes], [25, 25, 10 * records.length]);
  assert.equal(records.at(-1).number, 25);
  traffic.add("to_client", message("status", {}), 5000, new Date(0));
  assert.deepEqual(
    [traffic.records.length, traffic.bytes],
    [1, 5000],
    "the last one stays however large"
  );
  traffic.isPaused = true;
  traffic.add("to_client", message("status", {}), 10, new Date(0));
  assert.deepEqual([traffic.records.length, traffic.passed], [1, 27]);
  traffic.clear();
  assert.deepEqual([traffic.records.length, traffic.bytes, traffic.dropped], [0, 0, 0]);
});

test("the traffic is filtered by channel, direction, type and text", () => {
  const traffic = new Traffic();
  const time = new Date(0);
  traffic.add(
    "to_kernel",
    message("execute_request", { code: "needle" }, { channel: "shell" }),
    1,
    time
  );
  traffic.add("to_client", message("stream", { text: "Needle" }), 1, time);
  traffic.add("to_client", message("status", { execution_state: "busy" }), 1, time);
  const shown = more =>
    traffic
      .shown({ channels: new Set(["shell", "iopub"]), direction: "", type: "", text: "", ...more })
      .map(one => one.message.header.msg_type);
  assert.equal(shown({}).length, 3);
  assert.deepEqual(shown({ channels: new Set(["shell"]) }), ["execute_request"]);
  assert.deepEqual(shown({ direction: "to_kernel" }), ["execute_request"]);
  assert.deepEqual(shown({ type: "status" }), ["status"]);
  assert.deepEqual(shown({ text: " NEEDLE " }), ["execute_request", "stream"]);
  assert.deepEqual(traffic.types(), ["execute_request", "status", "stream"]);
});

test("a message is told in a line", () => {
  const of = content => summary(message("x", content));
  assert.equal(of({ execution_state: "idle" }), "idle");
  assert.equal(of({ text: "\nfirst\nsecond" }), "first");
  assert.equal(of({ data: { "text/plain": "42" } }), "42");
  assert.equal(of({ status: "ok" }), "ok");
  assert.equal(of({ text: "\x1b[31mred" }), "␛[31mred");
  assert.equal(of({}), "");
  assert.equal(of({ code: "x".repeat(500) }).length, 161);
});

test("a dead kernel stays dead though what was lost with it ends", () => {
  const parent = { msg_id: "r1" };
  const after = (before, state, more) =>
    stateAfter(before, message("status", { execution_state: state }, more));
  assert.equal(after("dead", "idle", { parent }), "dead");
  assert.equal(after("restarting", "idle", { parent }), "restarting");
  assert.equal(after("dead", "idle"), "idle", "another one is there");
  assert.equal(after("restarting", "starting"), "starting");
  assert.equal(after("dead", "busy", { parent }), "busy");
  assert.equal(after("busy", "idle", { parent }), "idle");
});
