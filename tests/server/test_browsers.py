"""What a browser may be made to do: foreign origins, names that lead here, cookies."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from jsonrpc_qm.access.files import add_token
from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.access.tokens import new_token
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Answer
from tests.server.plain import PlainCaller

CALL = '{"jsonrpc": "2.0", "id": 1, "method": "workers"}'
TOKEN, ENTRY = new_token(Role.OPERATOR, ["mail"])
READER, READERS_ENTRY = new_token(Role.OPERATOR)
WORKER, WORKERS_ENTRY = new_token(Role.WORKER)
PUBLIC = "queue.example.org"


@pytest.fixture(scope="module")
def open_manager() -> Iterator[PlainCaller]:
    """A manager without tokens."""
    settings = Settings(port=0, public_host=(PUBLIC,))
    with in_background(MemoryStorage(), settings) as url, closing(PlainCaller(url)) as caller:
        yield caller


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainCaller]:
    """A manager with tokens, called without one."""
    file = tmp_path_factory.mktemp("browsers") / "tokens.toml"
    for entry in (ENTRY, READERS_ENTRY, WORKERS_ENTRY):
        add_token(file, entry)
    settings = Settings(port=0, tokens=str(file), public_host=(PUBLIC,))
    with in_background(MemoryStorage(), settings) as url, closing(PlainCaller(url)) as caller:
        yield caller


OWN = [
    "127.0.0.1",
    "127.0.0.1:8642",
    "localhost:99",
    "LOCALHOST",
    "localhost.",
    "dashboard.localhost:8642",
    "[::1]:8642",
    "10.1.2.3:8642",
    PUBLIC,
    f"{PUBLIC.upper()}:443",
]
FOREIGN = [
    "evil.example",
    "evil.example:8642",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "1.2.3",
    "xlocalhost",
    "",
    f"x.{PUBLIC}",
]


@pytest.mark.parametrize("host", OWN)
def test_its_own_names_are_answered(open_manager: PlainCaller, host: str) -> None:
    """Names of this machine, any address, and those that it was given."""
    assert open_manager.post(CALL, Host=host).status == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_was_made_to_lead_here_is_refused(open_manager: PlainCaller, host: str) -> None:
    """DNS rebinding: to the browser the page and the manager are one origin."""
    answer = open_manager.post(CALL, Host=host, Origin=f"http://{host}")
    assert answer.status == 403
    assert open_manager.post(CALL, Host=host).status == 403


@pytest.mark.parametrize("host", [*OWN, *FOREIGN])
def test_with_a_bearer_token_the_host_does_not_matter(guarded: PlainCaller, host: str) -> None:
    """No browser sends one by itself, so workers may call a manager by any name."""
    assert guarded.post(CALL, Host=host, Authorization=f"Bearer {TOKEN}").status == 200


def test_an_origin_must_be_the_host_even_with_a_token(guarded: PlainCaller) -> None:
    """A page of another site may know a token; it is to go by a proxy of its own."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}
    assert guarded.post(CALL, **headers).status == 403


def sign_in(caller: PlainCaller, token: str = TOKEN, **headers: str) -> Answer:
    """Sign in as a browser does."""
    return caller.post(json.dumps({"token": token}), "/sign-in", **headers)


def cookie_of(answer: Answer) -> tuple[str, set[str]]:
    """The cookie that is set: itself, and its attributes."""
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    return cookie, set(attributes)


