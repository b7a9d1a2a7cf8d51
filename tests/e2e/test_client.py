"""The client side of w2z with a real kernel: what a program sees, whatever the network does."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.test_attach_ends import w2z_to_end
from tests.support.attaching import kernel_at, place
from tests.support.cable import cable
from tests.support.cells import ENDLESS, ROOMY
from tests.support.kernels import within
from tests.support.processes import IPYKERNEL, TOKEN, W2z, launched, w2z
from w2z.client import Execution, Output, RemoteKernel, connect, connect_blocking
from w2z.errors import KernelGone, SessionTaken, Unreachable

NUMBERS = "for number in range({count}):\n    print(number, flush=True)"


@pytest.fixture
async def kernel(served: W2z) -> AsyncIterator[RemoteKernel]:
    async with connect(served.url, token=TOKEN) as found:
        yield found


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[W2z]:
    """A w2z that started the kernel, and so can restart it."""
    async with launched(tmp_path, *IPYKERNEL) as found:
        await found.ready()
        yield found


class Heard:
    """Notes outputs, and lets a test wait for a text among them."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self._news = asyncio.Event()

    def __call__(self, output: Output) -> None:
        self.outputs.append(output)
        self._news.set()

    @property
    def text(self) -> str:
        return "".join(one.get("text", "") for one in self.outputs)

    async def until(self, text: str) -> None:
        while text not in self.text:
            self._news.clear()
            await self._news.wait()


@asynccontextmanager
async def begun(
    kernel: RemoteKernel, code: str = ENDLESS
) -> AsyncIterator[asyncio.Task[Execution]]:
    """Run code that has printed "begun" when the block begins."""
    heard = Heard()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(kernel.run(code, on_output=heard, stop_on_error=False))
        await heard.until("begun")
        yield running


async def test_code_runs_and_brings_its_value(kernel: RemoteKernel) -> None:
    done = await kernel.run("print('hello')\n6 * 7")
    assert (done.status, done.text, done.stdout, done.error) == ("ok", "42", "hello\n", None)
    assert done.execution_count == 1
    again = await kernel.run("1 / 0")
    assert again.error is not None
    assert (again.status, again.error.name) == ("error", "ZeroDivisionError")
    assert not again.is_lost


async def test_runs_at_once_are_told_apart(kernel: RemoteKernel) -> None:
    runs = [kernel.run(f"print({number}); {number}") for number in range(20)]
    for number, done in enumerate(await asyncio.gather(*runs)):
        assert (done.text, done.stdout) == (str(number), f"{number}\n")


async def test_an_error_drops_what_waits_behind_it(kernel: RemoteKernel) -> None:
    failed, dropped = await asyncio.gather(kernel.run("1 / 0"), kernel.run("1"))
    assert (failed.status, dropped.status) == ("error", "aborted")
    failed, ran = await asyncio.gather(kernel.run("1 / 0", stop_on_error=False), kernel.run("1"))
    assert (failed.status, ran.status) == ("error", "ok")


async def test_questions_are_asked(kernel: RemoteKernel) -> None:
    asked = []

    async def answer(prompt: str, is_secret: bool) -> str:
        asked.append((prompt, is_secret))
        return "Ada"

    code = "import getpass\nprint(input('name? '), getpass.getpass('word? '))"
    done = await kernel.run(code, on_input=answer)
    assert done.stdout.endswith("Ada Ada\n")
    assert asked == [("name? ", False), ("word? ", True)]
    done = await kernel.run("print(input('q'))", on_input=lambda prompt, _: prompt * 2)
    assert "qq" in done.stdout
    done = await kernel.run("input()")
    assert done.error is not None
    assert done.error.name == "StdinNotImplementedError"


async def test_a_question_that_cannot_be_answered_ends_the_code(kernel: RemoteKernel) -> None:
    def fail(prompt: str, is_secret: bool) -> str:
        raise KeyError(prompt)

    with pytest.raises(KeyError, match="q"):
        await kernel.run("input('q')", on_input=fail)
    assert (await kernel.run("1")).text == "1"


async def test_what_a_callback_raises_is_raised(kernel: RemoteKernel) -> None:
    async def fail(output: Output) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await kernel.run("print(1)", on_output=fail)


async def test_an_interrupt_ends_the_code(kernel: RemoteKernel) -> None:
    async with begun(kernel) as running:
        await kernel.interrupt()
        error = (await running).error
    assert error is not None
    assert error.name == "KeyboardInterrupt"


