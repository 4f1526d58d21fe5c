-- The facts of one pipeline and one run of it. Everything that can be derived (running, finished, blocked, stale) is a
-- view over these tables, made anew when the pipeline is written down.
--
-- Times that people and schedules use (`…_at`) are milliseconds since 1970. `expires_at` of a worker, and of a lease
-- whose `clock` is a boot's, and `ends_at` of a queue are nanoseconds of the host's monotonic clock, comparable only under
-- the same boot.

-- The run: one row. `id` is part of every idempotency key, so keys differ from run to run. `pipeline` is NULL while there
-- are only queues on their own. `parameters` is a JSON object; a run with other values is refused. `plan_version` grows with
-- every change of stages, queues and policies, so that other processes read them again. `source` is a JSON object that tells
-- what the pipeline was last run from: its file, and what each stage runs; NULL of a program.
CREATE TABLE leat_run (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    pipeline TEXT,
    parameters TEXT NOT NULL DEFAULT '{}',
    plan_version INTEGER NOT NULL DEFAULT 1,
    source TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- What has been applied, with the checksum of the file that was applied.
CREATE TABLE leat_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- A stage: its name is its identity. A queue on its own has one of its name and of kind `queue`, which whoever claims
-- from it stands for. `position` is the topological order, `unit` the group that completes together
-- (a stage alone, or a cycle). `takes_all`: its whole input is one unit, worked on when the input is closed.
-- `policy` is JSON: retry, breaker, tolerance, crash budget, limits. `attempts`, `max_dead` and `max_dead_percent` repeat
-- parts of it for triggers and views; the last two NULL: any number.
CREATE TABLE leat_stages (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('producer', 'transformer', 'consumer', 'queue')),
    input TEXT UNIQUE,
    takes_all INTEGER NOT NULL CHECK (takes_all IN (0, 1)),
    policy TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 1,
    max_dead INTEGER,
    max_dead_percent REAL
) STRICT, WITHOUT ROWID;

-- Control edges: `stage` runs once, when `earlier` is complete.
CREATE TABLE leat_after (
    stage TEXT NOT NULL,
    earlier TEXT NOT NULL,
    PRIMARY KEY (stage, earlier)
) STRICT, WITHOUT ROWID;

-- Which stage puts into which queue, and how many items it has put: kept apart from the rows, so that `verify` can
-- hold the rows against it. `pruned`: how many of them have been removed since.
CREATE TABLE leat_edges (
    stage TEXT NOT NULL,
    queue TEXT NOT NULL,
    position INTEGER NOT NULL,
    inserted INTEGER NOT NULL DEFAULT 0,
    pruned INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (stage, queue)
) STRICT, WITHOUT ROWID;