def test_a_browser_signs_in(guarded: PlainCaller) -> None:
    """It gets a cookie that scripts can't read and other sites can't have sent."""
    answer = sign_in(guarded)
    assert answer.status == 200
    assert answer.json() == {"id": ENTRY.id, "role": "operator", "names": ["mail"]}
    cookie, attributes = cookie_of(answer)
    assert attributes == {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"}
    assert guarded.post(CALL).status == 401
    assert guarded.post(CALL, Cookie=f"other=1; {cookie}").status == 200
    assert guarded.post(CALL, Cookie=cookie, Origin=guarded.url).status == 200


def test_behind_tls_the_cookie_is_secure(guarded: PlainCaller) -> None:
    """Also when a proxy speaks TLS for the manager: the browser's origin says so."""
    answer = sign_in(guarded, Host=PUBLIC, Origin=f"https://{PUBLIC}")
    assert "Secure" in cookie_of(answer)[1]


def test_a_cookie_counts_only_from_this_managers_pages(guarded: PlainCaller) -> None:
    """Not from another origin (CSRF), and not under a name that was made to lead here."""
    cookie, _ = cookie_of(sign_in(guarded))
    assert guarded.post(CALL, Cookie=cookie, Origin="http://127.0.0.1:1").status == 403
    assert guarded.post(CALL, Cookie=cookie, Origin="null").status == 403
    assert guarded.post(CALL, Cookie=cookie, Host="evil.example").status == 403
    # What a form of another page can send without being asked.
    assert guarded.post(CALL, Cookie=cookie, Content_Type="text/plain").status == 415


def test_what_a_cookie_allows_is_what_its_token_allows(guarded: PlainCaller) -> None:
    """No more than in the header; and the header goes first."""
    cookie, _ = cookie_of(sign_in(guarded))
    call = CALL.replace("workers", "claim")
    assert guarded.post(call, Cookie=cookie).json()["error"]["code"] == -32007
    assert guarded.post(CALL, Cookie=cookie, Authorization="Bearer x").status == 401


def test_a_browser_signs_out(guarded: PlainCaller) -> None:
    """The cookie is taken away."""
    answer = guarded.post("", "/sign-out")
    assert answer.status == 204
    cookie, attributes = cookie_of(answer)
    assert cookie == 'jsonrpc-qm=""'
    assert {"Max-Age=0", "Path=/", "HttpOnly", "SameSite=Strict"} <= attributes


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ('{"token": "nope"}', {}, 401),
        ('{"token": 1}', {}, 400),
        ("{", {}, 400),
        ("[" * 2000, {}, 400),
        ("", {}, 400),
        ('{"token": "' + "x" * 5000 + '"}', {}, 413),
        ("good", {"Content-Type": "text/plain"}, 415),
        ("good", {"Origin": "http://evil.example"}, 403),
        ("good", {"Host": "evil.example"}, 403),
    ],
)
def test_who_does_not_sign_in_gets_no_cookie(
    guarded: PlainCaller, body: str, headers: dict[str, str], status: int
) -> None:
    """Wrong tokens, no tokens, and other pages that try to sign a visitor in."""
    text = json.dumps({"token": TOKEN}) if body == "good" else body
    answer = guarded.post(text, "/sign-in", **headers)
    assert answer.status == status
    assert "Set-Cookie" not in answer.headers


def test_without_tokens_there_is_nothing_to_sign_in_to(open_manager: PlainCaller) -> None:
    """A page can tell so that no token is asked for."""
    assert sign_in(open_manager).status == 404


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere"])
def test_browsers_are_told_to_be_strict(open_manager: PlainCaller, path: str) -> None:
    """Nothing but this manager's own scripts and styles, in no other page's frame."""
    headers = open_manager.post("", path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_what_tells_of_tasks_needs_a_token_that_reads(guarded: PlainCaller) -> None:
    """Metrics and events; the page itself and what asks whether a manager is well do not.

    Metrics tell of all names, so they need one that reaches to all.
    """
    for path, status in [("/metrics", 401), ("/events", 401), ("/", 200), ("/health", 200)]:
        assert get(guarded, path) == status, path
    assert get(guarded, "/page/version/main.js") == 404
    for token, status in [(READER, 200), (TOKEN, 403), (WORKER, 403)]:
        assert get(guarded, "/metrics", Authorization=f"Bearer {token}") == status
    cookie, _ = cookie_of(sign_in(guarded, READER))
    assert get(guarded, "/metrics", Cookie=cookie) == 200
    assert get(guarded, "/metrics", Cookie=cookie, Host="evil.example") == 403


def get(caller: PlainCaller, path: str, **headers: str) -> int:
    """The status of a GET."""
    caller.connection.request("GET", path, headers=headers)
    response = caller.connection.getresponse()
    response.read()
    return response.status


def test_other_paths_need_a_token_that_reads(guarded: PlainCaller) -> None:
    """Whatever is there or not."""
    assert guarded.post("", "/nowhere").status == 401
    assert guarded.post("", "/nowhere", Authorization=f"Bearer {TOKEN}").status == 404
