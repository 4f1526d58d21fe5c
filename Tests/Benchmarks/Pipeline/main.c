// Three processes that pass items on, in C on Leat's tables: put, transform, consume. What Leat itself is measured against.
//
//     leat-bench-pipeline DATABASE ITEMS BATCH SYNCHRONOUS
//
// `leat-bench-store prepare` has made the database. Each transaction has the statements that Leat's has on the same path,
// and none of what is off it. The processes take turns by flock, wake each other by Leat's doorbells, and the log is copied
// by Leat's rule. It prints the seconds from the first process's start to the last one's end.

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "Doorbell.h"
#include "Raw.h"

enum { ROWS = 25, PAYLOAD = 200, MOST_BATCH = 10000 };

static int64_t items;
static int batch, synchronous;
static leat_doorbell *bells;

static int64_t wall_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static sqlite3_stmt *prepare(raw_database *database, const char *format, const char *queue) {
    static char text[8192];
    snprintf(text, sizeof text, format, queue, queue, queue, queue, queue, queue, queue, queue);
    return raw_prepare(database->connection, text);
}

static void text(sqlite3_stmt *statement, int index, const char *value) {
    sqlite3_bind_text(statement, index, value, -1, SQLITE_STATIC);
}

// MARK: Transactions

typedef struct {
    sqlite3_stmt *begin, *commit, *plan;
} transactions;

static transactions prepare_transactions(raw_database *database) {
    return (transactions){
        raw_prepare(database->connection, "BEGIN IMMEDIATE"),
        raw_prepare(database->connection, "COMMIT"),
        raw_prepare(database->connection, "SELECT coalesce(max(plan_version), 0) FROM leat_run"),
    };
}

static void begin(raw_database *database, transactions *statements) {
    raw_take_turn(database);
    raw_run(database->connection, statements->begin);
    raw_run(database->connection, statements->plan);
}

static void commit(raw_database *database, transactions *statements) {
    raw_run(database->connection, statements->commit);
    raw_end_turn(database);
}

// MARK: Putting

typedef struct {
    const char *stage, *queue;
    sqlite3_stmt *rows, *row, *edge;
} outlet;

static outlet prepare_outlet(raw_database *database, const char *stage, const char *queue) {
    char rows[4096] = "INSERT INTO q_%s (payload, origin, parent, created_at) VALUES ";
    for (int row = 0; row < ROWS; row++) {
        char part[64];
        snprintf(part, sizeof part, "%s(?%d, ?1, ?%d, ?2)", row ? ", " : "", 2 * row + 3, 2 * row + 4);
        strcat(rows, part);
    }
    return (outlet){
        .stage = stage,
        .queue = queue,
        .rows = prepare(database, rows, queue),
        .row = prepare(
            database, "INSERT INTO q_%s (payload, origin, parent, created_at) VALUES (?3, ?1, ?4, ?2)", queue),
        .edge = prepare(database, "UPDATE leat_edges SET inserted = inserted + ?3 WHERE stage = ?1 AND queue = ?2", queue),
    };
}

/// `parents` is NULL, or the numbers of what the payloads were made from.
static void put(
    raw_database *database, outlet *outlet, const char *payloads, const int *lengths, const int64_t *parents, int count) {
    int64_t now = wall_clock();
    for (int done = 0; done < count;) {
        int rows = count - done >= ROWS ? ROWS : 1;
        sqlite3_stmt *insert = rows == ROWS ? outlet->rows : outlet->row;
        text(insert, 1, outlet->stage);
        sqlite3_bind_int64(insert, 2, now);
        for (int row = 0; row < rows; row++, done++) {
            sqlite3_bind_text(insert, 2 * row + 3, payloads + (size_t)done * PAYLOAD, lengths[done], SQLITE_STATIC);
            if (parents) sqlite3_bind_int64(insert, 2 * row + 4, parents[done]);
        }
        raw_run(database->connection, insert);
    }
    text(outlet->edge, 1, outlet->stage);
    text(outlet->edge, 2, outlet->queue);
    sqlite3_bind_int(outlet->edge, 3, count);
    raw_run(database->connection, outlet->edge);
}

// MARK: Claiming and acknowledging

