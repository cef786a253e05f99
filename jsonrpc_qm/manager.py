"""The main object of the Python face: queue, look, register workers, run."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Unpack

import msgspec

from jsonrpc_qm.client.calls import Call
from jsonrpc_qm.client.verbs import Verbs
from jsonrpc_qm.errors import MethodNotFound
from jsonrpc_qm.rpc.checking import Checker
from jsonrpc_qm.rpc.manager import LocalManager, finished
from jsonrpc_qm.rpc.methods import METHODS
from jsonrpc_qm.rpc.methods import Call as LocalCall
from jsonrpc_qm.server.options import ManagerOptions
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.sqlite import DEFAULT_PATH, SqliteStorage
from jsonrpc_qm.storage.urls import open_storage
from jsonrpc_qm.worker.base import FunctionWorker, PoolName, Worker, check_pool
from jsonrpc_qm.worker.options import WorkerOptions

STORAGE_VARIABLE = "JSONRPC_QM_STORAGE"
"""Has the URL of the storage of managers that are given none."""

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class _Request(msgspec.Struct):
    params: msgspec.Raw = msgspec.Raw(b"")


_params_of = msgspec.json.Decoder(_Request).decode


class RunOptions(ManagerOptions, WorkerOptions, total=False):
    """What `run` takes."""


class QueueManager(Verbs):
    """A queue on a storage, and the workers of an app.

    Its verbs work on the storage directly, with or without a server running on the same one; a
    server on the same SQLite file sees a change within 100 ms. It may be shared by threads.

        qm = QueueManager()

        @qm.worker("add")
        def add(a, b):
            return a + b

        if __name__ == "__main__":
            qm.run()
    """

    def __init__(
        self,
        storage: Storage | str | os.PathLike[str] | None = None,
        *,
        registry: Mapping[str, Worker] | None = None,
    ) -> None:
        """Nothing is opened before it is needed.

        Args:
            storage: a storage; a URL for `open_storage`; or the path of an SQLite file. By default
                the URL in the variable JSONRPC_QM_STORAGE, and without that the SQLite file
                `jsonrpc-qm.db` in the current folder.
            registry: workers to begin with, by task name: the `registry` of another manager, where
                a test wants the same workers on a storage of its own. By default none.
        """
        if storage is None:
            storage = os.environ.get(STORAGE_VARIABLE) or Path(DEFAULT_PATH)
        self._given = storage
        self._manager: LocalManager | None = None
        self._registry = dict(registry or {})

    @property
    def storage(self) -> Storage:
        """The storage, opened when it was not yet."""
        return self._local().storage

    @property
    def registry(self) -> dict[str, Worker]:
        """The registered workers, by task name."""
        return self._registry

    def stores_in(self, url: str) -> bool:
        """Whether its storage is the one of this URL, which may have a password."""
        return url in (self._given, self.storage.url)

    def register_worker(
        self, name: str, worker: Worker | type[Worker] | Callable[..., Any], **options: Any
    ) -> None:
        """Have tasks of a name done by a Worker, a Worker class, or a plain or async function.

        `options` are those of FunctionWorker and go with functions only. A name that is registered
        again gets the new worker.

        Raises:
            TypeError: the name is no text, the worker none of these, or there is no such option.
            ValueError: an option, or an attribute of the Worker, has a wrong value.
        """
        _check_name(name)
        if isinstance(worker, type) and issubclass(worker, Worker):
            worker = worker()
        if not isinstance(worker, Worker):
            worker = FunctionWorker(worker, **options)
        elif options:
            raise TypeError("options go with a function; a Worker has attributes")
        if worker.pool is not None:
            check_pool(worker.pool)
        self.registry[name] = worker

    def worker(
        self,
        name: str,
        *,
        pool: PoolName | None = None,
        timeout: float | None = None,
        handle_result: Callable[..., Any] | None = None,
    ) -> Callable[[F], F]:
        """Decorate a function, plain or async, or a Worker class, that does the tasks of a name.

        Args:
            name: the task name; 1 to 200 characters.
            pool: "thread" or "process" for plain functions; see Worker.pool.
            timeout: seconds that one attempt may run; see Worker.timeout.
            handle_result: called with the completed task; see Worker.handle_result.

        Raises:
            TypeError, ValueError: as `register_worker`.
        """
        _check_name(name)
        given = {"pool": pool, "timeout": timeout, "handle_result": handle_result}
        options = {option: value for option, value in given.items() if value is not None}

        def register(worker: F) -> F:
            self.register_worker(name, worker, **options)
            return worker

        return register

    def run(self, **options: Unpack[RunOptions]) -> None:
        """Serve the queue over HTTP and run the workers, both in this process, until it is stopped.

            qm.run(port=8000, tokens="tokens.toml", concurrency=4)

        The workers here need no token. Where there are files of tokens or certificates, SIGHUP has
        them read again. A script that has set up no logging says and logs what `jsonrpc-qm serve`
        would.

        Args:
            options: RunOptions. What `jsonrpc-qm serve` takes, by the names of its options: the
                fields of `jsonrpc_qm.server.running.Settings`, with their defaults, sizes in bytes
                and durations in seconds; and what `work` takes, `concurrency` among it.

        Raises:
            SystemExit: it can't listen there, or can't use the storage; a line on stderr has said
                so, the exit code is 5, and the cause of this is the error itself. Or Ctrl-C came
                before the workers ran, or again after they had ended; the exit code is 130.
            InvalidParams: an option of the manager has a wrong value, or a file can't be used, or
                other machines could call and there are neither `tokens` nor `allow_anyone`.
            TypeError: there is no such option.
        """
        # Imported here: a script that only queues needs no HTTP server.
        from jsonrpc_qm.cli.logs import held_back, set_up_for_a_script
        from jsonrpc_qm.cli.script import ending_in_a_line, say_where
        from jsonrpc_qm.server.running import Settings, beside
        from jsonrpc_qm.worker.main import run_workers

        for_workers: dict[str, Any] = {**options}
        for_manager = for_workers.keys() & set(Settings.__struct_fields__)
        settings = Settings.of({name: for_workers.pop(name) for name in for_manager})
        with set_up_for_a_script() as speaks, ending_in_a_line():
            with held_back():
                storage = self.storage
            on_ready = partial(
                say_where,
                storage=storage,
                registry=self.registry,
                on_screen=speaks,
                has_tokens=settings.tokens is not None,
            )
            with beside(storage, settings, on_ready=on_ready) as source:
                run_workers(self.registry, source, **for_workers)

    def work(self, **options: Unpack[WorkerOptions]) -> None:
        """Run the workers on the storage itself, without a server, until the process is stopped.

        With `burst=True` until nothing is due: what tests of an app want.

        Args:
            options: WorkerOptions, what `jsonrpc_qm.worker.main.run_workers` takes.

        Raises:
            TypeError, ValueError: there is no such option, or it has a wrong value.
        """
        from jsonrpc_qm.cli.logs import set_up_for_a_script
        from jsonrpc_qm.worker.main import run_workers

        with set_up_for_a_script():
            run_workers(self.registry, lambda: _Borrowed(self), **options)

    def close(self) -> None:
        """Close the storage; the next verb opens it anew if it was given as a URL or a path."""
        if self._manager is not None:
            self._manager.storage.close()
            self._manager = None

    def _local(self) -> LocalManager:
        if self._manager is None:
            self._manager = LocalManager(_opened(self._given))
        return self._manager

    def _call(self) -> LocalCall:
        """What a method is to know of its caller."""
        return LocalCall()

    def _send(self, call: Call[T]) -> T:
        """Do here what a client would send: the same checks, the same answer."""
        method = METHODS.get(call.method)
        if method is None:
            raise MethodNotFound(call.method)
        params = Checker.of(method.params).read(bytes(_params_of(call.body).params))
        result = finished(method.handler(self._local(), self._call(), params))
        answer = call.decoder.decode(msgspec.json.encode({"result": result}))
        assert not isinstance(answer.result, msgspec.UnsetType)
        return answer.result


class _Borrowed(QueueManager):
    """The same manager for a runner, which closes what it was given."""

    def __init__(self, manager: QueueManager) -> None:
        self._given = manager._given
        self._manager = manager._local()
        self.closed = False
        self._registry = manager.registry

    def close(self) -> None:
        """End a waiting claim, and leave the storage to its owner."""
        self.closed = True

    def _call(self) -> LocalCall:
        return _CallOf(self)


class _CallOf(LocalCall):
    """A call that waits no longer once its source is closed."""

    def __init__(self, source: _Borrowed) -> None:
        super().__init__()
        self._source = source

    def alive(self) -> bool:
        return not self._source.closed


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        called = getattr(name, "__name__", None)
        hint = f'; write @qm.worker("{called}")' if callable(name) and called else ""
        raise TypeError(f"a worker is registered for a task name, a text, not {name!r}{hint}")


def _opened(given: Storage | str | os.PathLike[str]) -> Storage:
    if isinstance(given, os.PathLike):
        return SqliteStorage(os.fspath(given))
    if isinstance(given, str):
        return open_storage(given)
    return given
