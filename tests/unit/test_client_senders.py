"""Both clients over a socket, in fair weather and foul."""

import errno
import os
import socket
from threading import Event, Timer
from typing import Any

import pytest

from jsonrpc_qm.client.protocol import ANSWER_LOST
from jsonrpc_qm.errors import (
    InvalidParams,
    QueueError,
    TaskNotFound,
    TooLarge,
    Unavailable,
)
from tests.unit.client_stub import (
    TASK,
    AsyncCaller,
    Connect,
    FakeManager,
    LongPoll,
    Play,
    body,
    break_off,
    error,
    hang_up,
    not_http,
    result,
    status,
)

UNAVAILABLE = error(-32006, "Unavailable", {"retry_after": 0.01})
LOST = [hang_up, break_off, not_http, status(502), status(504)]
LOST_IDS = ["hang up", "break off", "not HTTP", "502", "504"]
UNDONE = [UNAVAILABLE, status(503), status(429)]
UNDONE_IDS = ["Unavailable", "503", "429"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_calls_are_posted_as_json_to_rpc(manager: FakeManager, connect: Connect) -> None:
    """Below the URL's path, whatever slashes it ends with."""
    for url in (manager.url, f"{manager.url}/", f"{manager.url}/queue/"):
        connect(url).do("get_task", "x")
    assert [received.path for received in manager.requests] == ["/rpc", "/rpc", "/queue/rpc"]
    headers = manager.requests[0].headers
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("jsonrpc-qm/")


def test_credentials_of_the_url_are_sent(manager: FakeManager, connect: Connect) -> None:
    """For a manager behind a proxy that asks for them."""
    connect(manager.url.replace("//", "//jo:secret@")).do("get_task", "x")
    assert manager.requests[0].headers["Authorization"] == "Basic am86c2VjcmV0"


def test_a_connection_is_used_again(manager: FakeManager, connect: Connect) -> None:
    """Also after a refusal."""
    caller = connect(manager.url)
    manager.will(result(TASK), error(-32001, "Task not found", {"id": "x"}), result(TASK))
    caller.do("get_task", "x")
    with pytest.raises(TaskNotFound):
        caller.do("get_task", "x")
    caller.do("get_task", "x")
    assert len({received.port for received in manager.requests}) == 1


def test_a_refusal_is_not_tried_again(manager: FakeManager, connect: Connect) -> None:
    """It would end alike."""
    for play in (error(-32602, "Invalid params"), status(404), status(500), body(b"<html>")):
        manager.will(play)
        with pytest.raises(QueueError):
            connect(manager.url).do("queue", "a")
    assert len(manager.requests) == 4


@pytest.mark.parametrize("fault", LOST + UNDONE, ids=LOST_IDS + UNDONE_IDS)
def test_a_call_that_is_safe_to_repeat_is_sent_again_as_it_was(
    manager: FakeManager, connect: Connect, fault: Play
) -> None:
    """The same bytes, so the same id: the manager can tell."""
    manager.will(fault, fault, result(TASK))
    assert connect(manager.url).do("queue", "a", {"n": 1}).id == TASK["id"]
    first, second, third = manager.requests
    assert first.params["id"]
    assert first.body == second.body == third.body


@pytest.mark.parametrize("fault", LOST, ids=LOST_IDS)
@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("retry", ("x",)), ("delete_task", ("x",)), ("call", ("queue", ["a"]))],
)
def test_a_call_that_may_have_been_done_and_is_not_safe_to_repeat_is_not(
    manager: FakeManager, connect: Connect, fault: Play, verb: str, arguments: tuple[Any, ...]
) -> None:
    """It says that it may have been carried out."""
    manager.will(fault)
    with pytest.raises(Unavailable) as caught:
        connect(manager.url).do(verb, *arguments)
    assert caught.value.data[ANSWER_LOST] is True
    assert len(manager.requests) == 1


@pytest.mark.parametrize("fault", UNDONE, ids=UNDONE_IDS)
def test_where_nothing_was_done_every_call_is_sent_again(
    manager: FakeManager, connect: Connect, fault: Play
) -> None:
    """Nothing can happen twice."""
    manager.will(fault, result(TASK))
    assert connect(manager.url).do("retry", "x").id == TASK["id"]


@pytest.mark.parametrize("fault", LOST + UNDONE, ids=LOST_IDS + UNDONE_IDS)
def test_without_retries_the_first_failure_is_raised(
    manager: FakeManager, connect: Connect, fault: Play
) -> None:
    """As one line with the manager's address."""
    manager.will(fault)
    with pytest.raises(Unavailable, match=manager.url) as caught:
        connect(manager.url, retry_for=0).do("queue", "a")
    assert "\n" not in str(caught.value)
    assert len(manager.requests) == 1


def test_retries_end_when_their_time_is_up(manager: FakeManager, connect: Connect) -> None:
    """Then the last failure is raised."""
    manager.usual = hang_up
    with pytest.raises(Unavailable, match="may have been carried out"):
        connect(manager.url, retry_for=0.3).do("queue", "a")
    assert len(manager.requests) >= 2