typedef struct {
    const char *stage, *queue;
    int worker;
    sqlite3_stmt *gate, *rows, *orphan, *path, *nth, *last, *number_lease, *insert_lease;
    sqlite3_stmt *fence, *delete_lease, *count, *closed;
    /// What is held.
    int64_t lease, lo, hi;
    int held, is_unread;
    int64_t ids[MOST_BATCH];
    int lengths[MOST_BATCH];
    char *payloads;
} inlet;

static void prepare_inlet(raw_database *database, inlet *inlet, const char *stage, const char *queue, int worker) {
    memset(inlet, 0, sizeof *inlet);
    inlet->stage = stage;
    inlet->queue = queue;
    inlet->worker = worker;
    inlet->payloads = malloc((size_t)MOST_BATCH * PAYLOAD);
    inlet->gate = prepare(
        database,
        "SELECT (SELECT reason FROM leat_trips WHERE stage = ?2), EXISTS (SELECT 1 FROM leat_leases WHERE queue = ?3 AND worker = w.id), "
        "EXISTS (SELECT 1 FROM leat_leases INDEXED BY leat_leases_suspects WHERE queue = ?3 AND worker = w.id AND suspect > 0), "
        "(SELECT frontier FROM leat_queues WHERE name = ?3) "
        "FROM leat_workers AS w WHERE w.id = ?1 AND w.ended_at IS NULL",
        queue);
    inlet->rows = prepare(database, "SELECT 1 FROM qs_%s LIMIT 1", queue);
    inlet->orphan = prepare(
        database,
        "SELECT id FROM leat_leases INDEXED BY leat_leases_orphans "
        "WHERE queue = ?1 AND worker = 0 AND (suspect = 0 OR ?2) ORDER BY lo LIMIT 1",
        queue);
    inlet->path = prepare(
        database,
        "SELECT i.id, i.payload, i.created_at, i.headers FROM q_%s AS i WHERE i.id BETWEEN ?1 AND ?2 ORDER BY i.id LIMIT ?3",
        queue);
    inlet->nth = prepare(database, "SELECT id FROM q_%s WHERE id >= ?1 ORDER BY id LIMIT 1 OFFSET ?2", queue);
    inlet->last = prepare(database, "SELECT coalesce(max(id), 0) FROM q_%s", queue);
    inlet->number_lease = prepare(
        database,
        "UPDATE leat_queues SET last_lease = 1 + (SELECT max(last_lease) FROM leat_queues), frontier = coalesce(?2, frontier), "
        "ends_at = CASE WHEN ?3 IS NULL OR ends_at <= ?3 THEN ends_at ELSE ?3 END, "
        "ends_boot = CASE WHEN ?3 IS NULL THEN ends_boot ELSE ?4 END WHERE name = ?1 RETURNING last_lease",
        queue);
    inlet->insert_lease = prepare(
        database,
        "INSERT INTO leat_leases "
        "(queue, worker, id, lo, hi, items, taken, suspect, claims, claimed_at, expires_at, clock) "
        "VALUES (?1, ?2, ?7, ?3, ?4, ?5, ?5, 0, 1, ?6, NULL, NULL)",
        queue);
    inlet->fence = prepare(
        database,
        "SELECT lo, hi, items, taken, suspect, claims FROM leat_leases WHERE queue = ?3 AND worker = ?2 AND id = ?1",
        queue);
    inlet->delete_lease = prepare(database, "DELETE FROM leat_leases WHERE queue = ?3 AND worker = ?2 AND id = ?1", queue);
    inlet->count = prepare(
        database,
        "UPDATE leat_counts SET acknowledged = acknowledged + ?2, crashes = 0, kills = 0, settled = settled + ?2, "
        "window_settled = CASE WHEN window_settled >= ?4 THEN 0 ELSE window_settled END + ?2, "
        "window_dead = CASE WHEN window_settled >= ?4 THEN 0 ELSE window_dead END WHERE stage = ?1",
        queue);
    inlet->closed = prepare(
        database,
        "SELECT q.sealed AND NOT EXISTS (SELECT 1 FROM leat_edges AS e JOIN leat_producers AS p ON p.stage = e.stage "
        "WHERE e.queue = q.name AND NOT EXISTS (SELECT 1 FROM leat_completions AS c WHERE c.queue = e.queue "
        "AND c.stage = p.stage AND c.shard = p.shard)) FROM leat_queues AS q WHERE q.name = ?1",
        queue);
}

