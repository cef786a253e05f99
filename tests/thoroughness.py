"""How many examples the tests of properties try."""

import os

VARIABLE = "JSONRPC_QM_TEST_TIMES"
"""A whole number: so many times as many as otherwise, at night for one."""

TIMES = int(os.environ.get(VARIABLE, "1"))


def examples(usual: int) -> int:
    """How many to try where `usual` is enough for every run."""
    return usual * TIMES
