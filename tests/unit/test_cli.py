"""The command line is the settings; what goes wrong on the way up is one line and an exit code."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from w2z import __version__, errors
from w2z.cli import EPILOG, cli, main
from w2z.errors import SettingsError, StartupError
from w2z.setting_options import (
    ARGUMENTS,
    ENVIRONMENT_ONLY,
    GROUPS,
    settings_from,
    settings_options,
    unknown_variables,
)
from w2z.settings import Settings

OPTIONS = {
    str(option.name): option for option in settings_options() if isinstance(option, click.Option)
}


@pytest.fixture(autouse=True)
def hidden(monkeypatch):
    """How often the process was hidden, which the tests' own process is not."""
    done: list[bool] = []
    monkeypatch.setattr("w2z.cli.hide_process", lambda: done.append(True))
    return done


@pytest.fixture
def serve(monkeypatch):
    """Stands for the server: notes the settings it is given, and ends with 0 or the error."""

    class Serve:
        given: Settings | None = None
        error: StartupError | None = None

        async def __call__(self, settings: Settings, announce: object, terminal: object) -> int:
            self.given = settings
            if self.error:
                raise self.error
            return 0

    monkeypatch.setattr("w2z.serve.serve.serve", stand_in := Serve())
    for name in list(os.environ):
        if name.startswith("W2Z_"):
            monkeypatch.delenv(name)
    return stand_in


def run(*args: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, args, env=environment)


# Secrets


def test_the_process_is_hidden_and_its_environment_is_rid_of_the_token(serve, hidden, monkeypatch):
    monkeypatch.setenv("W2Z_TOKEN", "s3cret")
    with pytest.raises(SystemExit):
        cli(["--connection-file", "k"])
    assert serve.given.token.get_secret_value() == "s3cret"
    assert "W2Z_TOKEN" not in os.environ
    assert hidden == [True]


def test_a_health_check_is_hidden_too(hidden, monkeypatch):
    monkeypatch.setattr("w2z.client.wait.wait_for_all", lambda urls, seconds: None)
    assert run("wait").exit_code == 0
    assert hidden == [True]


# Options


def test_every_setting_has_an_option_but_the_token_and_the_command():
    assert sorted(ENVIRONMENT_ONLY) == ["token"]
    assert sorted(ARGUMENTS) == ["command"]
    assert OPTIONS.keys() == Settings.model_fields.keys() - ENVIRONMENT_ONLY - ARGUMENTS


def test_the_help_has_every_option_once_among_what_it_is_for():
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(OPTIONS)


def test_what_stands_behind_two_dashes_is_the_command(serve):
    assert run("--port", "1", "--", "kernel", "--port", "2", "{connection_file}").exit_code == 0
    assert serve.given.command == ("kernel", "--port", "2", "{connection_file}")
    assert serve.given.port == 1
    assert serve.given.starts_kernel


def test_a_command_needs_the_two_dashes_when_it_has_options_of_its_own(serve):
    result = run("--connection-file", "k", "kernel", "-f", "x")
    assert result.exit_code == 2
    assert serve.given is None


@pytest.mark.parametrize("name", [n for n, o in OPTIONS.items() if not o.is_flag])
@pytest.mark.parametrize("behind", [[], ["--no-auth"], ["--", "k", "{connection_file}"]])
def test_an_option_whose_value_is_missing_is_wrong_usage(name, behind, serve):
    """With whatever stands behind it: --token-file --no-auth served anybody."""
    option = OPTIONS[name].opts[0]
    result = run("--kernel", "x", option, *behind)
    assert (result.exit_code, serve.given) == (2, None)
    assert f"Option '{option}' requires an argument." in result.stderr


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["serv"], "'serv' is no command of w2z: did you mean 'serve'?"),
        (["serve", "stop"], "'stop' is no command of w2z: "),
        (["python3", "-V"], "No such option"),
        (["--kernel", "python3", "status"], "'status' is no command of w2z: "),
        (["help"], "use w2z --help"),
        (["kernel", "{connection_file}"], "two dashes, as in: w2z -- kernel"),
    ],
)
def test_a_word_is_not_taken_for_the_kernel_s_command(args, told, serve):
    result = run(*args)
    assert (result.exit_code, serve.given) == (2, None)
    assert told in " ".join(result.stderr.split())


