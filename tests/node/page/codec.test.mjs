/** The codec, ids and requests; what comes twice; what follows a close. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Answers } from "../../../w2z/page/answers.mjs";
import { afterClose, delayBefore } from "../../../w2z/page/reconnect.mjs";
import { Repeats } from "../../../w2z/page/repeats.mjs";
import { execution, newId, request } from "../../../w2z/page/requests.mjs";
import { subprotocols, takeToken } from "../../../w2z/page/token.mjs";
import { decode, encode } from "../../../w2z/page/v1.mjs";

const VECTORS = JSON.parse(
  readFileSync(new URL("../../../docs/vectors/messages.json", import.meta.url))
);

function bytesOf(hex) {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

test("it reads the vectors of the documentation", () => {
  assert.ok(VECTORS.length > 3);
  for (const { v1, message } of VECTORS) {
    const { size, ...read } = decode(bytesOf(v1).buffer);
    assert.equal(size, v1.length / 2);
    const buffers = read.buffers.map(one => Buffer.from(one).toString("hex"));
    assert.deepEqual({ ...read, buffers }, message);
  }
});

test("it reads what it writes", () => {
  const sent = request(
    "s",
    "comm_msg",
    { text: "☃" },
    { buffers: [new Uint8Array([1, 2]), new Uint8Array()] }
  );
  const { size, ...read } = decode(encode(sent).buffer);
  assert.deepEqual(read, sent);
  assert.ok(size > 100);
});

test("what is no message is an error, and costs nothing", () => {
  const many = new Uint8Array(16);
  new DataView(many.buffer).setBigUint64(0, 2n ** 40n, true);
  for (const bytes of [new Uint8Array(3), new Uint8Array(64), many]) {
    assert.throws(() => decode(bytes.buffer));
  }
});

test("each request has an id of its own", () => {
  const ids = new Set(Array.from({ length: 100 }, newId));
  assert.equal(ids.size, 100);
  assert.ok([...ids].every(id => /^[0-9a-f]{32}$/.test(id)));
});

test("a request has all that kernels expect of a header", () => {
  const { header, channel, parent_header, metadata } = request(
    "me",
    "execute_request",
    execution("1")
  );
  assert.deepEqual(Object.keys(header).sort(), [
    "date",
    "msg_id",
    "msg_type",
    "session",
    "username",
    "version"
  ]);
  assert.equal(header.session, "me");
  assert.deepEqual([channel, parent_header, metadata], ["shell", {}, {}]);
  assert.equal(execution("1").allow_stdin, true);
});

test("what came on an earlier connection comes again", () => {
  const repeats = new Repeats();
  assert.equal(repeats.has(1, "a"), false);
  assert.equal(repeats.has(2, "a"), true);
  assert.equal(repeats.has(2, "a"), true);
  assert.equal(repeats.has(2, "b"), false);
});

test("what comes twice on one connection was sent twice", () => {
  const repeats = new Repeats();
  assert.equal(repeats.has(1, "a"), false);
  assert.equal(repeats.has(1, "a"), false);
  assert.equal(repeats.has(1, undefined), false);
  assert.equal(repeats.has(2, undefined), false);
});

test("of the ids of before the last ones are kept", () => {
  const repeats = new Repeats(100);
  for (let index = 0; index < 1000; index += 1) {
    repeats.has(1, `id ${index}`);
  }
  assert.equal(repeats.has(2, "id 0"), false);
  assert.equal(repeats.has(2, "id 901"), true);
  assert.ok(repeats._older.size + repeats._newer.size <= 200);
});

test("a revoked token is asked for, a taken session is left, all else is tried again", () => {
  assert.equal(afterClose({ code: 4401, reason: "" }, 1, 0).next, "ask");
  assert.equal(afterClose({ code: 4409, reason: "" }, 1, 0).next, "renew");
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4404]) {
    assert.deepEqual(
      [afterClose({ code, reason: "" }, 1, 0).next, afterClose({ code, reason: "" }, 1, 0).words],
      ["retry", ""]
    );
  }
  const fault = afterClose({ code: 1009, reason: "it is too long" }, 1, 0);
  assert.equal(fault.next, "retry");
  assert.match(fault.words, /it is too long/);
});

test("the time before the next attempt grows to its limit, and half of it is chance", () => {
  const most = [1, 2, 3, 4, 5, 6, 7, 50].map(attempts => delayBefore(attempts, 1));
  assert.deepEqual(most, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  assert.equal(delayBefore(3, 0), 1000);
});

test("the token is taken out of the address, and the rest of it stays", () => {
  for (const [href, token, left] of [
    ["http://h:8888/?token=a%2Fb", "a/b", "http://h:8888/"],
    ["http://h/x/?a=1&token=t&b=2", "t", "http://h/x/?a=1&b=2"],
    ["http://h/#token=t", "t", "http://h/"],
    ["http://h/?token=old#token=new", "new", "http://h/"],
    ["http://h/?token=", null, "http://h/"],
    ["http://h/#part", null, "http://h/#part"],
    ["http://h/", null, "http://h/"]
  ]) {
    assert.deepEqual(takeToken(href), { token, href: left });
  }
});

test("a token is offered as a subprotocol may be spelled", () => {
  assert.deepEqual(subprotocols("v1", null), ["v1"]);
  assert.deepEqual(subprotocols("v1", "a-B_9.~"), ["v1", "v1.token.websocket.jupyter.org.a-B_9.~"]);
  const [, odd] = subprotocols("v1", 'a/b+c=(d)%"@');
  assert.match(odd.slice(31), /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/);
  assert.equal(decodeURIComponent(odd.slice(31)), 'a/b+c=(d)%"@');
});

test("a reply goes to who waits for it, for so long", async () => {
  const answers = new Answers();
  const waiting = answers.to("a");
  answers.take("b", 1);
  answers.take("a", 2);
  assert.equal(await waiting, 2);
  answers.take("a", 3);
  await assert.rejects(answers.to("c", 1), /busy/);
});
