"""Origins, as operators write them and as browsers send them."""

import pytest

from w2z.origins import as_sent


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("https://page.example", "https://page.example"),
        ("https://page.example/", "https://page.example"),
        ("HTTPS://Page.Example", "https://page.example"),
        ("https://page.example:443", "https://page.example"),
        ("http://page.example:80/", "http://page.example"),
        ("http://page.example:443", "http://page.example:443"),
        ("http://localhost:8888", "http://localhost:8888"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("vscode-webview://abc", "vscode-webview://abc"),
        ("*", "*"),
        ("null", "null"),
    ],
)
def test_what_has_one_meaning_is_understood(text, sent):
    assert as_sent(text) == sent


@pytest.mark.parametrize(
    "text",
    [
        "page.example",
        "https://page.example/path",
        "https://a.example,https://b.example",
        "https://*.example",
        "https://user@page.example",
        "https://",
        "",
    ],
)
def test_what_no_browser_sends_is_told_apart(text):
    assert as_sent(text) is None
