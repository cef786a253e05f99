"""What becomes of what comes back."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from urllib3 import HTTPHeaderDict

from jsonrpc_qm.client import calls
from jsonrpc_qm.client.protocol import ANSWER_LOST, Endpoint, Reply, read
from jsonrpc_qm.errors import (
    BY_CODE,
    Conflict,
    Forbidden,
    InvalidParams,
    QueueError,
    TooLarge,
    Unavailable,
)

HERE = Endpoint.of("http://queue.example:8642")


def reply(body: bytes | Any, status: int = 200, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, HTTPHeaderDict(headers), content)


def refusal(error: Any) -> QueueError:
    with pytest.raises(QueueError) as caught:
        read(calls.stats(), HERE, reply({"jsonrpc": "2.0", "error": error, "id": 1}))
    return caught.value


@pytest.mark.parametrize("code", BY_CODE)
def test_each_code_becomes_its_error_with_its_data(code: int) -> None:
    """The class of errors.BY_CODE, and the data as the manager sent it."""
    data = {"id": "a", "status": "queued"}
    error = refusal({"code": code, "message": BY_CODE[code].message, "data": data})
    assert type(error) is BY_CODE[code]
    assert error.data == data


def test_an_unknown_code_becomes_a_queue_error_that_says_so() -> None:
    """A newer manager may have errors that this client does not know."""
    error = refusal({"code": -32099, "message": "Out of coffee", "data": {"cups": 0}})
    assert type(error) is QueueError
    assert str(error) == "Out of coffee (code -32099)"
    assert error.data == {"cups": 0}


def test_data_that_is_no_object_is_kept() -> None:
    """JSON-RPC allows any value there."""
    assert refusal({"code": -32603, "message": "Internal error", "data": [1]}).data == {"data": [1]}
    assert refusal({"code": -32603, "message": "Internal error"}).data == {}


def test_errors_read_as_one_line_for_people() -> None:
    """With the param and the reason, or the task, or where the manager is."""
    invalid = {"param": "priority", "reason": "expected an integer"}
    assert str(refusal({"code": -32602, "message": "Invalid params", "data": invalid})) == (
        "Invalid params: priority: expected an integer"
    )
    assert str(refusal({"code": -32003, "message": "Conflict", "data": {"id": "a"}})) == (
        f"{Conflict.message}: id: a"
    )
    assert str(refusal({"code": -32601, "message": "Method not found", "data": "x"})) == (
        "Method not found: x"
    )
    away = refusal({"code": -32006, "message": "Unavailable", "data": {"retry_after": 2.0}})
    assert "http://queue.example:8642" in str(away)
    assert away.data == {"retry_after": 2.0}
    full = {"retry_after": 1.0, "reason": "9 tasks are queued, which is the limit"}
    assert str(refusal({"code": -32006, "message": "Unavailable", "data": full})) == (
        "Unavailable: http://queue.example:8642: 9 tasks are queued, which is the limit"
    )


def test_a_result_is_read_as_its_type() -> None:
    """Unknown members of a newer manager do no harm."""
    worker = {
        "worker": "w1",
        "names": ["a"],
        "last_seen": "2026-03-01T10:00:00.000000Z",
        "running": 2,
        "drain": False,
        "mood": "fine",
    }
    (info,) = read(calls.workers(), HERE, reply({"result": [worker], "id": 1}))
    assert (info.worker, info.running) == ("w1", 2)
    assert info.last_seen == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_null_result_is_a_value_where_any_is_allowed() -> None:
    """It is not mistaken for no result."""
    assert read(calls.raw("x", None), HERE, reply({"jsonrpc": "2.0", "result": None})) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Welcome to the hotel's WLAN</html>",
        b"\xff\xfe",
        b'{"jsonrpc": "2.0", "result": {"nam',
        b"[]",
        b'{"jsonrpc": "2.0", "id": 1}',
        b'{"jsonrpc": "2.0", "result": "no task", "id": 1}',
        b'{"jsonrpc": "2.0", "error": "no object", "id": 1}',
        b'{"result": {"id": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_answer_gives_one_error_that_says_where_from(body: bytes) -> None:
    """Never a decoder's error, and never one that is worth another try."""
    with pytest.raises(QueueError, match=r"http://queue\.example:8642/rpc") as caught:
        read(calls.get_task("a", 0.0), HERE, reply(body))
    assert type(caught.value) is QueueError
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, QueueError),
        (307, QueueError),
        (400, QueueError),
        (401, Forbidden),
        (403, Forbidden),
        (404, QueueError),
        (405, QueueError),
        (413, TooLarge),
        (415, QueueError),
        (429, Unavailable),
        (500, QueueError),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (599, QueueError),
    ],
)
def test_each_fault_of_http_is_one_typed_error_with_place_and_status(
    status: int, kind: type[QueueError]
) -> None:
    """Whatever page a proxy sends along."""
    with pytest.raises(
        QueueError, match=rf"http://queue\.example:8642/rpc answered HTTP {status}"
    ) as caught:
        read(calls.stats(), HERE, reply(b"<html>no</html>", status))
    assert type(caught.value) is kind


