"""One call for each of several ids or names, going on when one is refused."""

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.exceptions import Exit

from jsonrpc_qm.cli.exits import Failure, error_object
from jsonrpc_qm.cli.output import Output
from jsonrpc_qm.errors import QueueError, Unavailable


def for_each(
    out: Output,
    keys: Sequence[str],
    call: Callable[[str], Any],
    line: Callable[[str, Any], str],
) -> None:
    """Call for each key and print a line for each answer, made by `line` from key and answer.

    A refusal is one line on stderr and holds nothing else back; the exit code is the first one's.
    With JSON one key prints its answer, several print the list of their answers, in which a refused
    one is `{"error": ...}`. When the manager is not there the rest is not tried.
    """
    answers: list[Any] = []
    failures: list[Failure] = []
    for key in keys:
        try:
            answer = call(key)
        except QueueError as error:
            failures.append(Failure.of(error, as_json=out.as_json))
            answers.append({"error": error_object(error)})
            gone = isinstance(error, Unavailable)
            if len(keys) > 1 and not gone and key not in failures[-1].message:
                failures[-1].message = f"{key}: {failures[-1].message}"
            click.echo(failures[-1].line(), err=True)
            if gone:
                break
        else:
            answers.append(answer)
            if not out.as_json:
                out.line(line(key, answer))
    if out.as_json and len(keys) > 1:
        out.document(answers)
    elif out.as_json and not failures:
        out.document(answers[0])
    if failures:
        raise Exit(failures[0].exit_code)
