"""Makes calls, each on a connection of its own, and prints the answers as they come.

Arguments: the manager's URL, and a JSON array of objects with `method`, `params`, and `close` for a
connection that the manager is to close after its answer.
"""

import json
import sys
from http.client import HTTPConnection
from selectors import EVENT_READ, DefaultSelector
from urllib.parse import urlsplit


def main(url: str, calls: str) -> None:
    selector = DefaultSelector()
    for call in json.loads(calls):
        connection = HTTPConnection(urlsplit(url).netloc)
        body = {"jsonrpc": "2.0", "id": 1, "method": call["method"], "params": call["params"]}
        headers = {"Content-Type": "application/json"}
        if call.get("close"):
            headers["Connection"] = "close"
        connection.request("POST", "/rpc", json.dumps(body), headers)
        selector.register(connection.sock, EVENT_READ, connection)
    while selector.get_map():
        for key, _ in selector.select():
            selector.unregister(key.fileobj)
            print(key.data.getresponse().read().decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
