"""Keeps several worker processes running."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from queue import Empty, SimpleQueue
from time import monotonic
from types import FrameType
from typing import Any

from jsonrpc_qm.retry import Backoff, backoff_seconds
from jsonrpc_qm.worker.main import ABANDON_SIGNAL, RECYCLED, STOP_SIGNALS, leave
from jsonrpc_qm.worker.runner import Ending

logger = logging.getLogger("jsonrpc_qm.worker")

RESTARTS = Backoff(base=0.5, factor=2, max=30, jitter=0.25)
SETTLED = 30.0
"""Seconds after which a process counts as well started."""
OVERTIME = 10.0
"""Seconds beyond the grace after which a process that has not ended is killed."""
"""
