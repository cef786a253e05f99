-- The tables of version 1, as the first release made them; never to change.
CREATE TABLE "meta" ("key" TEXT NOT NULL PRIMARY KEY, "value" TEXT NOT NULL);
CREATE TABLE "paused" ("name" TEXT NOT NULL PRIMARY KEY);
CREATE TABLE "tally" ("name" TEXT NOT NULL, "status" TEXT NOT NULL, "tasks" INTEGER NOT NULL, PRIMARY KEY ("name", "status"));
CREATE TABLE "task" ("seq" INTEGER NOT NULL PRIMARY KEY, "id" TEXT NOT NULL, "name" TEXT NOT NULL, "status" TEXT NOT NULL, "parameters" TEXT, "priority" INTEGER NOT NULL, "run_at" INTEGER NOT NULL, "max_attempts" INTEGER NOT NULL, "max_lost" INTEGER NOT NULL, "lease" INTEGER NOT NULL, "timeout" INTEGER, "expires_at" INTEGER, "backoff" TEXT, "unique_key" TEXT, "metadata" TEXT, "created_at" INTEGER NOT NULL, "updated_at" INTEGER NOT NULL, "due_at" INTEGER, "result" TEXT, "error" TEXT, "attempts" INTEGER NOT NULL DEFAULT 0, "failures" INTEGER NOT NULL DEFAULT 0, "lost" INTEGER NOT NULL DEFAULT 0, "progress" TEXT, "worker" TEXT, "token" INTEGER NOT NULL DEFAULT 0, "outcome" TEXT, "claim_lease" INTEGER, "lease_expires_at" INTEGER, "timeout_at" INTEGER, "cancel_requested" INTEGER NOT NULL DEFAULT 0, "started_at" INTEGER, "finished_at" INTEGER);
CREATE UNIQUE INDEX "taskrow_id" ON "task" ("id");
CREATE INDEX "task_ready" ON "task" (name, priority DESC, run_at) WHERE status = 'queued';
CREATE INDEX "task_due" ON "task" (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX "task_finished" ON "task" (status, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX "task_listing" ON "task" (name, status);
CREATE UNIQUE INDEX "task_unique" ON "task" (name, unique_key) WHERE unique_key IS NOT NULL AND status IN ('queued', 'scheduled', 'started');
CREATE TABLE "worker" ("worker" TEXT NOT NULL PRIMARY KEY, "names" TEXT NOT NULL, "last_seen" INTEGER NOT NULL, "drain" INTEGER NOT NULL);
INSERT INTO meta (key, value) VALUES ('schema_version', '1');
