#ifndef LEAT_BENCH_RAW_H
#define LEAT_BENCH_RAW_H

// What the benchmarks in C share: a database that is opened as Leat opens it, writers that take turns, and the log copied
// by the rule of Leat's checkpointer, on a thread of its own.

#include <sqlite3.h>

typedef struct {
    sqlite3 *connection;
    /// The writers' queue (flock), and the checkpointer's place in it; -1: nobody else writes.
    int turn, checkpointers_turn;
    /// Held by the one process that copies the log.
    int checkpoint;
    sqlite3 *checkpointers;
    struct raw_worker *worker;
} raw_database;

/// Prints what was tried and what SQLite says, and exits with 1.
void raw_fail(sqlite3 *connection, const char *what) __attribute__((noreturn));

/// Opens a database that Leat has made, and begins to look after its log.
raw_database raw_open(const char *path, int synchronous);

/// Waits for the turn to write. SQLite's lock is then free, or will be soon.
void raw_take_turn(raw_database *database);
void raw_end_turn(raw_database *database);

/// Waits for the checkpointer to be done.
void raw_close(raw_database *database);

sqlite3_stmt *raw_prepare(sqlite3 *connection, const char *text);

/// Runs it to its end, whatever its rows are, and resets it.
void raw_run(sqlite3 *connection, sqlite3_stmt *statement);

/// Seconds of the monotonic clock.
double raw_now(void);

#endif
