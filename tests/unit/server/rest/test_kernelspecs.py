"""What a kernel says of itself, as a spec."""

import pytest

from w2z.server.rest.kernelspecs import described_spec
from w2z.server.rest.models import Spec


def test_a_kernel_describes_itself_by_its_language():
    language = {"name": "python", "version": "3.13.1", "mimetype": "text/x-python"}
    assert described_spec("mine", {"language_info": language}) == Spec(
        argv=[],
        display_name="Python 3.13.1",
        language="python",
        metadata={"mimetype": "text/x-python"},
    )


@pytest.mark.parametrize(
    ("told", "display_name", "language"),
    [
        # Frontends drop a spec whose language or display name is no text, or is missing.
        ({}, "Mine", "mine"),
        ({"language_info": None}, "Mine", "mine"),
        ({"language_info": ["python"]}, "Mine", "mine"),
        ({"language_info": {}}, "Mine", "mine"),
        ({"language_info": {"name": ""}}, "Mine", "mine"),
        ({"language_info": {"name": None, "version": None}}, "Mine", "mine"),
        ({"language_info": {"name": "R", "version": 4}}, "R 4", "R"),
        ({"language_info": {"name": "TypeScript"}}, "TypeScript", "TypeScript"),
    ],
)
def test_what_it_does_not_say_is_made_up(told, display_name, language):
    spec = described_spec("mine", told)
    assert (spec.display_name, spec.language) == (display_name, language)
    assert (spec.argv, spec.metadata) == ([], {})
