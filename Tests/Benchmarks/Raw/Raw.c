#include "Raw.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { LOG_PAGES = 1024 };

struct raw_worker {
    raw_database database;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t is_wanted;
    int is_due, is_over;
};

void raw_fail(sqlite3 *connection, const char *what) {
    fprintf(stderr, "%s: %s\n", what, connection ? sqlite3_errmsg(connection) : "");
    exit(1);
}

double raw_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

sqlite3_stmt *raw_prepare(sqlite3 *connection, const char *text) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(connection, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        raw_fail(connection, text);
    return statement;
}

void raw_run(sqlite3 *connection, sqlite3_stmt *statement) {
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) continue;
    if (code != SQLITE_DONE) raw_fail(connection, sqlite3_sql(statement));
    sqlite3_reset(statement);
}

static int retry(void *context, int tries) {
    (void)context;
    usleep(200);
    return tries < 100000;
}

static sqlite3 *open_connection(const char *path, int synchronous) {
    sqlite3 *connection;
    if (sqlite3_open(path, &connection) != SQLITE_OK) raw_fail(connection, path);
    char settings[200];
    snprintf(
        settings, sizeof settings,
        "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; PRAGMA synchronous = %d", synchronous);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_busy_handler(connection, retry, NULL);
    if (sqlite3_exec(connection, settings, NULL, NULL, NULL) != SQLITE_OK) raw_fail(connection, settings);
    return connection;
}

static int open_lock(const char *path, const char *suffix) {
    char name[4096];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    int descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) raw_fail(NULL, name);
    return descriptor;
}

static void lock(int descriptor) {
    while (flock(descriptor, LOCK_EX) != 0) {
        if (errno != EINTR) raw_fail(NULL, "flock");
    }
}

static int committed(void *context, sqlite3 *connection, const char *name, int pages) {
    (void)connection;
    (void)name;
    struct raw_worker *worker = context;
    if (pages >= LOG_PAGES) {
        pthread_mutex_lock(&worker->mutex);
        worker->is_due = 1;
        pthread_cond_signal(&worker->is_wanted);
        pthread_mutex_unlock(&worker->mutex);
    }
    return SQLITE_OK;
}

/// A small write first, so that the log is not fully copied when the checkpoint begins; beside the writers, and then
/// without them, so that the log is used again from its beginning.
static void copy_log(raw_database *database) {
    if (flock(database->checkpoint, LOCK_EX | LOCK_NB) != 0) return;
    for (int time = 0; time < 2; time++) {
        lock(database->checkpointers_turn);
        if (sqlite3_exec(
                database->checkpointers, "UPDATE leat_checkpoint SET count = count + 1", NULL, NULL, NULL)
            != SQLITE_OK)
            raw_fail(database->checkpointers, "checkpoint");
        if (time == 0) flock(database->checkpointers_turn, LOCK_UN);
        sqlite3_wal_checkpoint_v2(database->checkpointers, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (time == 1) flock(database->checkpointers_turn, LOCK_UN);
    }
    flock(database->checkpoint, LOCK_UN);
}

static void *look_after_log(void *context) {
    struct raw_worker *worker = context;
    for (;;) {
        pthread_mutex_lock(&worker->mutex);
        while (!worker->is_due && !worker->is_over) pthread_cond_wait(&worker->is_wanted, &worker->mutex);
        int is_last = worker->is_over;
        worker->is_due = 0;
        pthread_mutex_unlock(&worker->mutex);
        if (is_last) return NULL;
        copy_log(&worker->database);
    }
}

raw_database raw_open(const char *path, int synchronous) {
    raw_database database = {
        .connection = open_connection(path, synchronous),
        .turn = open_lock(path, "-turn"),
        .checkpointers_turn = open_lock(path, "-turn"),
        .checkpoint = open_lock(path, "-checkpoint"),
        .checkpointers = open_connection(path, 1),
        .worker = calloc(1, sizeof(struct raw_worker)),
    };
    struct raw_worker *worker = database.worker;
    if (!worker) raw_fail(NULL, "memory");
    worker->database = database;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->is_wanted, NULL);
    sqlite3_wal_hook(database.connection, committed, worker);
    if (pthread_create(&worker->thread, NULL, look_after_log, worker) != 0) raw_fail(NULL, "pthread_create");
    return database;
}

void raw_take_turn(raw_database *database) { lock(database->turn); }
void raw_end_turn(raw_database *database) { flock(database->turn, LOCK_UN); }

void raw_close(raw_database *database) {
    struct raw_worker *worker = database->worker;
    pthread_mutex_lock(&worker->mutex);
    worker->is_over = 1;
    pthread_cond_signal(&worker->is_wanted);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
}