-- A queue. Every id below `frontier` has been claimed or has left the straight path. `last_lease` is the id of the last
-- lease on it: the next one's is one more than the greatest of all queues, so that none comes twice. No lease on it ends
-- before `ends_at`, by the clock of the boot `ends_boot` (those by the wall's clock apart); NULL: none ends by itself.
-- `sealed`: its set of producers is complete; one that is not sealed takes items from anybody, and never ends. `capacity`:
-- how many unsettled items it holds before those who feed it wait.
CREATE TABLE leat_queues (
    name TEXT PRIMARY KEY,
    frontier INTEGER NOT NULL DEFAULT 1,
    last_lease INTEGER NOT NULL DEFAULT 0,
    ends_at INTEGER,
    ends_boot TEXT,
    sealed INTEGER NOT NULL DEFAULT 1 CHECK (sealed IN (0, 1)),
    capacity INTEGER CHECK (capacity > 0),
    CHECK ((ends_at IS NULL) = (ends_boot IS NULL))
) STRICT, WITHOUT ROWID;

-- Each stage's counts. `acknowledged` grows in every acknowledging transaction; done items are acknowledged less
-- reopened, of which `pruned` have been removed. `failures`: attempts spent, of items and of the stage itself. `refused`: steps that came too late. `settled`
-- to `window_dead` are what the breaker judges by. `crashes` and `kills`: failures and deaths in a row that no item is to
-- blame for. `endings`: how often it has ended.
CREATE TABLE leat_counts (
    stage TEXT PRIMARY KEY,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    reopened INTEGER NOT NULL DEFAULT 0,
    pruned INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    window_settled INTEGER NOT NULL DEFAULT 0,
    window_dead INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    kills INTEGER NOT NULL DEFAULT 0,
    endings INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- How far a stage's rate is spent: up to when all that it has begun would have been allowed one by one, in nanoseconds of
-- the monotonic clock of this boot.
CREATE TABLE leat_rates (
    stage TEXT PRIMARY KEY,
    spent_until INTEGER NOT NULL,
    boot TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A tripped breaker, or a crash budget that is used up: the stage hands out nothing while this row stands.
CREATE TABLE leat_trips (
    stage TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    tripped_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who writes: a row a shard of a producer, and one (shard '') for every other stage that puts or that runs once. The
-- epoch is the fencing token; `cursor` is saved with the items that it follows.
CREATE TABLE leat_producers (
    stage TEXT NOT NULL,
    shard TEXT NOT NULL,
    position INTEGER NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    owner INTEGER,
    cursor TEXT,
    emitted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (stage, shard)
) STRICT, WITHOUT ROWID;

-- The fact that one producer of one queue will write nothing more.
CREATE TABLE leat_completions (
    queue TEXT NOT NULL,
    stage TEXT NOT NULL,
    shard TEXT NOT NULL,
    completed_at INTEGER NOT NULL,
    PRIMARY KEY (queue, stage, shard)
) STRICT, WITHOUT ROWID;

-- The fact that a stage which runs once has run; deleted when what it ran on is reopened.
CREATE TABLE leat_endings (
    stage TEXT PRIMARY KEY,
    ended_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A recurring producer of a queue: `last_tick` is the last tick that has its item, in milliseconds since 1970. It is moved
-- in the transaction that puts the item, from the tick that the putter believed to be the last.
CREATE TABLE leat_schedules (
    name TEXT PRIMARY KEY,
    queue TEXT NOT NULL,
    last_tick INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A process that runs, or ran, one stage. `supervisor` is the process that learns its exit status. Whoever died together
-- with its supervisor has no `ended_at` until the next run looks: views take a worker for live as long as it was seen
-- within `lease_ms`, which is how long what it holds stays its own. Whoever claims from a queue on its own has no
-- heartbeat, so neither `expires_at` nor `lease_ms`: its leases have times of their own. Without a `boot` it is a
-- stranger of which nothing else is known.
CREATE TABLE leat_workers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stage TEXT NOT NULL,
    pid INTEGER NOT NULL,
    supervisor INTEGER,
    boot TEXT,
    expires_at INTEGER,
    started_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    seen_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    lease_ms INTEGER,
    log TEXT,
    ended_at INTEGER,
    ending TEXT,
    CHECK ((expires_at IS NULL) = (lease_ms IS NULL))
) STRICT;

-- The few workers that live, among the many that ever did.
CREATE INDEX leat_workers_live ON leat_workers (stage) WHERE ended_at IS NULL;
-- Those that claimed from queues on their own come and go, and are forgotten an hour later.
CREATE INDEX leat_workers_ended ON leat_workers (ended_at) WHERE ended_at IS NOT NULL;

-- A claim: a range of ids of one queue (those in it that have a state row are not part of it), and the state rows that
-- name it. With worker 0 it is an orphan, whose items are ready. `items` is how many it holds (none of an empty input that
-- is claimed as a whole), `taken` how many it was claimed with, `suspect` above 0 the largest batch in which its items may be claimed. `claims` counts for the
-- items of the range. Without `expires_at` it lives as long as its worker; else up to that time, by its `clock`: a boot
-- (nanoseconds) or 'wall' (milliseconds since 1970).
--
-- It is kept in the order in which it is looked for, and a lease of one item by Leat itself is in no index unless it is an
-- orphan or under suspicion: each claim and acknowledgement that is committed alone would write a page of that as well.
CREATE TABLE leat_leases (
    queue TEXT NOT NULL,
    worker INTEGER NOT NULL CHECK (worker >= 0),
    id INTEGER NOT NULL,
    lo INTEGER,
    hi INTEGER,
    items INTEGER NOT NULL CHECK (items > 0 OR (items = 0 AND worker > 0)),
    taken INTEGER NOT NULL,
    suspect INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    expires_at INTEGER,
    clock TEXT,
    CHECK ((expires_at IS NULL) = (clock IS NULL)),
    CHECK (worker > 0 OR expires_at IS NULL),
    CHECK ((lo IS NULL) = (hi IS NULL)),
    CHECK (lo <= hi),
    CHECK (worker > 0 OR lo IS NOT NULL),
    PRIMARY KEY (queue, worker, id)
) STRICT, WITHOUT ROWID;

-- Which orphans a queue has, in the order of their items.
CREATE INDEX leat_leases_orphans ON leat_leases (queue, lo) WHERE worker = 0;
-- Which lease covers an id that has a row. One of a single item is left out: that item has no row.
CREATE INDEX leat_leases_wide ON leat_leases (queue, lo, hi) WHERE hi > lo;
-- What is under suspicion, held by a worker or handed back.
CREATE INDEX leat_leases_suspects ON leat_leases (queue, worker, lo) WHERE suspect > 0;
-- Those that end by themselves, by the wall's clock: strangers'.
CREATE INDEX leat_leases_wall ON leat_leases (queue, expires_at) WHERE clock = 'wall';

-- Each attempt that failed, and whose fault it was found to be. Without an item it is the stage's own: its producer
-- threw, or its workers die with no item to blame.
CREATE TABLE leat_attempts (
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    queue TEXT,
    item INTEGER,
    worker INTEGER,
    failed_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    -- Of a command: what it exited with, or 128 and the number of the signal that ended it, as shells count.
    exit_status INTEGER,
    -- How long the attempt took; not known of those that ended with their worker.
    duration_ms INTEGER,
    -- The end of what it wrote on standard error, newlines and all: escape it before you show it.
    error_output TEXT
) STRICT;

-- The last attempt of an item, beside each dead letter.
CREATE INDEX leat_attempts_item ON leat_attempts (stage, item);

-- Who ordered what.
CREATE TABLE leat_events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    stage TEXT,
    item INTEGER
) STRICT;

-- The wall clock in milliseconds, as SQLite tells it.
CREATE VIEW leat_now AS SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now;

-- Written just before a checkpoint, so that the log is never fully copied when the checkpoint begins.
CREATE TABLE leat_checkpoint (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    begun_at INTEGER NOT NULL,
    count INTEGER NOT NULL
) STRICT;
INSERT INTO leat_checkpoint (only, begun_at, count) VALUES (1, 0, 0);

-- @queue
-- What follows is applied to every queue; {name} is its name.

-- One row an item, written once. `payload` is text, or a blob when it is not text; `origin` and `parent` are its
-- lineage; `group_id` its group, of which one item is handed out at a time, in order; `headers` a JSON object that goes
-- with it (the context of a trace). An item of a group has a state row from the beginning: whoever puts by SQL puts it
-- through leat_puts_{name}.
CREATE TABLE q_{name} (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    payload ANY NOT NULL CHECK (typeof(payload) IN ('text', 'blob')),
    key TEXT,
    origin TEXT,
    parent INTEGER,
    created_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    group_id TEXT,
    headers TEXT
) STRICT;

-- A key is looked up before it is inserted; most items have none.
CREATE INDEX q_{name}_key ON q_{name} (key) WHERE key IS NOT NULL;

-- One row for each item off the straight path; all others' states follow from the frontier and the leases. `group_id`: the
-- group in which it holds a place, until it is settled. One that waits without `visible_at` is behind another of its
-- group, and `due_at` is what it will wait for when its turn comes.
CREATE TABLE qs_{name} (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('ready', 'waiting', 'leased', 'done', 'dead', 'skipped', 'superseded')),
    claims INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    kills INTEGER NOT NULL DEFAULT 0,
    suspect INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0 CHECK (priority >= 0),
    visible_at INTEGER,
    lease INTEGER,
    generation INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    group_id TEXT,
    due_at INTEGER,
    CHECK (state = 'waiting' OR visible_at IS NULL),
    CHECK (state <> 'waiting' OR visible_at IS NOT NULL OR group_id IS NOT NULL),
    CHECK (due_at IS NULL OR (state = 'waiting' AND visible_at IS NULL)),
    CHECK ((state = 'leased') = (lease IS NOT NULL))
) STRICT;

-- Only ready items, in the order in which they are handed out: a claim's cost depends on what it takes.
CREATE INDEX qs_{name}_ready ON qs_{name} (priority DESC, id) WHERE state = 'ready';
-- What is under suspicion, for those who hold several leases and must be given it alone.
CREATE INDEX qs_{name}_suspects ON qs_{name} (priority DESC, id) WHERE state = 'ready' AND suspect > 0;
-- What is due next.
CREATE INDEX qs_{name}_waiting ON qs_{name} (visible_at) WHERE state = 'waiting';
-- The state rows that a lease holds.
CREATE INDEX qs_{name}_leased ON qs_{name} (lease) WHERE state = 'leased';
-- Dead letters.
CREATE INDEX qs_{name}_dead ON qs_{name} (id) WHERE state = 'dead';
-- The unsettled items of each group, in order.
CREATE INDEX qs_{name}_groups ON qs_{name} (group_id, id) WHERE group_id IS NOT NULL;

-- Of a group's unsettled items one is ready, waiting for a time, or leased: the others are behind it. Once it is settled,
-- whoever settles it and however, the first of the others has its turn.
CREATE TRIGGER leat_group_done_{name} AFTER DELETE ON qs_{name} WHEN OLD.group_id IS NOT NULL
BEGIN
    UPDATE qs_{name} SET
        state = CASE WHEN due_at IS NULL THEN 'ready' ELSE 'waiting' END, visible_at = due_at, due_at = NULL
    WHERE id = (SELECT min(id) FROM qs_{name} WHERE group_id = OLD.group_id);
END;

CREATE TRIGGER leat_group_settled_{name} AFTER UPDATE OF state ON qs_{name}
WHEN OLD.group_id IS NOT NULL AND NEW.state IN ('done', 'dead', 'skipped', 'superseded')
BEGIN
    UPDATE qs_{name} SET group_id = NULL WHERE id = NEW.id;
    UPDATE qs_{name} SET
        state = CASE WHEN due_at IS NULL THEN 'ready' ELSE 'waiting' END, visible_at = due_at, due_at = NULL
    WHERE id = (SELECT min(id) FROM qs_{name} WHERE group_id = OLD.group_id)
        AND (OLD.state <> 'waiting' OR OLD.visible_at IS NOT NULL);
END;

-- One that was settled and is to be tried again takes its place again.
CREATE TRIGGER leat_group_reopened_{name} AFTER UPDATE OF state ON qs_{name}
WHEN OLD.state IN ('done', 'dead', 'skipped', 'superseded') AND NEW.state = 'ready'
BEGIN
    UPDATE qs_{name} SET
        group_id = i.group_id,
        state = CASE
            WHEN EXISTS (SELECT 1 FROM qs_{name} AS o WHERE o.group_id = i.group_id) THEN 'waiting' ELSE 'ready'
        END
    FROM q_{name} AS i
    WHERE qs_{name}.id = NEW.id AND i.id = NEW.id AND i.group_id IS NOT NULL;
END;

-- Every item with its state as a word.
CREATE VIEW items_{name} AS
SELECT
    i.id,
    CASE
        WHEN s.state = 'waiting' AND s.visible_at <= (SELECT now FROM leat_now)
            THEN 'ready'
        WHEN s.state IS NOT NULL THEN s.state
        WHEN i.id >= q.frontier THEN 'ready'
        WHEN l.id IS NULL THEN 'done'
        WHEN l.worker = 0 THEN 'ready'
        ELSE 'leased'
    END AS state,
    i.payload,
    i.key,
    i.group_id,
    i.origin,
    i.parent,
    CASE WHEN s.id IS NOT NULL THEN s.claims WHEN i.id >= q.frontier THEN 0 ELSE l.claims END AS claims,
    coalesce(s.attempts, 0) AS attempts,
    coalesce(s.kills, 0) AS kills,
    CASE WHEN s.id IS NOT NULL THEN s.suspect ELSE coalesce(l.suspect, 0) END AS suspect,
    coalesce(s.priority, 0) AS priority,
    coalesce(s.lease, l.id) AS lease,
    s.visible_at,
    coalesce(s.generation, 0) AS generation,
    s.reason,
    i.created_at,
    i.headers
FROM q_{name} AS i
JOIN leat_queues AS q ON q.name = '{name}'
LEFT JOIN qs_{name} AS s ON s.id = i.id
-- Most items are done, below all leases: those are not looked for in each of them.
LEFT JOIN leat_leases AS l ON l.queue = CASE
        WHEN s.id IS NULL AND i.id < q.frontier
            AND i.id >= (SELECT min(o.lo) FROM leat_leases AS o WHERE o.queue = '{name}')
            THEN '{name}'
    END
    AND i.id BETWEEN l.lo AND l.hi;

-- @own
-- What follows is applied to every queue on its own: how programs in other languages put into it, claim from it and settle
-- what they claimed. An INSERT into one of these views is an order; each works in the transaction that it is part of, which must
-- have begun with BEGIN IMMEDIATE.

-- How strangers put what is more than a payload. INSERT INTO leat_puts_{name} (payload, key, group_id, delay_ms, priority):
-- all but the payload may be left out. One whose key is there already is not put.
CREATE VIEW leat_puts_{name} AS
SELECT NULL AS payload, NULL AS key, NULL AS group_id, NULL AS delay_ms, NULL AS priority WHERE 0;

CREATE TRIGGER leat_puts_{name}_insert INSTEAD OF INSERT ON leat_puts_{name}
WHEN NEW.key IS NULL
    OR NOT EXISTS (
        SELECT 1 FROM q_{name} AS i
        WHERE i.key = NEW.key
            AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id AND s.state = 'superseded')
    )
BEGIN
    SELECT RAISE(ABORT, 'leat: delay_ms and priority are whole numbers, 0 or more')
    WHERE typeof(coalesce(NEW.delay_ms, 0)) <> 'integer' OR coalesce(NEW.delay_ms, 0) < 0
        OR typeof(coalesce(NEW.priority, 0)) <> 'integer' OR coalesce(NEW.priority, 0) < 0;
    INSERT INTO q_{name} (payload, key, group_id) VALUES (NEW.payload, NEW.key, NEW.group_id);
    -- The item is the last one, as nobody else writes meanwhile.
    INSERT INTO qs_{name} (id, state, priority, group_id, visible_at, due_at)
    SELECT
        p.id, CASE WHEN p.is_behind OR p.due IS NOT NULL THEN 'waiting' ELSE 'ready' END, p.priority, NEW.group_id,
        CASE WHEN NOT p.is_behind THEN p.due END, CASE WHEN p.is_behind THEN p.due END
    FROM (
        SELECT
            (SELECT max(id) FROM q_{name}) AS id,
            coalesce(NEW.priority, 0) AS priority,
            CASE WHEN NEW.delay_ms > 0 THEN (SELECT now FROM leat_now) + NEW.delay_ms END AS due,
            EXISTS (SELECT 1 FROM qs_{name} AS o WHERE o.group_id = NEW.group_id) AS is_behind
    ) AS p
    WHERE NEW.group_id IS NOT NULL OR p.due IS NOT NULL OR p.priority <> 0;
    -- It has left the straight path: the frontier need not stand still before it.
    UPDATE leat_queues SET frontier = frontier + 1
    WHERE name = '{name}' AND frontier = (SELECT max(id) FROM q_{name})
        AND EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = leat_queues.frontier);
END;

-- What strangers hold, one item a lease. INSERT INTO leat_claims_{name} (worker, expires_at) claims the next item, if one is
-- ready; `expires_at` is in milliseconds since 1970.
CREATE VIEW leat_claims_{name} AS
SELECT
    l.worker AS worker,
    l.id AS lease,
    i.id AS item,
    i.payload AS payload,
    i.key AS key,
    coalesce(s.claims, l.claims) AS claims,
    coalesce(s.attempts, 0) AS attempts,
    l.expires_at AS expires_at
FROM leat_leases AS l
LEFT JOIN qs_{name} AS s ON s.state = 'leased' AND s.lease = l.id
JOIN q_{name} AS i ON i.id = coalesce(l.lo, s.id)
WHERE l.queue = '{name}' AND l.worker > 0 AND l.clock = 'wall';

CREATE TRIGGER leat_claims_{name}_insert INSTEAD OF INSERT ON leat_claims_{name}
BEGIN
    SELECT RAISE(ABORT, 'leat: no live worker of that number is registered for queue {name}')
    WHERE NOT EXISTS (SELECT 1 FROM leat_workers WHERE id = NEW.worker AND stage = '{name}' AND ended_at IS NULL);
    SELECT RAISE(ABORT, 'leat: a claim names expires_at, in milliseconds since 1970, and in the future')
    WHERE NEW.expires_at IS NULL OR NEW.expires_at <= (SELECT now FROM leat_now);
    SELECT RAISE(ABORT, 'leat: the breaker of queue {name} has tripped')
    WHERE EXISTS (SELECT 1 FROM leat_trips WHERE stage = '{name}');

    UPDATE qs_{name} SET state = 'ready', visible_at = NULL WHERE state = 'waiting' AND visible_at <= (SELECT now FROM leat_now);

    -- What other strangers have held for too long: their rows are ready again, their ranges are orphans.
    UPDATE leat_leases SET
        items = items - (SELECT count(*) FROM qs_{name} WHERE state = 'leased' AND lease = leat_leases.id)
    WHERE queue = '{name}' AND clock = 'wall' AND expires_at <= (SELECT now FROM leat_now) AND lo IS NOT NULL;
    UPDATE qs_{name} SET state = 'ready', lease = NULL
    WHERE state = 'leased'
        AND lease IN (
            SELECT id FROM leat_leases WHERE queue = '{name}' AND clock = 'wall' AND expires_at <= (SELECT now FROM leat_now)
        );
    DELETE FROM leat_leases WHERE queue = '{name}' AND clock = 'wall' AND expires_at <= (SELECT now FROM leat_now) AND lo IS NULL;
    UPDATE leat_leases SET worker = 0, expires_at = NULL, clock = NULL
    WHERE queue = '{name}' AND clock = 'wall' AND expires_at <= (SELECT now FROM leat_now);

    -- The lease that is being made is the one with `taken` 0. First a row that is ready,
    INSERT INTO leat_leases (id, queue, worker, items, taken, suspect, claims, claimed_at, expires_at, clock)
    SELECT (SELECT 1 + max(last_lease) FROM leat_queues), '{name}', NEW.worker, 1, 0, s.suspect, 0, (SELECT now FROM leat_now), NEW.expires_at, 'wall'
    FROM qs_{name} AS s
    WHERE s.state = 'ready' AND (s.suspect = 0 OR NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker))
    ORDER BY s.priority DESC, s.id
    LIMIT 1;
    UPDATE qs_{name} SET
        state = 'leased', claims = claims + 1,
        lease = (SELECT id FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker AND taken = 0)
    WHERE EXISTS (SELECT 1 FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker AND taken = 0)
        AND id = (
            SELECT s.id FROM qs_{name} AS s
            WHERE s.state = 'ready'
                AND (
                    s.suspect = 0
                    OR NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker AND taken > 0)
                )
            ORDER BY s.priority DESC, s.id
            LIMIT 1
        );

    -- or else the first item of an orphan, which loses it,
    INSERT INTO leat_leases (id, queue, worker, lo, hi, items, taken, suspect, claims, claimed_at, expires_at, clock)
    SELECT (SELECT 1 + max(last_lease) FROM leat_queues), '{name}', NEW.worker, x, x, 1, 0, suspect, claims + 1, (SELECT now FROM leat_now), NEW.expires_at, 'wall'
    FROM (
        SELECT
            o.suspect AS suspect,
            o.claims AS claims,
            (
                SELECT min(i.id) FROM q_{name} AS i
                WHERE i.id BETWEEN o.lo AND o.hi AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
            ) AS x
        FROM leat_leases AS o
        WHERE o.queue = '{name}' AND o.worker = 0
            AND (o.suspect = 0 OR NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker))
        ORDER BY o.lo
        LIMIT 1
    )
    WHERE x IS NOT NULL AND NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker AND taken = 0);
    DELETE FROM qs_{name}
    WHERE state = 'done' AND generation = 0
        AND EXISTS (
            SELECT 1 FROM leat_leases AS f JOIN leat_leases AS o ON o.lo <= f.lo AND o.hi >= f.lo
            WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0 AND o.queue = '{name}' AND o.worker = 0
                AND qs_{name}.id BETWEEN o.lo AND CASE o.items WHEN 1 THEN o.hi ELSE f.lo END
        );
    DELETE FROM leat_leases
    WHERE queue = '{name}' AND worker = 0 AND items = 1
        AND EXISTS (
            SELECT 1 FROM leat_leases AS f
            WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0 AND f.lo BETWEEN leat_leases.lo AND leat_leases.hi
        );
    UPDATE leat_leases SET
        items = items - 1,
        lo = 1 + (SELECT f.lo FROM leat_leases AS f WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0)
    WHERE queue = '{name}' AND worker = 0
        AND EXISTS (
            SELECT 1 FROM leat_leases AS f
            WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0 AND f.lo BETWEEN leat_leases.lo AND leat_leases.hi
        );

    -- or else the first one at or past the frontier, which moves past it.
    INSERT INTO leat_leases (id, queue, worker, lo, hi, items, taken, suspect, claims, claimed_at, expires_at, clock)
    SELECT (SELECT 1 + max(last_lease) FROM leat_queues), '{name}', NEW.worker, i.id, i.id, 1, 0, 0, 1, (SELECT now FROM leat_now), NEW.expires_at, 'wall'
    FROM q_{name} AS i
    WHERE i.id >= (SELECT frontier FROM leat_queues WHERE name = '{name}')
        AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
        AND NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker AND taken = 0)
    ORDER BY i.id
    LIMIT 1;
    DELETE FROM qs_{name}
    WHERE state = 'done' AND generation = 0
        AND id >= (SELECT frontier FROM leat_queues WHERE name = '{name}')
        AND id < (SELECT f.lo FROM leat_leases AS f WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0);
    UPDATE leat_queues SET frontier = max(
        frontier, (SELECT f.lo + 1 FROM leat_leases AS f WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0)
    )
    WHERE name = '{name}'
        AND EXISTS (SELECT 1 FROM leat_leases AS f WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0 AND f.lo IS NOT NULL);

    UPDATE leat_queues SET last_lease = max(last_lease, (
        SELECT f.id FROM leat_leases AS f WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0
    ))
    WHERE name = '{name}'
        AND EXISTS (
            SELECT 1 FROM leat_leases AS f WHERE f.queue = '{name}' AND f.worker = NEW.worker AND f.taken = 0
        );
    UPDATE leat_leases SET taken = 1 WHERE queue = '{name}' AND worker = NEW.worker AND taken = 0;