async def test_when_the_time_is_over_the_code_is_interrupted(kernel: RemoteKernel) -> None:
    done = await kernel.run(ENDLESS, timeout=0.5)
    assert (done.status, done.stdout) == ("timeout", "begun")
    assert (await kernel.run("1")).text == "1"


async def test_code_that_has_not_begun_is_not_interrupted(kernel: RemoteKernel) -> None:
    """That would end somebody else's."""
    async with begun(kernel) as running:
        waiting = await kernel.run("1", timeout=0.2)
        assert (waiting.status, waiting.has_begun) == ("timeout", False)
        assert not running.done()
        await kernel.interrupt()


async def test_displays_are_updated_and_cleared(kernel: RemoteKernel) -> None:
    code = """
from IPython.display import clear_output, display
print("gone")
clear_output(wait=True)
shown = display("one", display_id=True)
shown.update("two")
"""
    done = await kernel.run(code)
    assert [one["data"]["text/plain"] for one in done.outputs] == ["'two'"]


async def test_other_requests(kernel: RemoteKernel) -> None:
    assert (await kernel.kernel_info())["implementation"] == "ipython"
    assert "print" in (await kernel.complete("pri"))["matches"]
    assert (await kernel.inspect("print", detail_level=1))["found"]
    assert (await kernel.is_complete("for x in y:"))["status"] == "incomplete"


async def test_all_messages_can_be_seen(served: W2z, kernel: RemoteKernel) -> None:
    """Those for others, too."""
    messages = kernel.messages()
    async with connect(served.url, token=TOKEN) as other:
        await other.run("print('from elsewhere')")
    async for message in messages:
        if "from elsewhere" in str(message.content.get("text")):
            break
    messages.close()


async def test_a_kernel_is_restarted(own: W2z) -> None:
    async with connect(own.url, token=TOKEN) as kernel:
        await kernel.run("x = 1")
        async with begun(kernel) as running:
            await kernel.restart()
            assert (await running).status == "error"
        assert (await kernel.run("'x' in globals()")).text == "False"


async def test_a_kernel_that_dies_is_an_error(own: W2z) -> None:
    async with connect(own.url, token=TOKEN) as kernel:
        done = await kernel.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        assert done.error is not None
        assert (done.status, done.error.name, done.is_lost) == ("error", "KernelLost", True)
        assert (await kernel.run("1")).text == "1", "another one has been started"


async def test_a_kernel_is_stopped(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--on-delete", "stop", *IPYKERNEL, ends=0) as served,
        connect(served.url, token=TOKEN) as kernel,
    ):
        await kernel.run("1")
        await kernel.stop()
        with pytest.raises(KernelGone, match="was stopped"):
            await kernel.run("1")


async def test_a_kernel_that_is_dead_is_an_error_until_it_comes_back(tmp_path: Path) -> None:
    path = place(tmp_path)
    async with AsyncExitStack() as stack:
        async with kernel_at(path) as process:
            served = await stack.enter_async_context(w2z(path))
            await served.ready()
            kernel = await stack.enter_async_context(connect(served.url, token=TOKEN))
            await kernel.run("1")
            messages = kernel.messages()
            process.process.kill()
        while (await anext(messages)).content.get("execution_state") != "dead":
            pass
        messages.close()
        with pytest.raises(KernelGone, match="is dead: the kernel ended"):
            await kernel.run("1")
        async with connect(served.url, token=TOKEN) as late:
            with pytest.raises(KernelGone, match="is dead"):
                await late.run("1")
        messages = kernel.messages()
        async with kernel_at(path):
            while (await anext(messages)).content.get("execution_state") != "idle":
                pass
            messages.close()
            assert (await kernel.run("2")).text == "2"


async def test_a_session_that_is_taken_over(served: W2z, kernel: RemoteKernel) -> None:
    async with connect(served.url, token=TOKEN, session_id=kernel.session_id) as other:
        assert (await other.run("1")).text == "1"
        with pytest.raises(SessionTaken):
            await kernel.run("1")


async def test_20000_outputs_over_200_cuts_come_once(served: W2z) -> None:
    """And the code runs once."""
    count, cuts = 20_000, 200
    async with cable(served.url) as wire, connect(wire.url, token=TOKEN) as kernel:
        await kernel.run(ROOMY + "runs = 0")
        seen = 0
        cut = 0

        def note(output: Output) -> None:
            nonlocal seen, cut
            seen += output.get("text", "").count("\n")
            if seen * cuts >= (cut + 1) * count and cut < cuts:
                cut += 1
                wire.cut()

        done = await kernel.run("runs += 1\n" + NUMBERS.format(count=count), on_output=note)
        assert done.stdout == "".join(f"{number}\n" for number in range(count))
        assert cut == cuts
        assert done.gaps == []
        assert (await kernel.run("runs")).text == "1"


