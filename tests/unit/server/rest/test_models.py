"""The shapes of the REST API: requests leniently, answers exactly."""

from urllib.parse import quote

import pytest

from w2z.errors import HttpError
from w2z.server.request import Request
from w2z.server.rest.models import (
    ChangedSession,
    KernelReference,
    NewKernel,
    NewSession,
    RequestBody,
    Spec,
    asked_permissions,
    parse_body,
)


def refusal(model: type[RequestBody], body: bytes) -> str:
    """Why a body is refused."""
    with pytest.raises(HttpError) as refused:
        parse_body(model, body)
    assert refused.value.status == 400
    return refused.value.message


@pytest.mark.parametrize("body", [b"", b"{}", b" \r\n", b" {} "])
def test_an_absent_body_means_an_empty_object(body):
    assert parse_body(NewKernel, body) == NewKernel()
    assert parse_body(ChangedSession, body) == ChangedSession()


def test_every_field_is_read():
    body = b'{"name": "python3", "path": "a/b", "env": {"KERNEL_LAUNCH_TIMEOUT": "40"}}'
    env = {"KERNEL_LAUNCH_TIMEOUT": "40"}
    assert parse_body(NewKernel, body) == NewKernel(name="python3", path="a/b", env=env)
    body = b'{"path": "p", "type": "notebook", "name": "n", "kernel": {"id": "i", "name": "k"}}'
    kernel = KernelReference(id="i", name="k")
    assert parse_body(NewSession, body) == NewSession(
        path="p", type="notebook", name="n", kernel=kernel
    )


def test_null_is_as_good_as_absent():
    assert parse_body(NewKernel, b'{"name": null, "path": null}') == NewKernel()
    body = b'{"path": "p", "type": "t", "name": null, "kernel": {"id": null, "name": null}}'
    asked = parse_body(NewSession, body)
    assert asked == NewSession(path="p", type="t", kernel=KernelReference())


def test_unknown_fields_are_ignored():
    assert parse_body(NewKernel, b'{"argv": ["sh"], "name": "x"}') == NewKernel(name="x")
    body = b'{"id": "s", "name": "n", "kernel": {"id": "k", "last_activity": 1}}'
    expected = ChangedSession(name="n", kernel=KernelReference(id="k"))
    assert parse_body(ChangedSession, body) == expected


@pytest.mark.parametrize(
    ("notebook", "path"),
    [
        ('{"path": "a/b.ipynb"}', "a/b.ipynb"),
        ('{"path": "a/b.ipynb", "name": "b.ipynb"}', "a/b.ipynb"),
        ('{"name": "b.ipynb"}', "b.ipynb"),
    ],
)
def test_a_session_may_have_the_shape_of_notebook_4(notebook, path):
    body = f'{{"notebook": {notebook}, "kernel": {{"name": "k"}}}}'.encode()
    for asked in (parse_body(NewSession, body), parse_body(ChangedSession, body)):
        assert (asked.path, asked.type) == (path, "notebook")
        assert asked.kernel == KernelReference(name="k")


def test_the_newer_shape_counts_where_both_are_given():
    body = b'{"path": "new", "type": "console", "notebook": {"path": "old"}}'
    asked = parse_body(NewSession, body)
    assert (asked.path, asked.type) == ("new", "console")
    body = b'{"type": "console", "notebook": {"path": "old"}}'
    assert parse_body(NewSession, body).type == "console"


@pytest.mark.parametrize(
    ("body", "is_empty"),
    [
        (b"{}", True),
        (b'{"odd": 1, "path": null, "notebook": {}}', True),
        (b'{"notebook": {"path": "p"}}', False),
        (b'{"kernel": {}}', False),
        (b'{"name": ""}', False),
    ],
)
def test_a_change_may_be_none(body, is_empty):
    assert parse_body(ChangedSession, body).is_empty is is_empty


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (None, {}),
        ("", {}),
        ("{}", {}),
        (
            '{"kernels": ["read", "execute"], "odd": []}',
            {"kernels": ["read", "execute"], "odd": []},
        ),
    ],
)
def test_what_permissions_are_asked_about(asked, told):
    query = "" if asked is None else f"?permissions={quote(asked)}"
    assert asked_permissions(Request("GET", f"/api/me{query}")) == told


@pytest.mark.parametrize("asked", ["[]", "{", '{"kernels": "read"}', '{"kernels": [1]}', "null"])
def test_another_question_about_permissions_is_400(asked):
    with pytest.raises(HttpError, match="permissions: ") as refused:
        asked_permissions(Request("GET", f"/api/me?permissions={quote(asked)}"))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("model", "body", "told"),
    [
        (NewKernel, b"{", "the body: Invalid JSON"),
        (NewKernel, b"\xff", "the body: Invalid JSON"),
        (NewKernel, b"[]", "the body: Input should be an object"),
        (NewKernel, b"null", "the body: Input should be an object"),
        (NewKernel, b'{"name": 3}', "name: Input should be a valid string"),
        (NewKernel, b'{"env": []}', "env: Input should be an object"),
        (NewKernel, b'{"path": "%s"}' % (b"x" * 4097), "path: String should have at most 4096"),
        (NewSession, b'{"type": "notebook"}', "path: Field required"),
        (NewSession, b'{"path": "p"}', "type: Field required"),
        (NewSession, b'{"path": null, "type": "t"}', "path: Input should be a valid string"),
        (NewSession, b'{"path": "p", "type": "t", "kernel": 1}', "kernel: "),
        (NewSession, b'{"path": "p", "type": "t", "kernel": {"id": 1}}', "kernel.id: "),
        (ChangedSession, b'{"name": []}', "name: Input should be a valid string"),
        (NewSession, b'{"notebook": {}}', "path: Field required; type: Field required"),
        (NewSession, b'{"notebook": {"path": 1}}', "path: Input should be a valid string"),
        (NewSession, b'{"notebook": "x.ipynb", "path": "p", "type": "t"}', "notebook: "),
        (NewSession, b'[{"notebook": {}}]', "the body: "),
    ],
)
def test_a_refusal_names_the_field(model, body, told):
    assert refusal(model, body).startswith(told)


def test_a_refusal_names_every_field():
    assert refusal(NewSession, b"{}") == "path: Field required; type: Field required"


def test_a_refusal_does_not_repeat_the_input():
    assert "s3cret" not in refusal(NewKernel, b'{"name": ["s3cret"]}')


def test_a_spec_has_what_a_kernel_json_may_leave_out():
    spec = Spec.model_validate({"argv": ["x"], "display_name": "X", "language": "x", "odd": 1})
    assert spec.model_dump() == {
        "argv": ["x"],
        "env": {},
        "display_name": "X",
        "language": "x",
        "interrupt_mode": "signal",
        "metadata": {},
    }
