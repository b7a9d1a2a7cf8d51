"""Named sessions: one of the kernel's own, and what frontends make of it."""

import uuid

import pytest

from w2z.errors import HttpError
from w2z.server.rest.documents import MAX_NAME_BYTES, MAX_SESSIONS, Sessions
from w2z.server.rest.models import (
    ChangedSession,
    Kernel,
    KernelReference,
    NewSession,
    Notebook,
    Session,
)

KERNEL = Kernel(
    id="the-kernel",
    name="python3",
    last_activity="2026-11-22T22:48:07.255026Z",
    execution_state="idle",
    connections=1,
)
MISSING = uuid.uuid4().hex


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(KERNEL.id, lambda: KERNEL)


def new(path: str = "x.ipynb", type_: str = "notebook", **more: object) -> NewSession:
    return NewSession.model_validate({"path": path, "type": type_, **more})


def test_the_running_kernel_has_a_session_of_its_own(sessions):
    [own] = sessions.list()
    assert (own.path, own.name, own.type) == ("the-kernel", "the-kernel", "console")
    assert own.kernel == KERNEL
    assert sessions.get(own.id) == own


def test_its_id_is_the_same_whenever_w2z_starts(sessions):
    assert Sessions(KERNEL.id, lambda: KERNEL).list() == sessions.list()
    assert Sessions("other", lambda: KERNEL).list()[0].id != sessions.list()[0].id


def test_a_session_of_type_notebook_says_so_twice(sessions):
    made = sessions.create(new(name="x"))
    assert made.notebook == Notebook(path="x.ipynb", name="x")
    assert (made.path, made.name, made.type, made.kernel) == ("x.ipynb", "x", "notebook", KERNEL)
    assert sessions.list()[1:] == [made]
    assert sessions.create(new("c", "console")).notebook is None


def test_a_session_without_a_name_has_an_empty_one(sessions):
    assert sessions.create(new()).name == ""


def test_the_same_path_is_the_same_session(sessions):
    made = sessions.create(new(name="first"))
    assert sessions.create(new(type_="console", name="second")) == made
    assert sessions.create(new("other.ipynb")).id != made.id
    assert len(sessions.list()) == 3


@pytest.mark.parametrize("kernel", [None, {}, {"id": "the-kernel"}, {"name": "anything"}])
def test_the_one_kernel_may_be_asked_for_by_id_or_any_name(sessions, kernel):
    assert sessions.create(new(kernel=kernel)).kernel == KERNEL


def test_a_kernel_that_is_gone_may_be_asked_for(sessions):
    """As POST /api/kernels: a frontend kept the id of a container that was there before."""
    assert sessions.create(new(kernel={"id": "other"})).kernel == KERNEL


def test_a_change_to_another_kernel_is_404(sessions):
    made = sessions.create(new())
    with refused(404, "Kernel does not exist: other"):
        sessions.change(made.id, ChangedSession(name="n", kernel=KernelReference(id="other")))
    assert sessions.get(made.id) == made


def test_changes_change_what_they_name(sessions):
    made = sessions.create(new(name="x"))
    moved = sessions.change(made.id, ChangedSession(path="y.ipynb"))
    assert moved == changed(made, path="y.ipynb", notebook=Notebook(path="y.ipynb", name="x"))
    with refused(400, "nothing to change"):
        sessions.change(made.id, ChangedSession())
    renamed = sessions.change(made.id, ChangedSession(name="y", type="console"))
    assert renamed == changed(moved, name="y", type="console", notebook=None)
    assert sessions.get(made.id) == renamed
    older = ChangedSession.model_validate({"notebook": {"path": "z.ipynb"}})
    assert sessions.change(made.id, older).notebook == Notebook(path="z.ipynb", name="y")
    assert sessions.change(made.id, ChangedSession(path="y.ipynb", type="console")) == renamed
    assert sessions.create(new("y.ipynb")) == renamed
    assert sessions.create(new("x.ipynb")).id != made.id


def test_the_kernel_of_a_change_may_be_the_one(sessions):
    made = sessions.create(new())
    kernel = KernelReference(id="the-kernel", name="python3")
    assert sessions.change(made.id, ChangedSession(kernel=kernel)) == made


def test_a_session_can_be_forgotten(sessions):
    made, other = sessions.create(new()), sessions.create(new("other"))
    sessions.delete(made.id)
    assert sessions.list()[1:] == [other]
    with refused(404, made.id):
        sessions.delete(made.id)


def test_the_kernels_own_stays(sessions):
    [own] = sessions.list()
    sessions.delete(own.id)
    assert sessions.list() == [own]


def test_all_can_be_forgotten_but_the_kernels_own(sessions):
    own, made = sessions.list()[0], sessions.create(new())
    sessions.change(own.id, ChangedSession(path="moved", name="renamed"))
    sessions.clear()
    assert [one.id for one in sessions.list()] == [own.id]
    with refused(404, made.id):
        sessions.get(made.id)


def test_an_unknown_session_is_404_with_its_id(sessions):
    for action in (sessions.get, sessions.delete, lambda id_: sessions.change(id_, new())):
        with refused(404, f"Session not found: session_id='{MISSING}'"):
            action(MISSING)


def test_there_is_room_for_so_many(sessions):
    for n in range(MAX_SESSIONS - 1):
        sessions.create(new(str(n)))
    with refused(503, str(MAX_SESSIONS)):
        sessions.create(new("one more"))
    assert sessions.create(new("0")).path == "0"
    sessions.delete(sessions.list()[1].id)
    assert sessions.create(new("one more")).path == "one more"


def test_the_kernel_is_shown_as_it_is_now():
    now = [KERNEL]
    sessions = Sessions(KERNEL.id, lambda: now[0])
    now[0] = KERNEL.model_copy(update={"execution_state": "busy"})
    assert sessions.list()[0].kernel.execution_state == "busy"


def changed(session: Session, **fields: object) -> Session:
    return session.model_copy(update=fields)


def refused(status: int, told: str) -> "pytest.RaisesExc[HttpError]":
    return pytest.RaisesExc(
        HttpError, check=lambda error: error.status == status and told in error.message
    )


def test_the_names_of_all_sessions_are_bounded_together(sessions):
    for number in range(MAX_NAME_BYTES // 4100):
        kept = sessions.create(new(f"{number:04}" + "x" * 4070, "notebook"))
    with refused(503, "too long"):
        sessions.create(new("y" * 4096, name="y" * 1000))
    # One character may be six in JSON.
    with refused(503, "too long"):
        sessions.change(kept.id, ChangedSession(name="\0" * 4096))
    assert sum(len(one.path) for one in sessions.list()) < MAX_NAME_BYTES
    sessions.delete(kept.id)
    sessions.create(new("y" * 4000))
