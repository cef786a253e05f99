-- The tables of version 1 on MySQL and MariaDB; never to change.
CREATE TABLE tally_part (name varchar(200), status varchar(16), part int, tasks bigint NOT NULL, PRIMARY KEY (name, status, part)) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET utf8mb4, COLLATE {collation};
CREATE SQL SECURITY INVOKER VIEW tally AS SELECT name, status, cast(sum(tasks) AS signed) AS tasks FROM tally_part GROUP BY name, status;
CREATE TABLE task (
    `seq` bigint AUTO_INCREMENT NOT NULL,
    `id` varchar(64) NOT NULL,
    `name` varchar(200) NOT NULL,
    `status` varchar(16) NOT NULL,
    `parameters` longtext,
    `priority` int NOT NULL,
    `run_at` bigint NOT NULL,
    `max_attempts` int NOT NULL,
    `max_lost` int NOT NULL,
    `lease` bigint NOT NULL,
    `timeout` bigint,
    `expires_at` bigint,
    `backoff` longtext,
    `unique_key` varchar(200),
    `metadata` longtext,
    `created_at` bigint NOT NULL,
    `updated_at` bigint NOT NULL,
    `due_at` bigint,
    `result` longtext,
    `error` longtext,
    `attempts` int NOT NULL DEFAULT 0,
    `failures` int NOT NULL DEFAULT 0,
    `lost` int NOT NULL DEFAULT 0,
    `progress` longtext,
    `worker` varchar(200),
    `token` bigint NOT NULL DEFAULT 0,
    `outcome` varchar(16),
    `claim_lease` bigint,
    `lease_expires_at` bigint,
    `timeout_at` bigint,
    `cancel_requested` int NOT NULL DEFAULT 0,
    `started_at` bigint,
    `finished_at` bigint,
    PRIMARY KEY (`seq`),
    urgency int AS (-priority) VIRTUAL,
    held_key varchar(200) AS (CASE WHEN status IN ('queued', 'scheduled', 'started') THEN unique_key END) VIRTUAL,
    ready_name varchar(200) AS (CASE WHEN status = 'queued' THEN name END) VIRTUAL,
    ended_status varchar(16) AS (CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN status END) VIRTUAL,
    UNIQUE KEY task_id (id),
    UNIQUE KEY task_unique (name, held_key),
    KEY task_ready (ready_name, urgency, run_at),
    KEY task_due (due_at),
    KEY task_finished (ended_status, finished_at),
    KEY task_listing (name, status)) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET utf8mb4, COLLATE {collation};
CREATE TABLE paused (`name` varchar(200) NOT NULL, PRIMARY KEY (`name`)) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET utf8mb4, COLLATE {collation};
CREATE TABLE worker (`worker` varchar(200) NOT NULL, `names` longtext NOT NULL, `last_seen` bigint NOT NULL, `drain` int NOT NULL, PRIMARY KEY (`worker`)) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET utf8mb4, COLLATE {collation};
CREATE TABLE meta (`key` varchar(64) NOT NULL, `value` varchar(200) NOT NULL, PRIMARY KEY (`key`)) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET utf8mb4, COLLATE {collation};
CREATE TABLE news (number bigint AUTO_INCREMENT, told_at bigint NOT NULL, sender varchar(36) NOT NULL, message varbinary(2000) NOT NULL, PRIMARY KEY (number) USING BTREE) ENGINE = MEMORY, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
INSERT INTO meta (`key`, value) VALUES ('schema_version', '1');