def test_a_command_has_to_say_where_its_connection_file_is(serve):
    result = run("--", "kernel", "-f", "x")
    assert (result.exit_code, serve.given) == (2, None)
    assert "the kernel's command has no {connection_file}" in " ".join(result.stderr.split())
    # Whoever names the file may have told the kernel in another way.
    assert run("--connection-file", "k", "--", "kernel").exit_code == 0
    assert run("--", "sh", "-c", "kernel -f {connection_file}").exit_code == 0


def test_a_variable_that_is_no_setting_is_told(serve, caplog):
    assert run("--kernel", "x", W2Z_PORTT="1").exit_code == 0
    told = "W2Z_PORTT is no setting of w2z's, and is ignored: did you mean W2Z_PORT?"
    assert caplog.messages == [told]
    links = [
        "W2Z_SERVICE_HOST",
        "W2Z_PORT_8888_TCP_ADDR",
        "W2Z_SERVICE_PORT_HTTP",
        "W2Z_LD_PRELOAD",
    ]
    known = [f"W2Z_{name.upper()}" for name in [*OPTIONS, "token", "timeout", "url", "ca_file"]]
    assert unknown_variables([*links, *known, "PATH"]) == []
    assert unknown_variables(["W2Z_QQQQ"]) == ["W2Z_QQQQ is no setting of w2z's, and is ignored"]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_says_what_its_setting_does_and_which_variable_is_its_twin(name):
    option = OPTIONS[name]
    assert option.opts == ["--" + name.replace("_", "-")]
    assert option.help == Settings.model_fields[name].description
    assert option.envvar == f"W2Z_{name.upper()}"


VALUES = {
    "connection_file": ("/run/k.json", Path("/run/k.json")),
    "kernel": ("ir", "ir"),
    "transport": ("ipc", "ipc"),
    "kernel_uid": ("1000:0", "1000:0"),
    "interrupt_mode": ("message", "message"),
    "restart_limit": ("0", 0),
    "ready_timeout": ("7", 7),
    "shutdown_timeout": ("0", 0),
    "terminate_timeout": ("0.1", 0.1),
    "idle_timeout": ("60", 60),
    "max_lifetime": ("3600", 3600),
    "forward_output": ("true", True),
    "wait": ("1.5", 1.5),
    "kernel_id": ("k", "k"),
    "host": ("::1", "::1"),
    "port": ("0", 0),
    "base_url": ("/x", "/x/"),
    "register_with_chp": ("http://chp:8001/", "http://chp:8001"),
    "advertise": ("https://w2z", "https://w2z"),
    "token_file": ("t", Path("t")),
    "token_fd": ("3", 3),
    "no_auth": ("true", True),
    "no_console": ("true", True),
    "allow_origin": ("https://a.example", ("https://a.example",)),
    "allow_host": ("kernel.example", ("kernel.example",)),
    "trust_proxy": ("10.0.0.0/8", ("10.0.0.0/8",)),
    "on_delete": ("stop", "stop"),
    "image": ("example.org/i@sha256:0", "example.org/i@sha256:0"),
    "labels": ('{"a": "b"}', {"a": "b"}),
    "strict_origin": ("true", True),
    "ping_interval": ("1", 1),
    "ping_timeout": ("2", 2),
    "resume_window": ("0", 0),
    "closed_window": ("7", 7),
    "max_message_size": ("1024", 1024),
    "max_kernel_message_size": ("1048576", 2**20),
    "memory_budget": ("64MiB", 2**26),
    "max_body_size": ("0", 0),
    "max_header_size": ("1024", 1024),
    "handshake_timeout": ("3", 3),
    "keep_alive": ("600", 600),
    "max_connections": ("1", 1),
    "journal_size": ("1024", 1024),
    "spill_size": ("0", 0),
    "spill_dir": ("/spill", Path("/spill")),
    "replay_size": ("0", 0),
    "log_level": ("error", "error"),
    "log_format": ("json", "json"),
    "audit_log": ("/audit", Path("/audit")),
    "audit_code": ("text", "text"),
}


def test_the_values_below_are_of_all_options():
    assert VALUES.keys() == OPTIONS.keys()


@pytest.mark.parametrize("name", VALUES)
def test_an_option_and_its_twin_set_the_setting(name, serve):
    text, value = VALUES[name]
    file = [] if name == "connection_file" else ["--connection-file", "k"]
    file += ["--register-with-chp", "http://chp"] if name == "advertise" else []
    option = OPTIONS[name].opts[0]
    args = [option] if value is True else [option, text]
    assert run(*file, *args).exit_code == 0
    assert getattr(serve.given, name) == value
    serve.given = None
    assert run(*file, **{f"W2Z_{name.upper()}": text}).exit_code == 0
    assert getattr(serve.given, name) == value


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - {"connection_file"}))
def test_without_option_and_twin_a_setting_has_its_default(name, serve):
    assert run("--connection-file", "k").exit_code == 0
    assert getattr(serve.given, name) == Settings.model_fields[name].default