static void read_items(inlet *inlet, int64_t hi) {
    inlet->held = 0;
    sqlite3_bind_int64(inlet->path, 1, inlet->lo);
    sqlite3_bind_int64(inlet->path, 2, hi);
    sqlite3_bind_int(inlet->path, 3, batch);
    while (sqlite3_step(inlet->path) == SQLITE_ROW) {
        inlet->ids[inlet->held] = sqlite3_column_int64(inlet->path, 0);
        const void *payload = sqlite3_column_text(inlet->path, 1);
        int length = sqlite3_column_bytes(inlet->path, 1);
        memcpy(inlet->payloads + (size_t)inlet->held * PAYLOAD, payload, (size_t)length);
        inlet->lengths[inlet->held++] = length;
    }
    sqlite3_reset(inlet->path);
}

/// What is held is read after the commit, while others write.
static void claim(raw_database *database, inlet *inlet) {
    sqlite3 *connection = database->connection;
    sqlite3_bind_int(inlet->gate, 1, inlet->worker);
    text(inlet->gate, 2, inlet->stage);
    text(inlet->gate, 3, inlet->queue);
    if (sqlite3_step(inlet->gate) != SQLITE_ROW) raw_fail(connection, "the worker is not there");
    int64_t frontier = sqlite3_column_int64(inlet->gate, 3);
    sqlite3_reset(inlet->gate);
    raw_run(connection, inlet->rows);
    text(inlet->orphan, 1, inlet->queue);
    sqlite3_bind_int(inlet->orphan, 2, 1);
    raw_run(connection, inlet->orphan);
    inlet->lo = frontier;
    inlet->held = 0;
    sqlite3_bind_int64(inlet->nth, 1, frontier);
    sqlite3_bind_int(inlet->nth, 2, batch - 1);
    inlet->is_unread = sqlite3_step(inlet->nth) == SQLITE_ROW;
    if (inlet->is_unread) {
        inlet->held = batch;
        inlet->hi = sqlite3_column_int64(inlet->nth, 0);
    }
    sqlite3_reset(inlet->nth);
    raw_run(connection, inlet->last);
    if (!inlet->is_unread) {
        read_items(inlet, INT64_MAX);
        if (inlet->held == 0) return;
        inlet->hi = inlet->ids[inlet->held - 1];
    }
    text(inlet->number_lease, 1, inlet->queue);
    sqlite3_bind_int64(inlet->number_lease, 2, inlet->hi + 1);
    if (sqlite3_step(inlet->number_lease) != SQLITE_ROW) raw_fail(connection, "the lease has no number");
    inlet->lease = sqlite3_column_int64(inlet->number_lease, 0);
    sqlite3_reset(inlet->number_lease);
    text(inlet->insert_lease, 1, inlet->queue);
    sqlite3_bind_int(inlet->insert_lease, 2, inlet->worker);
    sqlite3_bind_int64(inlet->insert_lease, 3, inlet->lo);
    sqlite3_bind_int64(inlet->insert_lease, 4, inlet->hi);
    sqlite3_bind_int(inlet->insert_lease, 5, inlet->held);
    sqlite3_bind_int64(inlet->insert_lease, 6, wall_clock());
    sqlite3_bind_int64(inlet->insert_lease, 7, inlet->lease);
    raw_run(connection, inlet->insert_lease);
}

static void acknowledge(raw_database *database, inlet *inlet) {
    sqlite3 *connection = database->connection;
    sqlite3_bind_int64(inlet->fence, 1, inlet->lease);
    sqlite3_bind_int(inlet->fence, 2, inlet->worker);
    text(inlet->fence, 3, inlet->queue);
    if (sqlite3_step(inlet->fence) != SQLITE_ROW) raw_fail(connection, "the lease is lost");
    sqlite3_reset(inlet->fence);
    sqlite3_bind_int64(inlet->delete_lease, 1, inlet->lease);
    sqlite3_bind_int(inlet->delete_lease, 2, inlet->worker);
    text(inlet->delete_lease, 3, inlet->queue);
    raw_run(connection, inlet->delete_lease);
    raw_run(connection, inlet->rows);
    text(inlet->count, 1, inlet->stage);
    sqlite3_bind_int(inlet->count, 2, inlet->held);
    sqlite3_bind_int(inlet->count, 4, 1000);
    raw_run(connection, inlet->count);
    text(inlet->closed, 1, inlet->queue);
    raw_run(connection, inlet->closed);
}