def test_too_large_says_how_large() -> None:
    """The limit is the other side's secret."""
    call = calls.queue("a", "x" * 5000)
    with pytest.raises(TooLarge) as caught:
        read(call, HERE, reply(b"", 413))
    assert caught.value.data == {"size": len(call.body)}


def test_a_redirect_says_where_to() -> None:
    """It is not followed: a POST would become a GET."""
    with pytest.raises(QueueError, match=r"moved to https://queue\.example/"):
        read(calls.stats(), HERE, reply(b"", 301, Location="https://queue.example/"))


def test_only_a_gateways_faults_leave_open_what_became_of_the_call() -> None:
    """503 and 429 mean that it was not passed on."""
    lost = {}
    for status in (429, 502, 503, 504):
        with pytest.raises(Unavailable) as caught:
            read(calls.stats(), HERE, reply(b"", status, Retry_After="x"))
        lost[status] = caught.value.data.get(ANSWER_LOST, False)
    assert lost == {429: False, 502: True, 503: False, 504: True}


def test_a_proxys_retry_after_is_kept() -> None:
    """Seconds only; a date is taken for nothing."""

    def asked(header: str) -> Any:
        with pytest.raises(Unavailable) as caught:
            read(calls.stats(), HERE, reply(b"", 503, **{"retry-after": header}))
        return caught.value.data.get("retry_after")

    assert asked("7") == 7.0
    assert asked("Fri, 31 Dec 2027 23:59:59 GMT") is None


@pytest.mark.parametrize(
    ("url", "rpc_url"),
    [
        ("http://127.0.0.1:8642", "http://127.0.0.1:8642/rpc"),
        ("http://127.0.0.1:8642/", "http://127.0.0.1:8642/rpc"),
        ("https://example.org/queue", "https://example.org/queue/rpc"),
        ("https://example.org/queue//", "https://example.org/queue/rpc"),
        ("http://[::1]:8642", "http://[::1]:8642/rpc"),
        ("HTTP://Example.org", "http://example.org/rpc"),
    ],
)
def test_the_endpoint_is_the_url_and_rpc(url: str, rpc_url: str) -> None:
    """Behind a path too; slashes at the end do not matter."""
    assert Endpoint.of(url).rpc_url == rpc_url


def test_credentials_become_a_header_and_stay_out_of_messages() -> None:
    """HTTP basic authentication (RFC 7617), percent-decoded."""
    endpoint = Endpoint.of("https://jo:s%40fe@example.org/q")
    assert endpoint.headers["Authorization"] == "Basic am86c0BmZQ=="
    assert (endpoint.url, endpoint.rpc_url) == (
        "https://example.org/q",
        "https://example.org/q/rpc",
    )
    assert "Authorization" not in HERE.headers
    with pytest.raises(InvalidParams) as caught:
        Endpoint.of("https://jo:s%40fe@example.org/?x")
    assert "fe@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8642",
        "localhost",
        "ftp://example.org",
        "http://",
        "http://:8642",
        "http://example.org:port",
        "http://example.org:99999",
        "http://exa mple.org",
        "http://example.org\n",
        "http://[::1",
        "http://a..b",
        "http://a%b",
        "http://a|b",
        "http://a:1,http://b:1",
        "http://example.org?x=1",
        "http://example.org#top",
        None,
        8642,
    ],
)
def test_a_bad_url_is_one_clear_error(url: Any) -> None:
    """When the client is made, not when it is first used."""
    with pytest.raises(InvalidParams, match="url: ") as caught:
        Endpoint.of(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["sec/ret", "sec#ret", "sec\u2100ret", "se[cret", "12/secret", "sec?ret"]
)
def test_a_password_that_is_not_encoded_is_in_no_message(password: str) -> None:
    """Nor a part of it, whatever else of the URL it is taken for."""
    with pytest.raises(InvalidParams) as refused:
        Endpoint.of(f"http://jo:{password}@there:1")
    assert not re.search("sec|ret|12", str(refused.value))
