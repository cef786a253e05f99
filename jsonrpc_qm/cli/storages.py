"""Commands that open a storage themselves: migrate, copy."""

import click

from jsonrpc_qm.cli.options import DEFAULT_STORAGE, errors_said, option


@click.command("migrate")
@option(
    "--storage",
    "storage_url",
    envvar="JSONRPC_QM_STORAGE",
    default=DEFAULT_STORAGE,
    metavar="URL",
    help="The database, as for serve.",
)
@option("--dry-run", is_flag=True, help="Only say what would change.")
def migrate(storage_url: str, dry_run: bool) -> None:
    """Bring a database's schema to the version of this program, and say what changed.

    A manager that starts creates the schema, and makes those changes that take a moment. What takes
    longer it refuses to do, and names this command. Make a backup and stop all managers first.

    \b
    Examples:
      jsonrpc-qm migrate --storage sqlite:////var/lib/tasks.db --dry-run
      jsonrpc-qm migrate --storage sqlite:////var/lib/tasks.db
    """
    with errors_said():
        from jsonrpc_qm.storage.migrations.running import migrate

        version, changes = migrate(storage_url, dry_run=dry_run)
    for change in changes:
        click.echo(f"{change.version}: {change.sentence}")
    if not changes:
        click.echo(f"nothing to change: the schema has version {version}")
    elif dry_run:
        click.echo(f"the schema would have version {version}")
    else:
        click.echo(f"the schema has version {version}")