def test_an_option_beats_its_twin(serve):
    run("--connection-file", "k", "--port", "1", W2Z_PORT="2", W2Z_HOST="h")
    assert (serve.given.port, serve.given.host) == (1, "h")


def test_origins_are_repeated_or_separated_by_spaces(serve):
    run("--connection-file", "k", "--allow-origin", "http://a", "--allow-origin", "*")
    assert serve.given.allow_origin == ("http://a", "*")
    run("--connection-file", "k", W2Z_ALLOW_ORIGIN="http://c http://d")
    assert serve.given.allow_origin == ("http://c", "http://d")


@pytest.mark.parametrize("off", ["", "0", "false", "no"])
def test_a_flag_may_be_off_in_the_environment(off, serve):
    assert run("--connection-file", "k", W2Z_NO_AUTH=off).exit_code == 0
    assert serve.given.no_auth is False


def test_a_flag_that_is_neither_on_nor_off_is_wrong_usage(serve):
    assert run("--connection-file", "k", W2Z_NO_AUTH="perhaps").exit_code == 2
    assert serve.given is None


@pytest.mark.parametrize("on", ["1", "TRUE", "Yes\n", " on "])
def test_a_flag_is_on_in_any_spelling(on, serve):
    assert run("--connection-file", "k", W2Z_NO_AUTH=on).exit_code == 0
    assert serve.given.no_auth is True


def test_spaces_line_ends_and_case_in_the_environment_do_not_matter(serve):
    environment = {
        "W2Z_PORT": " 1234\n",
        "W2Z_LOG_LEVEL": "WARNING\n",
        "W2Z_HOST": "::1\r\n",
        "W2Z_TOKEN": "s3cret\n",
        "W2Z_KERNEL_ID": "  ",
        "W2Z_SPILL_SIZE": "1G",
        "W2Z_IDLE_TIMEOUT": "10m",
    }
    assert run("--connection-file", "k", **environment).exit_code == 0
    got = serve.given
    assert (got.port, got.log_level, got.host) == (1234, "warning", "::1")
    assert got.token.get_secret_value() == "s3cret"
    assert got.kernel_id is None
    assert (got.spill_size, got.idle_timeout) == (2**30, 600)


def test_what_a_platform_says_of_a_service_of_that_name_is_ignored_with_one_warning(serve, caplog):
    links = {
        "W2Z_PORT": "tcp://10.96.0.12:8888",
        "W2Z_SERVICE_HOST": "10.96.0.12",
        "W2Z_SERVICE_PORT": "8888",
        "W2Z_PORT_8888_TCP": "tcp://10.96.0.12:8888",
    }
    assert run("--connection-file", "k", **links).exit_code == 0
    assert serve.given.port == 8888
    [warning] = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert "W2Z_PORT=tcp://10.96.0.12:8888" in warning


def test_the_token_comes_from_the_environment_and_from_nowhere_else(serve):
    run("--connection-file", "k", W2Z_TOKEN="s3cret")
    assert serve.given.token.get_secret_value() == "s3cret"
    assert run("--connection-file", "k", "--token", "s3cret").exit_code == 2


# Settings


def test_values_that_were_not_given_are_left_to_the_defaults():
    got = settings_from({"connection_file": "k", "port": None, "allow_origin": ()}, None)
    assert got == Settings.model_validate({"connection_file": "k"})


def test_false_and_zero_are_values():
    got = settings_from({"connection_file": "k", "no_auth": False, "wait": 0}, None)
    assert got.wait == 0


def test_mistakes_are_told_by_their_options_all_at_once():
    wrong: dict[str, Any] = {"connection_file": "k", "port": "x", "ping_timeout": "-1"}
    with pytest.raises(SettingsError) as refused:
        settings_from(wrong, None)
    port, ping_timeout = str(refused.value).split("; ")
    assert port.startswith("--port: ")
    assert ping_timeout.startswith("--ping-timeout: ")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("PORT", "abc", "W2Z_PORT: .*'abc'"),
        ("PORT", "99999", "W2Z_PORT: .*'99999'"),
        ("SPILL_SIZE", "1X", "W2Z_SPILL_SIZE: has to be bytes, or like .*'1X'"),
        ("IDLE_TIMEOUT", "10 years", "W2Z_IDLE_TIMEOUT: has to be seconds, or like .*'10 years'"),
    ],
)
def test_a_mistake_in_the_environment_is_told_by_its_variable(name, text, told, serve):
    result = run("--connection-file", "k", **{f"W2Z_{name}": text})
    assert isinstance(result.exception, SettingsError)
    assert re.fullmatch(told, str(result.exception))


