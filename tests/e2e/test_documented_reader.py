"""The reader of docs/protocol.md reads the vectors of docs/vectors."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

PROGRAM = """
import { readFileSync } from "node:fs";
import { readV1 } from "%s/v1.mjs";
const vectors = JSON.parse(readFileSync("%s/vectors/messages.json"));
const read = vectors.map(vector => {
  const bytes = Uint8Array.from(Buffer.from(vector.v1, "hex"));
  const message = readV1(bytes.buffer);
  return { ...message, buffers: message.buffers.map(one => Buffer.from(one).toString("hex")) };
});
console.log(JSON.stringify(read));
"""


async def test_it_reads_what_w2z_writes() -> None:
    program = PROGRAM % (DOCS, DOCS)
    process = await asyncio.create_subprocess_exec(
        "node", "--input-type=module", "-e", program, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    vectors = json.loads((DOCS / "vectors/messages.json").read_text())
    assert json.loads(output) == [vector["message"] for vector in vectors]
