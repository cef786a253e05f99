"""HTTP's own faults have HTTP's own codes; everything else rides on 200."""

import gzip
from collections.abc import AsyncIterator

import pytest

from jsonrpc_qm.server.running import Settings
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import JSON, Caller
from tests.server.plain import PlainCaller

WORKERS = '{"jsonrpc": "2.0", "method": "workers", "id": 1}'


@pytest.fixture
def storage() -> Storage:
    """HTTP does not care where tasks are."""
    return MemoryStorage()


@pytest.mark.parametrize("path", ["/page/", "/rpc/", "/RPC", "/rpc/x", "/favicon.ico"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_other_paths_are_not_found(call: Caller, path: str, method: str) -> None:
    """Calls have one, and the dashboard has its own."""
    async with call.session.request(
        method, call.url + path, data=WORKERS if method == "POST" else None, headers=JSON
    ) as response:
        assert response.status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(call: Caller, method: str) -> None:
    """405 says which one is."""
    async with call.session.request(method, call.url + "/rpc") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", "json"],
)
async def test_other_content_types_are_unsupported(call: Caller, kind: str) -> None:
    """A page of another origin can send these without being asked for its origin."""
    assert (await call.post(WORKERS, Content_Type=kind)).status == 415


async def test_a_body_without_a_content_type_is_unsupported(call: Caller) -> None:
    """Nothing is guessed."""
    async with call.session.post(
        call.url + "/rpc", data=WORKERS.encode(), skip_auto_headers=["Content-Type"]
    ) as response:
        assert response.status == 415


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=x"]
)
async def test_json_may_say_more_of_itself(call: Caller, kind: str) -> None:
    """Parameters of the content type do not matter: JSON is UTF-8."""
    assert (await call.post(WORKERS, Content_Type=kind)).json()["result"] == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:1",
        "null",
        "",
        "file://",
        "nonsense",
        "http://[::1",
    ],
)
async def test_a_browsers_foreign_origin_is_forbidden(call: Caller, origin: str) -> None:
    """A page that a browser shows may not call the manager of whoever looks at it."""
    assert (await call.post(WORKERS, Origin=origin)).status == 403


async def test_a_browsers_own_origin_is_welcome(call: Caller) -> None:
    """A page that this manager has served may call it."""
    assert (await call.post(WORKERS, Origin=call.url)).status == 200


async def test_every_json_rpc_error_rides_on_200(call: Caller) -> None:
    """Errors too are answers."""
    bodies = ["{", "{}", "[]", WORKERS.replace("workers", "nope"), WORKERS.replace("1", "[]")]
    for body in bodies:
        answer = await call.post(body)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("application/json")


async def test_a_compressed_body_is_read(call: Caller) -> None:
    """What HTTP offers for bodies works."""
    answer = await call.post(gzip.compress(WORKERS.encode()), Content_Encoding="gzip")
    assert answer.json()["result"] == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_is_not_compressed_as_it_says_is_a_bad_request(
    call: Caller, encoding: str
) -> None:
    """That is HTTP's own fault, and the caller's."""
    answer = await call.post(WORKERS, Content_Encoding=encoding)
    assert answer.status == 400
    assert "Content-Encoding" in answer.json()["error"]
    assert (await call.post(WORKERS)).status == 200


class TestAServerWithASmallBody:
    """Settings(max_body=1000)."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Bodies of up to 1000 bytes."""
        return Settings(port=0, max_body=1000)

    @pytest.mark.parametrize("excess", [1, 5_000, 5_000_000])
    async def test_a_larger_body_is_too_large(self, call: Caller, excess: int) -> None:
        """413, and the manager goes on."""
        fits = WORKERS.ljust(1000)
        assert (await call.post(fits)).status == 200
        assert (await call.post(WORKERS.ljust(1000 + excess))).status == 413
        assert (await call.post(fits)).status == 200

    async def test_a_body_that_does_not_tell_its_length_is_measured_too(self, call: Caller) -> None:
        """Chunks are counted as they come."""

        async def chunks(count: int) -> AsyncIterator[bytes]:
            yield WORKERS.encode()
            for _ in range(count):
                yield b" " * 100

        for count, status in [(5, 200), (10, 413), (1000, 413)]:
            async with call.session.post(
                call.url + "/rpc", data=chunks(count), headers=JSON
            ) as response:
                assert response.status == status

    async def test_a_body_counts_as_large_as_it_unpacks(self, call: Caller) -> None:
        """A few compressed bytes are no way around the limit."""
        packed = gzip.compress(b" " * 200_000)
        assert len(packed) < 1000
        assert (await call.post(packed, Content_Encoding="gzip")).status == 413


async def test_a_body_has_16_mebibytes_by_default(call: Caller) -> None:
    """As protocol.md says; the last byte still fits."""
    most = 16 * 1024 * 1024
    assert (await call.post(WORKERS.ljust(most))).status == 200
    assert (await call.post(WORKERS.ljust(most + 1))).status == 413


def test_a_connection_serves_many_calls(shared: PlainCaller) -> None:
    """HTTP/1.1 keep-alive: clients need no new connection for each call."""
    assert shared("workers") == []
    socket = shared.connection.sock
    assert socket is not None
    for body in (WORKERS, "{", "[]", WORKERS.replace("workers", "nope")):
        shared.post(body)
        assert shared.connection.sock is socket
