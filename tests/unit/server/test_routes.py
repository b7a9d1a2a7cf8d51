"""Which request goes where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.errors import HttpError
from w2z.server.request import Request, Response
from w2z.server.routes import Route, Router


async def handler(request: Request) -> Response:
    """Stands for all: nothing is called here."""
    return Response(200)


LIST = Route("GET", "/api/kernels", handler)
START = Route("POST", "/api/kernels", handler)
ONE = Route("GET", "/api/kernels/{kernel_id}", handler)
END = Route("DELETE", "/api/kernels/{kernel_id}", handler)
FILE = Route("GET", "/kernelspecs/{name}/{file}", handler)
DOT = Route("GET", "/a.b", handler)
TABLE = [LIST, START, ONE, END, FILE, DOT]
ROUTER = Router(TABLE)


def found(
    target: str, method: str = "GET", router: Router = ROUTER
) -> tuple[Route, dict[str, str]]:
    """The route and its fields."""
    return router.find(Request(method, target))


def refused(target: str, method: str = "GET", router: Router = ROUTER) -> HttpError:
    """The error a request is answered with."""
    with pytest.raises(HttpError) as error:
        found(target, method, router)
    return error.value


def test_a_path_and_a_method_lead_to_a_route():
    assert found("/api/kernels") == (LIST, {})
    assert found("/api/kernels", "POST") == (START, {})


def test_the_fields_of_a_path_are_its_segments():
    assert found("/api/kernels/abc-1") == (ONE, {"kernel_id": "abc-1"})
    assert found("/kernelspecs/python3/logo.png") == (FILE, {"name": "python3", "file": "logo.png"})


def test_a_field_is_decoded():
    assert found("/api/kernels/a%20b") == (ONE, {"kernel_id": "a b"})


@pytest.mark.parametrize("target", ["/api/kernels/", "/api/kernels?x=1", "/api/kernels/?1234"])
def test_a_slash_at_the_end_and_a_query_make_no_difference(target):
    assert found(target)[0] is LIST


def test_head_goes_where_get_goes():
    assert found("/api/kernels", "HEAD")[0] is LIST


@pytest.mark.parametrize(
    "target",
    ["", "/", "*", "/api", "/api/kernels/a/b", "/api/kernels//", "/API/kernels", "/aXb", "/x/a.b"],
)
def test_what_is_nowhere_is_404(target):
    assert refused(target).status == 404


@pytest.mark.parametrize(
    ("target", "method", "allowed"),
    [
        ("/api/kernels", "DELETE", "GET, HEAD, OPTIONS, POST"),
        ("/api/kernels/1", "POST", "DELETE, GET, HEAD, OPTIONS"),
        ("/api/kernels/1", "get", "DELETE, GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_a_path_does_not_have_is_405_and_says_which_it_has(target, method, allowed):
    error = refused(target, method)
    assert error.status == 405
    assert error.headers == {"Allow": allowed}
    assert method in error.message


def test_head_is_not_allowed_where_get_is_not():
    router = Router([START])
    assert refused("/api/kernels", "HEAD", router).headers == {"Allow": "OPTIONS, POST"}


@pytest.mark.parametrize("base", ["/user/ann/", "/user/ann"])
def test_everything_is_below_the_base_url_and_only_there(base):
    router = Router(TABLE, base)
    assert found("/user/ann/api/kernels", router=router)[0] is LIST
    for outside in ("/api/kernels", "/user/anne/api/kernels", "/user/ann", "/user/annapi/kernels"):
        assert refused(outside, router=router).status == 404


@pytest.mark.parametrize("base", ["/user/a%20b/", "/user/a b/"])
@pytest.mark.parametrize("asked", ["/user/a%20b", "/user/a b", "/%75ser/a%20b"])
def test_a_base_url_is_the_same_however_it_is_encoded(base, asked):
    router = Router(TABLE, base)
    assert found(f"{asked}/api/kernels", router=router)[0] is LIST
    assert refused("/user/a%2520b/api/kernels", router=router).status == 404


def test_a_base_url_beyond_ascii_is_found():
    assert found("/%C3%A9/api/kernels", router=Router(TABLE, "/\u00e9/"))[0] is LIST
    assert found("/%C3%A9/api/kernels", router=Router(TABLE, "/%c3%a9/"))[0] is LIST


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/x/api/kernels", ("/api/kernels", {})),
        ("/x/api/kernels/1", ("/api/kernels/{kernel_id}", {"kernel_id": "1"})),
        ("/x/nowhere", None),
        ("/api/kernels", None),
    ],
)
def test_a_path_fits_a_pattern_whatever_the_method(path, found):
    assert Router(TABLE, "/x/").pattern(path) == found


def test_a_whole_url_leads_to_a_route_too():
    assert found("http://h:8888/api/kernels/1?x") == (ONE, {"kernel_id": "1"})


def test_a_path_below_the_base_url_begins_with_a_slash():
    assert Router([], "/x/").below_base("/x/y") == "/y"
    assert Router([], "/x/").below_base("/x/") == "/"
    assert Router([], "/x/").below_base("/xy/z") is None
    assert Router([], "/x/").below_base("/x") is None
    assert Router([], "/").below_base("/y") == "/y"


def test_a_route_needs_a_token_unless_it_says_otherwise():
    assert LIST.needs_token


@given(st.text(), st.sampled_from(["GET", "POST", "PUT", ""]))
def test_any_request_has_a_route_or_a_status(target, method):
    try:
        route, _ = found(target, method)
    except HttpError as error:
        assert error.status in (308, 404, 405)  # noqa: PT017 (either outcome is right)
    else:
        assert route in TABLE


@pytest.mark.parametrize(
    "target", ["/api%2Fkernels", "/%61pi/kernels", "/api/kernels/a/b", "/api//kernels", "///x//y"]
)
def test_a_path_is_compared_as_it_was_sent(target):
    assert refused(target).status == 404


def test_an_encoded_slash_is_part_of_a_field():
    assert found("/api/kernels/a%2Fb") == (ONE, {"kernel_id": "a/b"})


@pytest.mark.parametrize("base", ["/", "/user/a%20b/"])
def test_too_many_slashes_behind_the_base_url_lead_to_the_path_that_is_meant(base):
    router = Router(TABLE, base)
    for slashes in ("/", "//"):
        error = refused(f"{base}{slashes}api/kernels/1?token=x", "POST", router)
        assert error.status == 308
        assert error.headers == {"Location": f"{base}api/kernels/1?token=x"}
    # Never to another host, and never at length.
    assert refused(f"{base}/evil.example/x", router=router).status == 404
    assert refused(f"{base}/api/kernels?{'x' * 3000}", router=router).status == 404


def test_a_base_url_without_its_slash_leads_to_the_base_url():
    front = Route("GET", "/", LIST.handler, needs_token=False)
    router = Router([front], "/user/a%20b/")
    error = refused("/user/a%20b?token=x", router=router)
    assert (error.status, error.headers) == (308, {"Location": "/user/a%20b/?token=x"})
    # Only where there is something, and nothing at length.
    assert refused("/user/a%20b", router=Router(TABLE, "/user/a%20b/")).status == 404
    assert refused(f"/user/a%20b?{'x' * 3000}", router=router).status == 404
    assert refused("/user", router=router).status == 404
    assert refused("?x", router=Router([front], "/")).status == 404


def test_a_method_is_not_repeated_at_length():
    assert len(refused("/api/kernels", "A" * 60_000).message) < 100
