"""When a connection to a server counts as lost, though nobody has said so."""

import socket

USER_TIMEOUT = 10_000
"""Milliseconds that sent data may stay unacknowledged."""

IDLE, INTERVAL, COUNT = 10, 5, 3
"""Seconds of silence before the other machine is asked whether it is there, seconds between two
such questions, and how many it may leave unanswered."""

OPTIONS: dict[int, int] = {
    getattr(socket, name): value
    for name, value in {
        "TCP_USER_TIMEOUT": USER_TIMEOUT,
        "TCP_KEEPIDLE": IDLE,
        "TCP_KEEPINTVL": INTERVAL,
        "TCP_KEEPCNT": COUNT,
    }.items()
    # Not every system has all of them.
    if hasattr(socket, name)
}
"""The same as options of a TCP socket that has SO_KEEPALIVE."""