def test_a_manager_that_is_not_there_is_one_clear_line(connect: Connect) -> None:
    """Its address, and what the system says."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable) as caught:
        connect(url, retry_for=0).do("stats")
    reason = os.strerror(errno.ECONNREFUSED).lower()
    assert str(caught.value) == f"Unavailable: no manager answers at {url} ({reason})"
    assert not caught.value.data


def test_a_name_that_is_not_known_is_one_clear_line(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver's words."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unavailable) as caught:
        connect("http://nowhere.example", retry_for=0).do("stats")
    assert str(caught.value) == (
        "Unavailable: no manager answers at http://nowhere.example (name or service not known)"
    )


def test_a_manager_that_comes_back_in_time_gets_the_call(connect: Connect) -> None:
    """Even one that is not safe to repeat, since nothing was sent."""
    port = free_port()
    manager = FakeManager(port)
    starting = Timer(0.2, manager.__enter__)
    starting.start()
    try:
        assert connect(f"http://127.0.0.1:{port}").do("retry", "x").id == TASK["id"]
    finally:
        starting.join()
        manager.__exit__()


def test_the_next_manager_gets_the_call_that_the_first_does_not_answer(
    manager: FakeManager, connect: Connect
) -> None:
    """At once, and those that follow go there directly."""
    caller = connect(f"http://127.0.0.1:{free_port()}, {manager.url}", retry_for=0)
    for _ in range(3):
        assert caller.do("retry", "x").id == TASK["id"]
    assert len(manager.requests) == 3


@pytest.mark.parametrize("fault", LOST + UNDONE, ids=LOST_IDS + UNDONE_IDS)
def test_a_client_stays_with_the_manager_it_has_moved_on_to(
    manager: FakeManager, connect: Connect, fault: Play
) -> None:
    """Until that one fails as well; then it goes on to the next, and from the last to the first."""
    with FakeManager() as other:
        caller = connect(f"{manager.url},{other.url}", retry_for=0)
        manager.will(fault)
        for _ in range(3):
            caller.do("queue", "a")
        assert (len(manager.requests), len(other.requests)) == (1, 3)
        assert manager.requests[0].body == other.requests[0].body
        other.will(fault)
        caller.do("queue", "a")
        caller.do("queue", "a")
        assert (len(manager.requests), len(other.requests)) == (3, 4)


def test_a_call_that_may_have_been_done_is_not_sent_to_the_next_manager(
    manager: FakeManager, connect: Connect
) -> None:
    """They share a storage; but the next call is theirs."""
    with FakeManager() as other:
        caller = connect(f"{manager.url},{other.url}")
        manager.will(hang_up)
        with pytest.raises(Unavailable, match="may have been carried out"):
            caller.do("retry", "x")
        assert not other.requests
        caller.do("retry", "x")
        assert len(other.requests) == 1


def test_each_manager_is_tried_once_when_there_are_no_retries(connect: Connect) -> None:
    """The last one's words are raised."""
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    with pytest.raises(Unavailable, match=urls[1]):
        connect(",".join(urls), retry_for=0).do("stats")


def test_each_manager_gets_its_own_credentials(manager: FakeManager, connect: Connect) -> None:
    """And never those of another."""
    with FakeManager() as other:
        urls = [manager.url.replace("//", "//jo:secret@"), other.url]
        caller = connect(",".join(urls))
        manager.will(status(503))
        caller.do("stats")
    assert manager.requests[0].headers["Authorization"] == "Basic am86c2VjcmV0"
    assert "Authorization" not in other.requests[0].headers


def test_a_silent_manager_is_given_up_after_the_timeout(
    manager: FakeManager, connect: Connect
) -> None:
    """And is hung up on, so that it need not answer any more."""
    poll = LongPoll()
    manager.will(poll)
    with pytest.raises(Unavailable, match=r"\(time is up\)") as caught:
        connect(manager.url, timeout=0.1, retry_for=0).do("stats")
    assert caught.value.data == {ANSWER_LOST: True}
    assert poll.gone.wait(5)


def test_a_long_poll_is_given_its_wait_on_top_of_the_timeout(
    manager: FakeManager, connect: Connect
) -> None:
    """The manager answers at the end of it."""

    def late(handler: Any, received: Any) -> None:
        Event().wait(0.5)
        result([])(handler, received)

    manager.will(late)
    assert connect(manager.url, timeout=0.2, retry_for=0).do("claim", ["a"], wait=0.5) == []


def test_a_body_too_large_for_a_proxy_is_too_large(manager: FakeManager, connect: Connect) -> None:
    """As if the manager had said so."""
    manager.will(status(413))
    with pytest.raises(TooLarge, match="413"):
        connect(manager.url).do("queue", "a", "x" * 1000)


def test_a_redirect_is_not_followed(manager: FakeManager, connect: Connect) -> None:
    """It says where to."""
    manager.will(status(308, Location="https://example.org/queue"))
    with pytest.raises(QueueError, match=r"moved to https://example\.org/queue"):
        connect(manager.url).do("queue", "a")
    assert len(manager.requests) == 1


def test_tls_trouble_is_not_tried_again(manager: FakeManager, connect: Connect) -> None:
    """The other side speaks plain HTTP, and will go on to."""
    url = manager.url.replace("http", "https")
    with pytest.raises(QueueError, match=f"no secure connection to {url}: ") as caught:
        connect(url).do("stats")
    assert type(caught.value) is QueueError


def test_nothing_is_sent_that_has_no_json_form(manager: FakeManager, connect: Connect) -> None:
    """The caller's mistake is told to the caller."""
    with pytest.raises(InvalidParams, match="parameters: "):
        connect(manager.url).do("queue", "a", float("nan"))
    assert not manager.requests


def test_a_bad_url_is_refused_when_the_client_is_made(connect: Connect) -> None:
    """Not when it is first used."""
    for url in ("localhost:8642", "http://" + "a" * 70):
        with pytest.raises(InvalidParams, match="url: "):
            connect(url)


def test_a_closed_client_sends_nothing(manager: FakeManager, connect: Connect) -> None:
    """And closing it twice is fine."""
    caller = connect(manager.url)
    caller.do("get_task", "x")
    caller.do("close") if isinstance(caller, AsyncCaller) else caller.close()
    with pytest.raises(QueueError, match="this client is closed"):
        caller.do("get_task", "x")
    assert len(manager.requests) == 1