def test_a_value_that_may_hold_a_secret_is_not_shown(serve):
    result = run("--connection-file", "k", W2Z_REGISTER_WITH_CHP="http://me:s3cret@chp")
    assert isinstance(result.exception, SettingsError)
    assert "s3cret" not in str(result.exception)


@pytest.mark.parametrize("wrong", ["", "my secret token"])
def test_a_wrong_token_is_told_by_its_variable_and_not_shown(wrong):
    with pytest.raises(SettingsError, match=r"^W2Z_TOKEN: ") as refused:
        settings_from({"connection_file": "k"}, wrong)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("args", "environment", "told"),
    [
        (("--no-auth", "--token-file", "t"), {}, "--no-auth, --token-file"),
        (("--no-auth",), {"W2Z_TOKEN": "s3cret"}, "--no-auth, W2Z_TOKEN"),
        (("--token-file", "t"), {"W2Z_TOKEN": "s3cret"}, "--token-file, W2Z_TOKEN"),
        ((), {"W2Z_TOKEN_FILE": "t", "W2Z_NO_AUTH": "1"}, "--no-auth, --token-file"),
    ],
)
def test_tokens_from_two_places_are_wrong_usage(args, environment, told, serve):
    result = run("--connection-file", "k", *args, **environment)
    assert isinstance(result.exception, SettingsError)
    assert result.exception.exit_code == 2
    assert str(result.exception) == f"{told} contradict each other: give one of them"
    assert serve.given is None


# Commands


@pytest.mark.parametrize("args", [[], ["serve"]])
def test_serve_is_the_command_where_none_is_named(args, serve):
    assert run(*args, "--connection-file", "k").exit_code == 0
    assert serve.given.connection_file == Path("k")


def test_the_connection_file_may_be_all_in_the_environment(serve):
    assert run(W2Z_CONNECTION_FILE="k").exit_code == 0
    assert serve.given.connection_file == Path("k")


def test_help_of_the_group_names_the_command():
    result = run("--help")
    assert result.exit_code == 0
    assert "serve" in result.stdout


def test_help_of_serve_is_the_manual():
    result = CliRunner().invoke(cli, ["serve", "--help"], terminal_width=1000)
    assert result.exit_code == 0
    for name, option in OPTIONS.items():
        assert option.opts[0] in result.stdout
        assert f"W2Z_{name.upper()}" in result.stdout
    told = " ".join(result.stdout.split())
    for setting in OPTIONS:
        assert " ".join(str(Settings.model_fields[setting].description).split()) in told


def test_the_versions_of_a_bug_report_are_told():
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"w2z {__version__} (")
    for name in ("Python 3.", "pyzmq ", "libzmq ", "websockets ", "uvloop"):
        assert name in result.stdout


@pytest.mark.parametrize("args", [["-h"], ["serve", "-h"], ["wait", "-h"], ["check", "--help"]])
def test_help_is_asked_for_in_two_ways(args):
    result = run(*args)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")


def test_the_kernels_that_can_be_started_are_listed(monkeypatch, tmp_path):
    folder = tmp_path / "kernels" / "mine"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["x"], "display_name": "Mine", "language": "x"}')
    result = run("kernels", JUPYTER_PATH=str(tmp_path))
    assert result.exit_code == 0
    assert re.search(rf"^mine +Mine +{folder}$", result.stdout, re.MULTILINE)


def test_a_kernel_s_name_is_completed(monkeypatch, tmp_path):
    folder = tmp_path / "kernels" / "mine"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["x"], "display_name": "Mine", "language": "x"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    context = click.Context(cli.commands["serve"])
    found = OPTIONS["kernel"].shell_complete(context, "MI")
    assert [one.value for one in found] == ["mine"]


def startup_errors() -> list[type[StartupError]]:
    """Every way not to come up that has an exit code of its own."""
    found = [one for one in vars(errors).values() if isinstance(one, type)]
    return [one for one in found if issubclass(one, StartupError) and one is not StartupError]


