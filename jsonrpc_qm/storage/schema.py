"""The tables, as peewee models: what is stored, and by what it is found.

A change here needs a step in storage/migrations/ that makes it in the databases there are.

task     one row a task; its columns are record.Record's fields, after the row's own number
tally    how many tasks each name has in each status, so that counting never scans
paused   the names that are not claimed from
worker   who was heard of, when, and whether it is asked to drain
meta     the version of this schema
"""

import logging
from collections.abc import Sequence

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    CompositeKey,
    Database,
    IntegerField,
    Model,
    TextField,
)

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.storage.migrations import MIGRATIONS, Migration, m0003_lists
from jsonrpc_qm.storage.upgrade import Upgrade

# Not that of storages, which `serve` keeps silent while it opens one.
logger = logging.getLogger("jsonrpc_qm.schema")

SCHEMA_VERSION = MIGRATIONS[-1].version

VERSION_KEY = "schema_version"
"""The row of `meta` that has it."""


class TaskRow(Model):
    """The order of the columns after `seq` is that of record.FIELDS."""

    seq = BigAutoField()
    id = TextField(unique=True)
    name = TextField()
    status = TextField()
    parameters = TextField(null=True)
    priority = IntegerField()
    run_at = BigIntegerField()
    max_attempts = IntegerField()
    max_lost = IntegerField()
    lease = BigIntegerField()
    timeout = BigIntegerField(null=True)
    expires_at = BigIntegerField(null=True)
    backoff = TextField(null=True)
    unique_key = TextField(null=True)
    metadata = TextField(null=True)
    created_at = BigIntegerField()
    updated_at = BigIntegerField()
    due_at = BigIntegerField(null=True)
    result = TextField(null=True)
    error = TextField(null=True)
    attempts = IntegerField(constraints=[SQL("DEFAULT 0")])
    failures = IntegerField(constraints=[SQL("DEFAULT 0")])
    lost = IntegerField(constraints=[SQL("DEFAULT 0")])
    progress = TextField(null=True)
    worker = TextField(null=True)
    token = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    outcome = TextField(null=True)
    claim_lease = BigIntegerField(null=True)
    lease_expires_at = BigIntegerField(null=True)
    timeout_at = BigIntegerField(null=True)
    cancel_requested = IntegerField(constraints=[SQL("DEFAULT 0")])
    started_at = BigIntegerField(null=True)
    finished_at = BigIntegerField(null=True)
    history = TextField(null=True)

    class Meta:
        table_name = "task"


class TallyRow(Model):
    name = TextField()
    status = TextField()
    tasks = BigIntegerField()

    class Meta:
        table_name = "tally"
        primary_key = CompositeKey("name", "status")


class PausedRow(Model):
    name = TextField(primary_key=True)

    class Meta:
        table_name = "paused"


class WorkerSeenRow(Model):
    worker = TextField(primary_key=True)
    names = TextField()
    last_seen = BigIntegerField()
    drain = IntegerField()

    class Meta:
        table_name = "worker"


class MetaRow(Model):
    key = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "meta"


def _index(name: str, *columns: str, where: str) -> None:
    fields = [SQL(column) for column in columns]
    TaskRow.add_index(TaskRow.index(*fields, name=name, where=SQL(where)))


# What a claim walks: due tasks of one name in the order in which they are taken.
_index("task_ready", "name", "priority DESC", "run_at", where="status = 'queued'")
# What time alone changes next.
_index("task_due", "due_at", where="due_at IS NOT NULL")
# What retention and purge walk.
_index("task_finished", "status", "finished_at", where="finished_at IS NOT NULL")
# What lists walk; rows of equal keys are in the order in which they were stored.
TaskRow.add_index(TaskRow.index(SQL("name"), SQL("status"), name="task_listing"))
TaskRow.add_index(
    TaskRow.index(
        SQL("name"),
        SQL("unique_key"),
        name="task_unique",
        unique=True,
        where=SQL("unique_key IS NOT NULL AND status IN ('queued', 'scheduled', 'started')"),
    )
)

MODELS = [TaskRow, TallyRow, PausedRow, WorkerSeenRow, MetaRow]


def create_schema(database: Database, upgrade: Upgrade = Upgrade.AT_START) -> tuple[Migration, ...]:
    """Bring the schema to this program's version, in the transaction that is open.

    The caller sees to it that nobody else does so at the same time. The changes that were made, or
    with Upgrade.NONE would be; for a new database all.

    Raises:
        Unavailable: the schema is of a newer version than this code knows; or it is older, and
            `upgrade` does not go as far as it needs.
    """
    with database.bind_ctx(MODELS, bind_refs=False, bind_backrefs=False):
        version = _stored_version(look_only=upgrade is Upgrade.NONE)
        newest = MIGRATIONS[-1].version
        if version > newest:
            raise Unavailable.of(
                f"the database has schema version {version}, this program knows up to {newest}: "
                "use a newer jsonrpc-qm"
            )
        missing = tuple(step for step in MIGRATIONS if step.version > version)
        if upgrade is Upgrade.NONE:
            return missing
        if version == 0:
            database.create_tables(MODELS)
            if m0003_lists.MIGRATION.changes(database):
                # The models' index is for databases whose indexes end with the row's number.
                m0003_lists.apply(database)
            MetaRow.insert(key=VERSION_KEY, value=str(newest)).execute()
        else:
            _migrate(database, missing, upgrade)
        return missing


def _stored_version(*, look_only: bool) -> int:
    """The version that the database has; 0 when there is nothing in it yet."""
    if not MetaRow.table_exists():
        if look_only:
            return 0
        MetaRow.create_table()
    stored = MetaRow.get_or_none(MetaRow.key == VERSION_KEY)
    return 0 if stored is None else int(stored.value)


def _migrate(database: Database, missing: Sequence[Migration], upgrade: Upgrade) -> None:
    for step in missing:
        waits = step.changes(database) and not step.at_start
        if waits and upgrade is Upgrade.AT_START:
            raise Unavailable.of(
                f"the database needs schema version {step.version} ({step.sentence.rstrip('.')}): "
                "stop all managers, make a backup, and run `jsonrpc-qm migrate`"
            )
    for step in missing:
        logger.info("schema version %s: %s", step.version, step.sentence)
        if step.changes(database):
            step.apply(database)
        MetaRow.update(value=str(step.version)).where(MetaRow.key == VERSION_KEY).execute()
