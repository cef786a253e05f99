"""The `work` command: the workers of an app."""

import sys
from typing import TYPE_CHECKING, Any

import click

from jsonrpc_qm.cli.apps import load_app
from jsonrpc_qm.cli.credentials import credential_options
from jsonrpc_qm.cli.exits import REFUSED, UNAVAILABLE, USAGE, Failure
from jsonrpc_qm.cli.logs import log_options, set_up_logs
from jsonrpc_qm.cli.options import errors_said, option, url_option
from jsonrpc_qm.cli.values import comma_separated, duration

if TYPE_CHECKING:
    from jsonrpc_qm.client.credentials import Credentials
    from jsonrpc_qm.client.sync import Client
    from jsonrpc_qm.manager import QueueManager
    from jsonrpc_qm.worker.runner import Ending


@click.command("work")
@click.argument("app", metavar="APP:QM")
@url_option
@credential_options
@option(
    "--names",
    type=comma_separated,
    metavar="A,B",
    help="Which names to work for.  [default: all that the app has workers for]",
)
@option(
    "--concurrency",
    type=click.IntRange(1, 5000),
    help="Tasks at a time in each process.  [default: 8; with --pool process one for each CPU]",
)
@option("--processes", type=click.IntRange(min=1), default=1, help="Worker processes.")
@option(
    "--pool",
    type=click.Choice(["thread", "process"]),
    default="thread",
    help="Where plain functions run; process for what keeps a CPU busy.",
)
@option(
    "--grace",
    type=duration,
    default="30",
    help="How long running tasks may take to finish after SIGTERM or Ctrl-C.",
)
@option(
    "--max-tasks",
    type=click.IntRange(min=1),
    help="Tasks after which a process is replaced by a new one.  [default: no limit]",
)
@option("--burst", is_flag=True, help="End when nothing is due.")
@log_options
def work(
    app: str,
    url: str,
    credentials: "Credentials",
    processes: int,
    log_format: str,
    log_level: str,
    **options: Any,
) -> None:
    """Run the workers of an app against a manager until SIGTERM or Ctrl-C.

    APP:QM is a module and its QueueManager. The first signal lets running tasks finish, the second
    gives them back at once.

    \b
    Examples:
      jsonrpc-qm work app:qm
      jsonrpc-qm work app:qm --processes 2 --names report,mail
      jsonrpc-qm work app:qm --manager https://queue.example --token-file token
    """
    set_up_logs(log_format, log_level)
    manager = load_app(app, workers=True)
    _check_names(manager, options["names"])
    # Imported here because `--help` must not wait for them.
    from jsonrpc_qm.worker.main import leave
    from jsonrpc_qm.worker.supervisor import run_processes

    if processes == 1 and options["max_tasks"] is None:
        leave(_run(manager, url, credentials, options))
    # Somebody must be there to start the successor of a process that has done its tasks.
    args = (app, url, credentials, log_format, log_level, options)
    final = (REFUSED, UNAVAILABLE) if options["burst"] else ()
    sys.exit(run_processes(processes, work_in_a_child, args, grace=options["grace"], final=final))


def work_in_a_child(
    app: str,
    url: str,
    credentials: "Credentials",
    log_format: str,
    log_level: str,
    options: dict[str, Any],
) -> "Ending":
    """What each of several processes does: import the app anew, and work."""
    set_up_logs(log_format, log_level)
    try:
        manager = load_app(app, workers=True)
        return _run(manager, url, credentials, {**options, "supervised": True})
    except Failure as failure:
        click.echo(failure.line(), err=True)
        sys.exit(failure.exit_code)


def _run(
    manager: "QueueManager", url: str, credentials: "Credentials", options: dict[str, Any]
) -> "Ending":
    from jsonrpc_qm.client.sync import Client
    from jsonrpc_qm.worker.main import run_workers

    def source() -> "Client":
        # The runner itself tries again, and keeps the outcomes meanwhile.
        return Client(url, retry_for=0, **credentials.as_options())

    with errors_said():
        try:
            return run_workers(manager.registry, source, **options)
        except ValueError as error:
            raise Failure(str(error), USAGE) from error


def _check_names(manager: "QueueManager", names: list[str] | None) -> None:
    missing = [name for name in names or () if name not in manager.registry]
    if missing:
        has = ", ".join(manager.registry)
        raise Failure(f"the app has no worker for {', '.join(missing)}; it has {has}", USAGE)
