"""A container as people describe it."""

import re

import pytest

from w2z.client.engines.base import ABANDONED_AFTER, ContainerSpec, Mount
from w2z.client.engines.given import container_spec, escaped
from w2z.client.engines.inside import TOKEN_PATH
from w2z.errors import RemoteSettingsError


def test_an_image_is_enough():
    spec = container_spec("image")
    assert spec.image == "image"
    assert (spec.command, spec.mounts, spec.cpus, spec.memory) == ((), (), None, None)
    assert spec.variables["W2Z_TOKEN_FILE"] == TOKEN_PATH
    assert spec.variables["W2Z_IDLE_TIMEOUT"] == f"{ABANDONED_AFTER:g}"


def test_everything_is_read():
    spec = container_spec(
        "image",
        layer="w2z",
        command="python -m 'my kernel' -f {connection_file}",
        env=["A=b=c", "EMPTY="],
        mount=["/a:/b", "/a:/c:ro", "/a:/d:rw"],
        cpus=1.5,
        memory="512M",
        pull="never",
        abandoned_after=5,
    )
    assert spec.command == ("python", "-m", "my kernel", "-f", "{connection_file}")
    assert spec.env == {"A": "b=c", "EMPTY": ""}
    assert spec.mounts == (Mount("/a", "/b"), Mount("/a", "/c", read_only=True), Mount("/a", "/d"))
    assert (spec.layer, spec.cpus, spec.memory, spec.pull) == ("w2z", 1.5, 2**29, "never")
    assert spec.variables["W2Z_IDLE_TIMEOUT"] == "5"


def test_no_variable_leads_to_another_token():
    spec = container_spec("image", env=["W2Z_TOKEN_FILE=/mine", "W2Z_PORT=1"])
    assert spec.variables["W2Z_TOKEN_FILE"] == TOKEN_PATH
    assert spec.variables["W2Z_PORT"] == "1"


def test_each_container_has_a_token_that_is_not_shown():
    one, other = ContainerSpec("image"), ContainerSpec("image")
    assert one.token != other.token
    assert len(one.token) == 64
    assert one.token not in repr(one)


def test_a_command_survives_a_kernel_json():
    # Jupyter's own pattern for what it replaces.
    text = escaped("kernel -f {connection_file}")
    assert not re.search(r"\{([A-Za-z0-9_]+)\}", text)
    assert container_spec("image", command=text).command[-1] == "{connection_file}"
    assert container_spec("image", command=["a", "{connection-file}"]).command[-1] == (
        "{connection_file}"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"command": "an 'open quote"}, "quotation"),
        ({"env": ["NAME"]}, "NAME=VALUE"),
        ({"env": ["=value"]}, "NAME=VALUE"),
        ({"mount": ["/a"]}, "absolute"),
        ({"mount": ["a:/b"]}, "absolute"),
        ({"mount": ["/a:b"]}, "absolute"),
        ({"mount": ["/a:/b:x"]}, "absolute"),
        ({"memory": "much"}, "512M"),
        ({"memory": "0"}, "512M"),
    ],
)
def test_what_cannot_be_used_is_told(given, told):
    with pytest.raises(RemoteSettingsError, match=told):
        container_spec("image", **given)
