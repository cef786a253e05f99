"""The `work` command: workers."""

import rich_click as click


@click.command("work")
def work() -> None:
    """Run the workers of an app."""