async def test_each_of_90_runs_over_cuts_runs_once(served: W2z) -> None:
    """Cut in all moments: while a request is on its way, while it runs, while its reply is."""
    count, cuts = 90, 0
    async with cable(served.url) as wire, connect(wire.url, token=TOKEN) as kernel:
        await kernel.run("runs = []")

        async def cut() -> None:
            nonlocal cuts
            while True:
                await wire.carried(random.randint(1, 40))
                wire.cut()
                cuts += 1

        async with asyncio.TaskGroup() as tasks:
            cutting = tasks.create_task(cut())
            for number in range(0, count, 3):
                code = [f"runs.append({one}); {one}" for one in range(number, number + 3)]
                done = await asyncio.gather(*map(kernel.run, code))
                assert [one.text for one in done] == [str(number + one) for one in range(3)]
            cutting.cancel()
        assert cuts > 5
        assert (await kernel.run("runs == list(range(90))")).text == "True"


async def test_w2z_that_is_killed_and_started_again_is_an_error_soon(kernel_file: Path) -> None:
    async with (
        w2z_to_end(kernel_file) as first,
        connect(first.url, token=TOKEN) as kernel,
        begun(kernel) as running,
    ):
        await first.process.end(signal.SIGKILL)
        port = re.findall(r":(\d+)", first.url)[0]
        async with w2z(kernel_file, "--port", port):
            async with within(5, "an error"):
                done = await running
            assert done.error is not None
            assert (done.status, done.error.name) == ("error", "SessionLost")
            assert done.is_lost
            await kernel.interrupt()
            assert (await kernel.run("1")).text == "1"


async def test_w2z_that_is_gone_for_good_is_an_error(kernel_file: Path) -> None:
    async with (
        w2z_to_end(kernel_file) as served,
        connect(served.url, token=TOKEN, patience=0.5) as kernel,
    ):
        with pytest.RaisesGroup(Unreachable):
            async with begun(kernel):
                await served.process.end(signal.SIGKILL)
        assert kernel.problem is not None


async def test_who_takes_outputs_slowly_gets_them_all(kernel: RemoteKernel) -> None:
    await kernel.run(ROOMY)
    slow = asyncio.Event()
    heard = Heard()

    async def take(output: Output) -> None:
        heard(output)
        await slow.wait()

    code = "for number in range(3000):\n    print(number, 'x' * 10000, flush=True)\nprint('end')"
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(kernel.run(code, on_output=take))
        await heard.until("0")
        slow.set()
        done = await running
    assert len(done.stdout.splitlines()) == 3001


# Without an event loop.


def use_blocking(url: str) -> None:
    with connect_blocking(url, token=TOKEN) as kernel:
        heard: list[str] = []
        done = kernel.run(
            "print(input('q'))\n1",
            on_output=lambda output: heard.append(output["output_type"]),
            on_input=lambda prompt, _: prompt * 2,
        )
        assert (done.text, done.stdout.splitlines()[-1]) == ("1", "qq")
        assert heard[-1] == "execute_result"
        with pytest.raises(KeyError):
            kernel.run("print(1)", on_output=lambda output: output["nothing"])
        assert kernel.kernel_info()["status"] == "ok"
        assert kernel.complete("pri")["matches"]
        assert kernel.inspect("print")["found"]
        assert kernel.is_complete("1")["status"] == "complete"
        messages = kernel.messages()
        kernel.run("print('seen')")
        assert any("seen" in str(message.content) for message in messages)
        assert kernel.run(ENDLESS, timeout=0.2).status == "timeout"
        kernel.interrupt()
        assert kernel.problem is None
        assert TOKEN not in kernel.url


async def test_the_blocking_twin_does_the_same(served: W2z) -> None:
    await asyncio.to_thread(use_blocking, served.url)


def connect_in_vain() -> None:
    with connect_blocking("http://127.0.0.1:1/", token=TOKEN, first_patience=0.1):
        pass


async def test_the_blocking_twin_raises_the_same() -> None:
    with pytest.raises(Unreachable):
        await asyncio.to_thread(connect_in_vain)