@pytest.mark.parametrize("kind", startup_errors())
def test_what_goes_wrong_on_the_way_up_is_one_line_and_a_documented_code(
    kind, serve, monkeypatch, capsys
):
    serve.error = kind("what was wrong")
    monkeypatch.setattr(sys, "argv", ["w2z", "--connection-file", "k"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == kind.exit_code
    assert capsys.readouterr().err == "w2z: what was wrong\n"
    assert f"{kind.exit_code} " in EPILOG


def test_exit_codes_tell_the_errors_apart():
    codes = [kind.exit_code for kind in startup_errors()]
    assert len(set(codes)) == len(codes)


# The process itself


def process(*args: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m w2z`` in an environment without settings."""
    environment = {name: value for name, value in os.environ.items() if "W2Z_" not in name}
    return subprocess.run(
        [sys.executable, "-m", "w2z", *args],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_connection_file_that_never_comes_ends_the_process_with_3(tmp_path):
    missing = tmp_path / "missing.json"
    ended = process("--connection-file", str(missing), "--wait", "0")
    assert ended.returncode == 3
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"w2z: connection file {missing}: there is no such file")
    assert "--wait" in line


def test_nothing_at_all_is_wrong_usage_that_names_what_is_missing():
    ended = process()
    assert ended.returncode == 2
    for way in ("--connection-file FILE", "--kernel NAME", "-- COMMAND"):
        assert way in ended.stderr


def test_a_value_that_cannot_be_used_ends_the_process_with_2():
    ended = process("--connection-file", "k", "--port", "99999")
    assert ended.returncode == 2
    assert ended.stderr.startswith("w2z: --port: ")


def test_a_token_file_that_is_not_there_ends_the_process_with_7(tmp_path):
    missing = str(tmp_path / "token")
    ended = process("--connection-file", "k", "--token-file", missing)
    assert ended.returncode == 7
    assert ended.stderr.startswith(f"w2z: token file {missing}: ")


PROGRAM = "from w2z.__main__ import main; main()"


def test_a_signal_that_comes_before_there_are_handlers_ends_it_in_order(tmp_path):
    come = "import os, signal; from w2z import starting; starting.prepare(); "
    come += "os.kill(os.getpid(), signal.SIGTERM); "
    missing = str(tmp_path / "missing.json")
    ended = subprocess.run(
        [sys.executable, "-c", come + PROGRAM, "--connection-file", missing],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 128 + signal.SIGTERM
    assert "SIGTERM: shutting down" in ended.stderr


def test_other_commands_hold_no_signals():
    come = "import os, signal; from w2z import starting; starting.prepare(); "
    come += "os.kill(os.getpid(), signal.SIGTERM); "
    ended = subprocess.run(
        [sys.executable, "-c", come + PROGRAM, "wait", "http://127.0.0.1:1"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGTERM


def test_streams_that_are_closed_at_the_start_become_dev_null():
    look = "import os, sys; sys.stderr.write('x'); print(sys.stdin.read()); "
    look += (
        "os._exit(sum(os.path.realpath(f'/proc/self/fd/{n}') != '/dev/null' for n in (0, 1, 2)))"
    )
    script = f"from w2z import starting; starting.open_standard_streams(); {look}"
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'
    ended = subprocess.run(["sh", "-c", shell, sys.executable, script], check=False, timeout=60)
    assert ended.returncode == 0


def test_only_the_closed_ones_do():
    script = "from w2z import starting; starting.open_standard_streams(); print('there')"
    shell = 'exec "$0" -c "$1" <&- 2>&-'
    said = subprocess.run(
        ["sh", "-c", shell, sys.executable, script], check=True, timeout=60, capture_output=True
    )
    assert said.stdout == b"there\n"


def test_what_lies_in_the_working_directory_is_not_imported(tmp_path):
    (tmp_path / "uvloop.py").write_text("raise SystemExit(77)")
    ended = subprocess.run(
        [sys.executable, "-m", "w2z", "--connection-file", "none", "--wait", "0"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(errors.__file__).parents[1])},
    )
    assert ended.returncode == 3


def test_what_an_error_quotes_begins_no_line(serve, monkeypatch, capsys):
    serve.error = StartupError("its last words: \x1b[2Kx\n2026-01-01 INFO w2z: all is well")
    monkeypatch.setattr(sys, "argv", ["w2z", "--connection-file", "k"])
    with pytest.raises(SystemExit):
        main()
    first, second = capsys.readouterr().err.splitlines()
    assert first == r"w2z: its last words: \x1b[2Kx"
    assert second.startswith("    2026")
