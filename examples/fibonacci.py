"""An app in one file: a queue, its workers and its first task.

    python fibonacci.py

runs manager and workers in this one process, until Ctrl-C. The same file serves when they are to be
processes of their own, on one machine or on many:

    jsonrpc-qm serve fibonacci:qm       # in one terminal: the manager
    jsonrpc-qm work fibonacci:qm        # in another: workers; start as many as you like
    jsonrpc-qm queue fibonacci '{"n": 30}' --wait
"""

from jsonrpc_qm import Fail, QueueManager, Task, Worker

# Tasks are kept in the SQLite file jsonrpc-qm.db in the current folder.
qm = QueueManager()


@qm.worker("fibonacci")
class Fibonacci(Worker):
    """Computes a Fibonacci number. A plain or async function would do as well."""

    def run(self, n: int) -> int:
        """Members of the task's parameters arrive as arguments; what is returned is its result."""
        if not isinstance(n, int) or n < 0:
            # Any exception fails the attempt, which is tried again later. This one is final.
            raise Fail(f"n is a whole number from 0 on, not {n!r}")
        number, following = 0, 1
        for _ in range(n):
            number, following = following, number + following
        return number

    def handle_result(self, task: Task) -> None:
        """Called after the result is stored: at least once, also if a worker dies in between."""
        print(f"fibonacci({task.parameters['n']}) = {task.result}", flush=True)


if __name__ == "__main__":
    # On stable storage when this returns; a worker has it as soon as there is one.
    qm.queue("fibonacci", {"n": 30})
    qm.run()  # says where the manager listens; Ctrl-C stops it
