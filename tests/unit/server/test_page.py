"""The page at the base URL and its files: who gets what, with which headers, and when again."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest

from w2z.errors import HttpError
from w2z.server.page import FOLDER, FRONT, Page, Static, read
from w2z.server.request import Request, Response
from w2z.settings import Settings

BROWSER = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
GZIP = ("accept-encoding", "deflate, GZIP;q=0.5")


def page(**settings: Any) -> Page:
    return Page(Settings(kernel="python3", **settings))


async def ask(found: Page, *headers: tuple[str, str]) -> Response:
    return await found.front(Request("GET", "/", headers))


async def file(found: Page, name: str, *headers: tuple[str, str]) -> Response:
    return await found.file(Request("GET", f"/static/{name}", headers), name=name)


async def test_a_browser_gets_the_page():
    got = await ask(page(), BROWSER)
    assert (got.status, got.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert got.body.startswith(b"<!doctype html>")
    assert got.headers["Vary"] == "Accept"


@pytest.mark.parametrize("headers", [(), (("accept", "*/*"),), (("accept", "text/plain"),)])
async def test_others_get_200_and_a_line(headers):
    got = await ask(page(), *headers)
    assert (got.status, got.body) == (200, FRONT)
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_without_a_console_everybody_gets_the_line_and_there_are_no_files():
    off = page(no_console=True)
    assert [route.path for route in off.routes()] == ["/"]
    assert (await ask(off, BROWSER)).body == FRONT


async def test_no_token_is_needed_for_what_has_no_secret():
    assert not any(route.needs_token for route in page().routes())


async def test_nothing_but_what_w2z_serves_is_run_or_asked():
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in (await ask(page(), BROWSER)).headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in " ".join(policy.values())


async def test_each_page_has_a_nonce_of_its_own_for_styles():
    found, nonces = page(), set()
    for _ in range(2):
        got = await ask(found, BROWSER)
        [nonce] = re.findall(r"'nonce-([\w-]{22})'", got.headers["Content-Security-Policy"])
        assert f'nonce="{nonce}"'.encode() in got.body
        nonces.add(nonce)
    assert len(nonces) == 2
    assert "nonce" not in (await ask(found)).headers.get("Content-Security-Policy", "")


@pytest.mark.parametrize(("no_auth", "access"), [(True, b"open"), (False, b"token")])
async def test_the_page_knows_whether_a_token_is_needed(no_auth, access):
    body = (await ask(page(no_auth=no_auth), BROWSER)).body
    assert b'<meta name="w2z-access" content="%s">' % access in body
    assert b"{" not in body


async def test_the_page_has_no_script_or_style_of_its_own():
    body = (FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|style=|javascript:", body)
    assert not re.search(r"(src|href)=\"(?!static/|data:|#)", body)


async def test_a_file_is_as_it_is_in_the_package():
    found = page()
    kinds = {"main.mjs": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        got = await file(found, name)
        assert (got.status, got.headers["Content-Type"]) == (200, kind)
        assert got.body == (FOLDER / name).read_bytes()
    vendored = await found.file(Request("GET", "/x"), vendored="katex.css")
    assert vendored.body == (FOLDER / "vendor/katex.css").read_bytes()


async def test_who_takes_gzip_gets_it():
    got = await file(page(), "main.mjs", GZIP)
    assert got.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(got.body) == (FOLDER / "main.mjs").read_bytes()
    assert got.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("value", ["", "br", "gzip;q=0", "gzip; q=0.0", "identity, *"])
async def test_who_does_not_take_gzip_does_not_get_it(value):
    got = await file(page(), "main.mjs", ("accept-encoding", value))
    assert "Content-Encoding" not in got.headers


def test_what_gets_no_shorter_is_not_compressed(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x")
    (tmp_path / "b.woff2").write_bytes(b"x" * 1000)
    for name in ("a.txt", "b.woff2"):
        found = read(name, tmp_path)
        assert found is not None
        assert found.packed is None


async def test_what_a_browser_has_is_not_sent_again():
    found = page()
    tags = set()
    for more in ((), (GZIP,)):
        first = await file(found, "main.mjs", *more)
        tags.add(first.headers["ETag"])
        for known in (first.headers["ETag"], f'"x", W/{first.headers["ETag"]}', "*"):
            again = await file(found, "main.mjs", *more, ("if-none-match", known))
            assert (again.status, again.body) == (304, b"")
            assert again.headers["ETag"] == first.headers["ETag"]
        assert (await file(found, "main.mjs", *more, ("if-none-match", '"x"'))).status == 200
    assert len(tags) == 2, "what is compressed is another thing"
    assert first.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["", "nothing.mjs", "../settings.py", "..", ".", "vendor", "/etc/passwd", "a\0b"]
)
async def test_there_is_nothing_else(name):
    with pytest.raises(HttpError) as caught:
        await file(page(), name)
    assert caught.value.status == 404


def test_all_modules_that_the_page_begins_with_are_asked_for_at_once():
    needed, following = set(), ["main.mjs"]
    while following:
        name = following.pop()
        needed.add(name)
        if not name.startswith("vendor/"):
            text = (FOLDER / name).read_text()
            found = re.findall(r'^import [^;]*?"\./([\w/.]+)";', text, re.MULTILINE)
            following += [one for one in found if one not in needed]
    page_text = (FOLDER / "index.html").read_text()
    asked = set(re.findall(r'<link rel="modulepreload" href="static/([^"]+)">', page_text))
    assert asked == needed - {"main.mjs"}
    assert "vendor/codemirror.mjs" not in asked, "what is large comes when it is needed"


def test_files_of_another_kind_are_not_served(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    assert read("a.py", tmp_path) is None


async def test_a_file_is_read_once(monkeypatch):
    reads = []

    def count(name: str) -> Static:
        reads.append(name)
        return Static("text/plain", b"x", None)

    monkeypatch.setattr("w2z.server.page.read", count)
    found = page()
    assert reads == [], "nothing is read before somebody asks"
    for _ in range(3):
        await file(found, "a.txt")
    assert reads == ["a.txt"]