END;

-- What becomes of a claimed item. INSERT INTO leat_settlements_{name} (worker, lease, outcome, reason, delay_ms) fails when
-- the lease is lost. `outcome` is 'done'; 'failed': an attempt is spent, and the item waits for `delay_ms` (a second if not
-- given), or is dead after its last; 'dead': at once; or 'released': handed back without blame.
CREATE VIEW leat_settlements_{name} AS
SELECT NULL AS worker, NULL AS lease, NULL AS outcome, NULL AS reason, NULL AS delay_ms WHERE 0;

CREATE TRIGGER leat_settlements_{name}_insert INSTEAD OF INSERT ON leat_settlements_{name}
BEGIN
    SELECT RAISE(ROLLBACK, 'leat: this lease is lost, its item was settled or is with another; the transaction was rolled back')
    WHERE NOT EXISTS (SELECT 1 FROM leat_claims_{name} WHERE lease = NEW.lease AND worker = NEW.worker);
    SELECT RAISE(ABORT, 'leat: an outcome is done, failed, dead or released')
    WHERE NEW.outcome IS NULL OR NEW.outcome NOT IN ('done', 'failed', 'dead', 'released');

    INSERT INTO leat_attempts (stage, queue, item, worker, failed_at, error)
    SELECT '{name}', '{name}', c.item, c.worker, (SELECT now FROM leat_now), coalesce(NEW.reason, '')
    FROM leat_claims_{name} AS c
    WHERE c.worker = NEW.worker AND c.lease = NEW.lease AND NEW.outcome IN ('failed', 'dead');

    -- Counts of the stage, by which verify judges.
    UPDATE leat_counts SET
        acknowledged = acknowledged + (NEW.outcome = 'done'),
        failures = failures + (NEW.outcome IN ('failed', 'dead')),
        settled = settled + (NEW.outcome = 'done'),
        crashes = 0, kills = 0
    WHERE stage = '{name}';

    -- A row for what leaves the straight path.
    INSERT INTO qs_{name} (id, state, claims, attempts, kills, priority, visible_at, generation, reason)
    SELECT
        f.item,
        CASE WHEN f.is_dead THEN 'dead' WHEN f.delay > 0 THEN 'waiting' ELSE 'ready' END,
        f.claims, f.attempts, coalesce(s.kills, 0), coalesce(s.priority, 0),
        CASE WHEN NOT f.is_dead AND f.delay > 0 THEN (SELECT now FROM leat_now) + f.delay END,
        coalesce(s.generation, 0), coalesce(NEW.reason, '')
    FROM (
        SELECT
            c.item AS item,
            c.claims AS claims,
            c.attempts + 1 AS attempts,
            coalesce(NEW.delay_ms, 1000) AS delay,
            NEW.outcome = 'dead' OR c.attempts + 1 >= (
                SELECT t.attempts FROM leat_stages AS t WHERE t.name = '{name}'
            ) AS is_dead
        FROM leat_claims_{name} AS c
        WHERE c.worker = NEW.worker AND c.lease = NEW.lease AND NEW.outcome IN ('failed', 'dead')
    ) AS f
    LEFT JOIN qs_{name} AS s ON s.id = f.item
    WHERE true
    ON CONFLICT (id) DO UPDATE SET
        state = excluded.state, attempts = excluded.attempts, suspect = 0, visible_at = excluded.visible_at,
        reason = excluded.reason, lease = NULL;

    -- A row that was claimed and is done is forgotten, unless something must still tell it from what is not.
    DELETE FROM qs_{name}
    WHERE state = 'leased' AND lease = NEW.lease AND NEW.outcome = 'done' AND generation = 0
        AND id < (SELECT frontier FROM leat_queues WHERE name = '{name}')
        AND NOT EXISTS (
            SELECT 1 FROM leat_leases AS l
            WHERE l.queue = '{name}' AND l.hi > l.lo AND qs_{name}.id BETWEEN l.lo AND l.hi
        );
    UPDATE qs_{name} SET state = 'done', lease = NULL, suspect = 0, reason = NULL
    WHERE state = 'leased' AND lease = NEW.lease AND NEW.outcome = 'done';
    UPDATE qs_{name} SET state = 'ready', lease = NULL
    WHERE state = 'leased' AND lease = NEW.lease AND NEW.outcome = 'released';

    -- A range that is handed back is an orphan; every other lease has ended.
    UPDATE leat_leases SET worker = 0, expires_at = NULL, clock = NULL
    WHERE queue = '{name}' AND worker = NEW.worker AND id = NEW.lease AND NEW.outcome = 'released' AND lo IS NOT NULL;
    DELETE FROM leat_leases WHERE queue = '{name}' AND worker = NEW.worker AND id = NEW.lease;
END;
