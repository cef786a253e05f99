"""Claims sent as notifications: whoever sent them gets no answer, so they take nothing."""

import pytest

from tests.server.callers import Caller

METHODS = {
    "claim": {"names": ["mail"], "wait": 5},
    "report": {"outcomes": [], "names": ["mail"]},
}


@pytest.mark.parametrize("method", METHODS)
async def test_a_notification_claims_nothing(call: Caller, method: str) -> None:
    """The task is there for the next one who asks, as often as it is tried."""
    body = {"jsonrpc": "2.0", "method": method, "params": METHODS[method]}
    task = await call("queue", "mail")
    assert await call.send(body) is None
    assert await call.send([body, body]) is None
    [claimed] = await call("claim", ["mail"], None, 1, 0)
    assert (claimed["id"], claimed["attempts"]) == (task["id"], 1)


async def test_the_outcomes_of_a_notified_report_count(call: Caller) -> None:
    """It only claims nothing."""
    await call("queue", "mail")
    [task] = await call("claim", ["mail"], None, 1, 0)
    outcome = {"id": task["id"], "token": task["token"], "status": "completed"}
    params = {"outcomes": [outcome], "names": ["mail"]}
    assert await call.send({"jsonrpc": "2.0", "method": "report", "params": params}) is None
    assert (await call("get_task", task["id"]))["status"] == "completed"
