"""How threads end that may wait for a storage."""

import asyncio
import logging
import threading
from collections.abc import Sequence

logger = logging.getLogger("jsonrpc_qm.server")

END_SECONDS = 5.0
"""How long threads may take to end."""


async def ended(threads: Sequence[threading.Thread]) -> None:
    """Wait until threads have ended; those that a storage does not answer are left behind.

    They must be daemons, which keep no process from ending.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + END_SECONDS
    for thread in threads:
        await loop.run_in_executor(None, thread.join, max(0.0, deadline - loop.time()))
        if thread.is_alive():
            logger.warning("%s is left behind: the storage does not answer", thread.name)