// MARK: Stages

static void produce(const char *path) {
    raw_database database = raw_open(path, synchronous);
    transactions statements = prepare_transactions(&database);
    outlet out = prepare_outlet(&database, "put", "raw");
    sqlite3_stmt *moved = raw_prepare(
        database.connection,
        "UPDATE leat_producers SET cursor = coalesce(?3, cursor), emitted = emitted + ?4 WHERE stage = 'put'");
    char *payloads = malloc((size_t)batch * PAYLOAD);
    int *lengths = malloc((size_t)batch * sizeof *lengths);
    memset(payloads, 'x', (size_t)batch * PAYLOAD);
    for (int index = 0; index < batch; index++) lengths[index] = PAYLOAD;
    for (int64_t done = 0; done < items; done += batch) {
        begin(&database, &statements);
        put(&database, &out, payloads, lengths, NULL, batch);
        char cursor[24];
        snprintf(cursor, sizeof cursor, "%lld", (long long)(done + batch));
        text(moved, 3, cursor);
        sqlite3_bind_int(moved, 4, batch);
        raw_run(database.connection, moved);
        commit(&database, &statements);
        leat_doorbell_ring(&bells[0], 0);
    }
    raw_close(&database);
}

/// Takes all, and puts as much where there is somewhere to put it.
static void work(const char *path, const char *stage, const char *from, const char *to, int worker, int bell) {
    raw_database database = raw_open(path, synchronous);
    transactions statements = prepare_transactions(&database);
    static inlet in;
    prepare_inlet(&database, &in, stage, from, worker);
    outlet out = {0};
    if (to) out = prepare_outlet(&database, stage, to);
    int64_t done = 0;
    while (done < items) {
        uint32_t seen = leat_doorbell_rings(&bells[bell]);
        if (in.held == 0) {
            begin(&database, &statements);
            claim(&database, &in);
            commit(&database, &statements);
            if (in.is_unread) read_items(&in, in.hi);
            if (in.held == 0) leat_doorbell_wait(&bells[bell], seen, 1000000000);
            continue;
        }
        done += in.held;
        begin(&database, &statements);
        acknowledge(&database, &in);
        if (to) put(&database, &out, in.payloads, in.lengths, in.ids, in.held);
        claim(&database, &in);
        commit(&database, &statements);
        if (in.is_unread) read_items(&in, in.hi);
        if (to) leat_doorbell_ring(&bells[bell + 1], 0);
    }
    raw_close(&database);
}

int main(int count, char **words) {
    if (count != 5 || atoi(words[3]) < 1 || atoi(words[3]) > MOST_BATCH) {
        fprintf(stderr, "usage: %s DATABASE ITEMS BATCH SYNCHRONOUS\n", words[0]);
        return 2;
    }
    const char *path = words[1];
    items = atoll(words[2]);
    batch = atoi(words[3]);
    synchronous = atoi(words[4]);
    bells = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bells == MAP_FAILED) raw_fail(NULL, "mmap");
    double from = raw_now();
    pid_t children[3];
    for (int role = 0; role < 3; role++) {
        pid_t child = fork();
        if (child < 0) raw_fail(NULL, "fork");
        children[role] = child;
        if (child > 0) continue;
        switch (role) {
        case 0: produce(path); break;
        case 1: work(path, "pass", "raw", "cooked", 1, 0); break;
        default: work(path, "take", "cooked", NULL, 2, 1);
        }
        exit(0);
    }
    int failures = 0, status;
    for (int role = 0; role < 3; role++) {
        if (wait(&status) > 0 && status == 0) continue;
        // The others would wait for it for ever.
        if (failures++ == 0) {
            for (int other = 0; other < 3; other++) kill(children[other], SIGKILL);
        }
    }
    printf("pipeline %.6f\n", raw_now() - from);
    return failures > 0;
}
