"""Data gets the suffix of its type, and the bytes that a program for it reads."""

from __future__ import annotations

import base64

import pytest

from w2z.client.saving import File, files_of

PNG = base64.b64encode(b"\x89PNG").decode()


@pytest.mark.parametrize(
    ("mime", "value", "file"),
    [
        ("image/png", PNG + "\n", File(".png", b"\x89PNG")),
        ("image/jpeg", PNG, File(".jpg", b"\x89PNG")),
        ("application/pdf", PNG, File(".pdf", b"\x89PNG")),
        ("image/x-unheard-of", PNG, File(".bin", b"\x89PNG")),
        ("image/svg+xml", ["<svg>", "</svg>"], File(".svg", b"<svg></svg>")),
        ("text/html; charset=utf-8", "<b>é", File(".html", "<b>é".encode())),
        ("text/latex", "$x$", File(".tex", b"$x$")),
        ("text/x-unheard-of", "\ud83d", File(".txt", b"\xed\xa0\xbd")),
        ("application/json", {"a": [1]}, File(".json", b'{"a": [1]}')),
        ("application/vnd.plotly.v1+json", {"a": 1}, File(".json", b'{"a": 1}')),
        ("application/json", [1, "a"], File(".json", b'[1, "a"]')),
        ("image/png", "no base64!", File(".txt", b"no base64!")),
        ("application/geo+json", "{}", File(".json", b"{}")),
        ("text/csv", "a,b", File(".csv", b"a,b")),
    ],
)
def test_each_type_has_its_file(mime, value, file):
    assert files_of({mime: value}) == [file]


def test_plain_text_is_not_saved():
    assert files_of({"text/plain": "x", "text/markdown": "**x**"}) == [File(".md", b"**x**")]
