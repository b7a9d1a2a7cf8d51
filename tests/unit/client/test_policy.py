"""What attach does about requests, signals and states that are meant for a kernel."""

from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1

import pytest

from w2z.client.policy import SHUTDOWN_FOLLOWS, Do, Policy, Step
from w2z.errors import ExitCode
from w2z.kernel.keeping.policy import describe

MODES = [True, False]


def policy(**given):
    given = {"one_kernel": True, **given}
    return Policy(**given)


@pytest.mark.parametrize("one_kernel", MODES)
def test_control_is_passed_on(one_kernel):
    decides = policy(one_kernel=one_kernel)
    for msg_type in ("debug_request", "kernel_info_request", "create_subshell_request", ""):
        assert decides.on_control(msg_type) == Step(Do.PASS_ON)
    assert decides.on_control("interrupt_request").do is Do.INTERRUPT
    assert not decides.is_leaving


@pytest.mark.parametrize(
    ("one_kernel", "on_shutdown", "pause"),
    [
        (True, "detach", SHUTDOWN_FOLLOWS),
        (True, "stop", 0),
        (False, "detach", 0),
        (False, "stop", 0),
    ],
)
def test_an_interrupt_may_be_the_beginning_of_a_shutdown(one_kernel, on_shutdown, pause):
    decides = policy(one_kernel=one_kernel, on_shutdown=on_shutdown)
    assert decides.on_control("interrupt_request").pause == pause


@pytest.mark.parametrize("one_kernel", MODES)
@pytest.mark.parametrize(
    ("on_shutdown", "do"), [("detach", Do.ANSWER_AND_LEAVE), ("stop", Do.PASS_ON_AND_LEAVE)]
)
def test_a_shutdown_ends_attach_and_perhaps_the_kernel(one_kernel, on_shutdown, do):
    decides = policy(one_kernel=one_kernel, on_shutdown=on_shutdown)
    assert decides.on_control("shutdown_request") == Step(do)
    assert decides.is_leaving


@pytest.mark.parametrize("on_shutdown", ["detach", "stop"])
@pytest.mark.parametrize(
    ("one_kernel", "on_start", "do", "leaves"),
    [
        (True, "attach", Do.PASS_ON_AND_FOLLOW, True),
        (True, "restart", Do.ANSWER_AND_LEAVE, True),
        (False, "attach", Do.PASS_ON, False),
        (False, "restart", Do.PASS_ON, False),
    ],
)
def test_a_restart_reaches_the_kernel(on_shutdown, one_kernel, on_start, do, leaves):
    decides = policy(one_kernel=one_kernel, on_start=on_start, on_shutdown=on_shutdown)
    assert decides.on_control("shutdown_request", restart=True) == Step(do)
    assert decides.is_leaving is leaves


def test_who_has_a_container_of_its_own_is_fresh_after_a_restart():
    decides = policy(is_fresh=True)
    assert decides.on_control("interrupt_request").pause == 0
    assert decides.on_control("shutdown_request", restart=True) == Step(Do.ANSWER_AND_LEAVE)


@pytest.mark.parametrize("is_connected", [True, False])
def test_sigint_interrupts_the_kernel(is_connected):
    decides = policy()
    for now in (0, 0.1, 0.2):
        assert decides.on_signal(SIGINT, now, is_connected=is_connected) == Step(Do.INTERRUPT)


def test_two_sigint_on_a_terminal_end_attach():
    decides = policy(is_terminal=True)
    assert decides.on_signal(SIGINT, 0, is_connected=True) == Step(Do.INTERRUPT)
    assert decides.on_signal(SIGINT, 1, is_connected=True) == Step(Do.INTERRUPT)
    assert decides.on_signal(SIGINT, 1.9, is_connected=True) == Step(Do.LEAVE, 130)


def test_one_sigint_on_a_terminal_ends_what_has_no_connection():
    decides = policy(is_terminal=True)
    assert decides.on_signal(SIGINT, 0, is_connected=False) == Step(Do.LEAVE, 130)


@pytest.mark.parametrize("on_shutdown", ["detach", "stop"])
def test_sighup_leaves_the_kernel_alone(on_shutdown):
    decides = policy(on_shutdown=on_shutdown)
    assert decides.on_signal(SIGHUP, 0, is_connected=True) == Step(Do.LEAVE, 129)


@pytest.mark.parametrize(("on_shutdown", "do"), [("detach", Do.LEAVE), ("stop", Do.STOP_AND_LEAVE)])
def test_sigterm_is_a_shutdown(on_shutdown, do):
    decides = policy(on_shutdown=on_shutdown)
    assert decides.on_signal(SIGTERM, 0, is_connected=True) == Step(do, 143)
    assert decides.on_signal(SIGTERM, 0, is_connected=True) == Step(Do.LEAVE, 143), "impatient"


def test_sigterm_during_a_restart_does_not_stop_the_kernel():
    # jupyter_client sends it 2.5 seconds after the request.
    decides = policy(on_shutdown="stop")
    decides.on_control("shutdown_request", restart=True)
    assert decides.on_signal(SIGTERM, 0, is_connected=True) == Step(Do.LEAVE, 143)


def test_another_signal_means_nothing():
    assert policy().on_signal(SIGUSR1, 0, is_connected=True) == Step(Do.NOTHING)


@pytest.mark.parametrize("state", ["restarting", "autorestarting", "dead"])
def test_one_kernel_ends_with_its_kernel(state):
    decides = policy()
    decides.has_answered = True
    assert decides.on_status(state) == Step(Do.LEAVE, ExitCode.KERNEL_DEAD)
    assert decides.is_leaving


@pytest.mark.parametrize("state", ["restarting", "autorestarting", "dead"])
def test_one_kernel_leaves_it_to_the_frontend_to_say_so(state):
    assert not policy().is_for_clients(state)
    assert policy(one_kernel=False).is_for_clients(state)
    assert policy().is_for_clients("starting")


def test_a_restart_that_is_under_way_at_the_start_is_no_end():
    decides = policy()
    assert decides.on_status("restarting") == Step(Do.NOTHING)
    assert not decides.is_leaving
    assert decides.on_status("dead") == Step(Do.LEAVE, ExitCode.KERNEL_DEAD)


@pytest.mark.parametrize("state", ["restarting", "dead"])
def test_an_end_that_was_asked_for_is_no_failure(state):
    decides = policy(on_shutdown="stop")
    decides.on_control("shutdown_request", restart=state == "restarting")
    assert decides.on_status(state) == Step(Do.LEAVE, ExitCode.OK)


def test_a_kernel_that_ended_in_order_is_no_failure():
    assert policy().on_status("dead", f"the kernel {describe(0)}") == Step(Do.LEAVE)
    failed = Step(Do.LEAVE, ExitCode.KERNEL_DEAD)
    assert policy().on_status("dead", f"the kernel {describe(10)}") == failed
    assert policy().on_status("dead", f"the kernel {describe(-9)}") == failed


def test_a_command_outlives_its_kernel():
    decides = policy(one_kernel=False)
    for state, is_dead in [("restarting", False), ("dead", True), ("idle", False)]:
        assert decides.on_status(state) == Step(Do.NOTHING)
        assert decides.is_dead is is_dead
        assert not decides.is_leaving


@pytest.mark.parametrize("state", ["starting", "busy", "idle", "unheard of"])
def test_other_states_mean_nothing(state):
    assert policy().on_status(state) == Step(Do.NOTHING)
