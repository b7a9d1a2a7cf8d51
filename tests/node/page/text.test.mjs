/** Text as a terminal shows it, and other texts. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { connectLines, shell } from "../../../w2z/page/connectlines.mjs";
import { hexDump } from "../../../w2z/page/hex.mjs";
import { History } from "../../../w2z/page/history.mjs";
import { delimited, putFormulas, takeFormulas } from "../../../w2z/page/math.mjs";
import { choose, isScripted, textOf } from "../../../w2z/page/mime.mjs";
import { toCodePoints, toCodeUnits } from "../../../w2z/page/positions.mjs";
import { plain } from "../../../w2z/page/runs.mjs";
import { Terminal } from "../../../w2z/page/terminal.mjs";
import { count, duration, size, taken } from "../../../w2z/page/words.mjs";

function shown(...texts) {
  const terminal = new Terminal();
  texts.forEach(text => terminal.write(text));
  return terminal.lines.map(plain);
}

test("text is lines", () => {
  assert.deepEqual(shown("a\nb", "c\n"), ["a", "bc", ""]);
  assert.deepEqual(shown("a\r\nb"), ["a", "b"]);
  assert.deepEqual(shown("a\r", "\nb"), ["a", "b"], "also where it is cut");
  assert.deepEqual(shown("\x07a\0b\tc"), ["ab\tc"], "what cannot be seen is left out");
});

test("a carriage return goes on at the beginning of the line", () => {
  assert.deepEqual(shown("10%\r20%\r100%"), ["100%"]);
  assert.deepEqual(shown("abc\rX"), ["Xbc"]);
  assert.deepEqual(shown("10%", "\r20%", "\n", "next\r"), ["20%", "next"]);
  assert.deepEqual(shown("abc\r", "X\nY"), ["Xbc", "Y"]);
  assert.deepEqual(shown("abc\b\bX"), ["aXc"]);
});

test("escape sequences move, erase and are otherwise left out", () => {
  assert.deepEqual(shown("one\ntwo\x1b[A\rONE"), ["ONE", "two"]);
  assert.deepEqual(shown("one\ntwo\x1b[1A\r\x1b[2K", "1\n2"), ["1", "2wo"]);
  assert.deepEqual(shown("abcdef\r\x1b[3C\x1b[K"), ["abc"]);
  assert.deepEqual(shown("abcdef\x1b[3D\x1b[1K"), ["   def"]);
  assert.deepEqual(shown("ab\x1b[10GX"), ["ab       X"]);
  assert.deepEqual(shown("a\x1b[?25lb\x1b]8;;http://x\x07c\x1b]8;;\x1b\\d\x1bMe"), ["abcde"]);
  const far = shown("a\x1b[999999999Cb");
  assert.deepEqual([far.length, far[1]], [2, "b"], "and never far");
});

test("an escape sequence may be cut anywhere", () => {
  const text = "a\x1b[38;5;28;01mb\x1b[0mc\x1b]0;title\x07d";
  for (let place = 0; place <= text.length; place += 1) {
    assert.deepEqual(shown(text.slice(0, place), text.slice(place)), ["abcd"]);
  }
});

test("text has colours", () => {
  const terminal = new Terminal();
  terminal.write("\x1b[1;31mred\x1b[0m plain \x1b[38;5;208mpalette\x1b[39m\x1b[48;2;1;2;3mtrue");
  assert.deepEqual(
    terminal.lines[0].map(({ text, style }) => [text, style]),
    [
      ["red", { classes: "ansi-red-fg ansi-bold", color: "", background: "" }],
      [" plain ", null],
      ["palette", { classes: "", color: "255, 135, 0", background: "" }],
      ["true", { classes: "", color: "", background: "1, 2, 3" }]
    ]
  );
  terminal.write("\nstill\x1b[m");
  assert.equal(terminal.lines[1][0].style.background, "1, 2, 3");
  terminal.write("\rS");
  assert.equal(plain(terminal.lines[1]), "Still");
  assert.equal(terminal.lines[1][0].style, null);
});

test("what is kept is bounded, and what went is counted", () => {
  const terminal = new Terminal(1000, 100_000);
  for (let index = 0; index < 5000; index += 1) {
    terminal.write(`line ${index}\n`);
  }
  assert.ok(terminal.lines.length <= 1000);
  assert.equal(terminal.dropped + terminal.lines.length, 5001);
  assert.equal(terminal.lines.at(-2), "line 4999");
  terminal.write("\x1b[5A\rmended");
  assert.equal(terminal.lines.at(-6), "mended995");
  terminal.write("x".repeat(1_000_000));
  assert.ok(terminal.characters <= 150_000);
  assert.ok(Math.max(...terminal.lines.map(one => plain(one).length)) <= 50_000);
});

test("characters are counted rightly whatever is written over", () => {
  const terminal = new Terminal();
  const parts = [
    "abc",
    "\r",
    "\x1b[31mxy\x1b[0m",
    "\n",
    "\x1b[A",
    "\x1b[2K",
    "hello",
    "\b\b",
    "\x1b[K",
    "é"
  ];
  for (let index = 0; index < 500; index += 1) {
    terminal.write(parts[(index * 7 + Math.floor(index / 3)) % parts.length]);
  }
  const sum = terminal.lines.reduce((total, line) => total + plain(line).length, 0);
  assert.equal(terminal.characters, sum);
});

test("it tells from where on lines have changed", () => {
  const terminal = new Terminal();
  terminal.write("a\nb\n");
  assert.equal(terminal.takeChanged(), 0);
  terminal.write("c\n");
  assert.equal(terminal.takeChanged(), 2);
  terminal.write("\x1b[3A\rX");
  assert.equal(terminal.takeChanged(), 0);
  assert.equal(terminal.length, 3);
});

test("many lines cost little", () => {
  const terminal = new Terminal();
  const before = performance.now();
  for (let index = 0; index < 100_000; index += 1) {
    terminal.write(`line ${index}\n`);
  }
  assert.ok(performance.now() - before < 3000);
  assert.equal(terminal.length, 100_000);
});

test("places are counted in code points for the kernel", () => {
  const text = "a😀b𝒳c";
  assert.equal(toCodePoints(text, text.length), 5);
  assert.equal(toCodePoints(text, 3), 2);
  assert.equal(toCodeUnits(text, 2), 3);
  assert.equal(toCodeUnits(text, 99), text.length);
  for (let point = 0; point <= 5; point += 1) {
    assert.equal(toCodePoints(text, toCodeUnits(text, point)), point);
  }
});

test("inputs come back, the draft too", () => {
  const history = new History();
  history.add("own");
  history.add("own");
  history.begin(["old 1", " ", "old 2"]);
  assert.equal(history.move(1, "draft"), null);
  assert.equal(history.move(-1, "draft"), "own");
  assert.equal(history.move(-1, "own"), "old 2");
  assert.equal(history.move(-1, ""), "old 1");
  assert.equal(history.move(-1, ""), null);
  assert.equal(history.move(1, ""), "old 2");
  history.move(1, "");
  assert.equal(history.move(1, ""), "draft");
});

test("bytes can be read", () => {
  assert.equal(
    hexDump(new Uint8Array([72, 105, 0, 255])),
    "00000000  48 69 00 ff                                      Hi.."
  );
  assert.equal(hexDump(new Uint8Array(0)), "");
  assert.match(hexDump(new Uint8Array(5000)), /… 904 bytes more$/);
  assert.equal(hexDump(new Uint8Array(5000)).split("\n").length, 257);
});

test("formulas survive Markdown", () => {
  const text =
    "a $x_1$ and $$y_2\n$$, `$code$`, costs $5 and $6, \\(z\\), \\begin{align}a\\end{align}";
  const { text: marked, formulas } = takeFormulas(text);
  assert.deepEqual(formulas, ["$x_1$", "$$y_2\n$$", "\\(z\\)", "\\begin{align}a\\end{align}"]);
  assert.ok(marked.includes("`$code$`") && marked.includes("$5 and $6"));
  assert.equal(putFormulas(marked, formulas), text);
  assert.equal(putFormulas("\uE0009\uE001", []), "\uE0009\uE001");
});

test("LaTeX gets delimiters if it has none", () => {
  assert.equal(delimited("x^2"), "$$x^2$$");
  for (const text of ["$x$", "$$x$$", "\\[x\\]", "\\begin{align}x\\end{align}"]) {
    assert.equal(delimited(text), text);
  }
});

test("of an output the best that can be shown is shown", () => {
  const data = { "text/plain": "a", "text/html": "<b>", "image/png": "x" };
  assert.deepEqual(choose(data), { mime: "text/html", kind: "frame" });
  assert.deepEqual(choose(data, ["text/html"]), { mime: "image/png", kind: "picture" });
  assert.deepEqual(choose({ "application/x+json": {} }), {
    mime: "application/x+json",
    kind: "json"
  });
  assert.equal(choose({ "application/vnd.jupyter.widget-view+json": {} }), null);
  assert.equal(choose({}), null);
  assert.equal(isScripted({ "application/javascript": "" }), true);
  assert.equal(isScripted(data), false);
  assert.equal(textOf(["a", "b"]), "ab");
  assert.equal(textOf({ a: 1 }), '{\n  "a": 1\n}');
});

test("numbers are told in words", () => {
  assert.deepEqual([size(5), size(2048), size(50 * 2 ** 20)], ["5 B", "2.0 KiB", "50 MiB"]);
  assert.deepEqual([5e3, 65e3, 7.5e6, 2e8, -5].map(duration), [
    "5 s",
    "1 min 5 s",
    "2 h 5 min",
    "2 d 7 h",
    "0 s"
  ]);
  assert.deepEqual([310, 12_340, 61_000].map(taken), ["0.31 s", "12.3 s", "1 min 1 s"]);
  assert.deepEqual(
    [count(1, "line"), count(2300, "line"), count(2, "entry", "entries")],
    ["1 line", "2,300 lines", "2 entries"]
  );
});

test("the lines to copy are for this very address, and have no token", () => {
  const about = { kernelId: "k-1", needsToken: true };
  const lines = connectLines("https://h.example/user/a/", about)
    .map(one => one.lines)
    .join("\n");
  for (const part of [
    "w2z kernelspec install far --url https://h.example/user/a/",
    "jupyter lab --gateway-url=https://h.example/user/a\n",
    "https://h.example/user/a/?token=$W2Z_TOKEN",
    "w2z attach https://h.example/user/a/",
    'url = "https://h.example/user/a/"',
    'wsUrl: "wss://h.example/user/a/"',
    'curl -H "Authorization: Bearer $W2Z_TOKEN" https://h.example/user/a/api/kernels',
    "-X POST"
  ]) {
    assert.ok(lines.includes(part), part);
  }
  const open = connectLines("http://h/", { ...about, needsToken: false });
  assert.ok(!open.some(one => one.lines.includes("W2Z_TOKEN")));
  assert.deepEqual(
    open.map(one => one.name),
    [
      "Any Jupyter frontend",
      "JupyterLab without w2z",
      "VS Code",
      "w2z attach",
      "Python",
      "Browser or Node.js",
      "curl"
    ]
  );
});

test("a word is quoted for the shell where it has to be", () => {
  assert.equal(shell("http://h/a%20b/"), "http://h/a%20b/");
  assert.equal(shell("http://h/it's?"), "'http://h/it'\\''s?'");
});
