"""Outputs become what a notebook has, whatever order they come in."""

from __future__ import annotations

import itertools
from typing import Any

import nbformat
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from w2z.client.run import CodeError, Execution, Gap, KernelMessage
from w2z.message import Channel


def message(
    msg_type: str, channel: Channel = Channel.IOPUB, *, by: str = "kernel", **content: Any
) -> KernelMessage:
    metadata = content.pop("own_metadata", {})
    header = {"msg_type": msg_type, "username": by}
    return KernelMessage(channel, header, {}, metadata, content, [])


def text(words: str, name: str = "stdout", **more: Any) -> KernelMessage:
    return message("stream", name=name, text=words, **more)


def display(words: str, msg_type: str = "display_data", **more: Any) -> KernelMessage:
    return message(msg_type, data={"text/plain": words}, metadata={}, **more)


def shown(display_id: str) -> dict[str, Any]:
    return {"transient": {"display_id": display_id}}


def reply(status: str = "ok", **more: Any) -> KernelMessage:
    return message("execute_reply", Channel.SHELL, status=status, **more)


IDLE = message("status", execution_state="idle")
BUSY = message("status", execution_state="busy")


def after(*messages: KernelMessage) -> Execution:
    execution = Execution()
    for one in messages:
        execution.hear(one)
    return execution


def test_it_is_over_with_reply_and_idle_in_any_order():
    assert not Execution().is_over
    assert not after(BUSY, reply()).is_over
    assert after(BUSY, reply(), IDLE).is_over
    assert after(BUSY, IDLE, reply()).is_over


def test_it_begins_with_its_first_message():
    assert not Execution().has_begun
    assert after(BUSY).has_begun


def test_texts_of_one_stream_that_follow_each_other_are_one_output():
    done = after(text("a"), text("b"), text("c", "stderr"), text("d"))
    assert done.outputs == [
        {"output_type": "stream", "name": "stdout", "text": "ab"},
        {"output_type": "stream", "name": "stderr", "text": "c"},
        {"output_type": "stream", "name": "stdout", "text": "d"},
    ]
    assert (done.stdout, done.stderr) == ("abd", "c")


def test_each_output_is_returned_as_it_comes():
    execution = Execution()
    assert execution.hear(text("a")) == {"output_type": "stream", "name": "stdout", "text": "a"}
    assert execution.hear(text("b")) == {"output_type": "stream", "name": "stdout", "text": "b"}
    assert execution.hear(BUSY) is None
    assert execution.hear(reply()) is None


def test_the_value_has_a_text():
    done = after(message("execute_result", data={"text/plain": "4"}, execution_count=7))
    assert (done.text, done.value, done.execution_count) == ("4", {"text/plain": "4"}, 7)
    assert after(display("x")).text is None
    lines = after(message("execute_result", data={"text/plain": ["4", "2"]}))
    assert lines.text == "42"


def test_the_count_comes_with_the_input_and_the_reply():
    assert after(message("execute_input", code="1", execution_count=3)).execution_count == 3
    assert after(reply(execution_count=4)).execution_count == 4
    assert after(reply()).execution_count is None


def test_an_error_is_an_output_and_the_error():
    told: dict[str, Any] = {"ename": "ValueError", "evalue": "bad", "traceback": ["line"]}
    done = after(message("error", **told), reply("error", **told), IDLE)
    assert done.error == CodeError("ValueError", "bad", ["line"])
    assert done.outputs == [{"output_type": "error", **told}]
    assert (done.status, done.is_lost) == ("error", False)


def test_an_error_without_its_output_is_an_error():
    done = after(reply("error", ename="E", evalue="v", traceback=None))
    assert done.error == CodeError("E", "v", [])
    assert done.outputs == []


def test_an_error_of_w2z_is_told_from_the_code_s():
    assert after(reply("error", ename="KernelLost", by="w2z")).is_lost


def test_other_states():
    assert Execution().status == "running"
    assert after(reply("aborted")).status == "aborted"
    assert after(reply("unheard of")).status == "error"


def test_a_display_is_updated_wherever_it_was_shown():
    done = after(
        display("1", **shown("d")),
        display("2", **shown("d")),
        display("other"),
        display("new", "update_display_data", **shown("d")),
        display("nobody", "update_display_data", **shown("unknown")),
    )
    assert [one["data"]["text/plain"] for one in done.outputs] == ["new", "new", "other"]


def test_an_update_comes_as_what_it_makes_of_the_display():
    execution = after(display("1", **shown("d")))
    update = execution.hear(display("2", "update_display_data", **shown("d")))
    assert update == {"output_type": "display_data", "data": {"text/plain": "2"}, "metadata": {}}


def test_clear_output_clears_at_once():
    done = after(display("1", **shown("d")), message("clear_output", wait=False), text("2"))
    assert [one["output_type"] for one in done.outputs] == ["stream"]
    done.hear(display("x", "update_display_data", **shown("d")))
    assert [one["output_type"] for one in done.outputs] == ["stream"]


def test_clear_output_waits_for_the_next_output():
    execution = after(text("1"), message("clear_output", wait=True))
    assert execution.stdout == "1"
    execution.hear(text("2"))
    assert execution.stdout == "2"
    execution.hear(message("clear_output", wait=True))
    execution.hear(display("3"))
    assert [one["output_type"] for one in execution.outputs] == ["display_data"]


def test_gaps_are_counted_and_shown():
    gap = {"w2z_gap": {"messages": 3, "bytes": 30}}
    done = after(text("[w2z] dropped", "stderr", own_metadata=gap))
    assert done.gaps == [Gap(3, 30)]
    assert done.stderr == "[w2z] dropped"


def test_messages_of_other_types_bring_no_output():
    done = after(message("comm_open"), message("debug_event"))
    assert done.outputs == []


def test_all_of_it_is_json():
    error: dict[str, Any] = {"ename": "E", "evalue": "v", "traceback": []}
    assert after(text("a"), message("error", **error), reply("error", **error)).to_json() == {
        "status": "error",
        "execution_count": None,
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": "a"},
            {"output_type": "error", **error},
        ],
        "stdout": "a",
        "stderr": "",
        "text": None,
        "error": {"name": "E", "value": "v", "traceback": []},
        "gaps": [],
    }
    assert after(reply()).to_json()["error"] is None


outputs = st.one_of(
    st.builds(text, st.text(max_size=3), st.sampled_from(["stdout", "stderr"])),
    st.builds(display, st.text(max_size=3)),
    st.builds(lambda t, d: display(t, **shown(d)), st.text(max_size=3), st.sampled_from("de")),
    st.builds(
        lambda t, d: display(t, "update_display_data", **shown(d)),
        st.text(max_size=3),
        st.sampled_from("de"),
    ),
    st.builds(
        lambda n: message("execute_result", data={}, metadata={}, execution_count=n),
        st.integers(0, 9),
    ),
    st.builds(lambda w: message("clear_output", wait=w), st.booleans()),
    st.builds(lambda n: message("error", ename=n, evalue="", traceback=[n]), st.text(max_size=2)),
)


@given(st.lists(outputs, max_size=12))
def test_outputs_are_always_those_of_a_valid_notebook(messages):
    """Streams that follow each other differ in name, too."""
    done = after(*messages)
    nbformat.validate(new_notebook(cells=[new_code_cell(outputs=done.outputs)]))
    names = [one.get("name") for one in done.outputs]
    assert all(a is None or a != b for a, b in itertools.pairwise(names))
