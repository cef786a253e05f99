"""What a program may say of a manager that it runs, for those who check types."""

import os
from collections.abc import Sequence
from typing import TypedDict


class ManagerOptions(TypedDict, total=False):
    """The fields of `jsonrpc_qm.server.running.Settings`, which describes them.

    Files may be paths.
    """

    host: str
    port: int
    max_body: int
    max_payload: int
    keep_completed: float | None
    keep_failed: float | None
    tokens: str | os.PathLike[str] | None
    allow_anyone: bool
    public_host: Sequence[str]
    tls_cert: str | os.PathLike[str] | None
    tls_key: str | os.PathLike[str] | None
    tls_ca: str | os.PathLike[str] | None
    max_connections: int
    max_connections_per_client: int
    max_waiting_claims: int
    max_waiting_per_client: int
    max_queued: int | None
    max_queued_per_name: int | None
