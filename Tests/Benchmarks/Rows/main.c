// What a row costs on Leat's queue table, by how many of them one statement inserts, with and without what the table has.
//
//     leat-bench-rows DATABASE ROWS TABLE
//
// TABLE is `queue`, or `plain`: the same without AUTOINCREMENT, which keeps an id from being used twice, and without the
// index of keys. It prints nanoseconds a row, in transactions of 1,000 that are not synced.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "Raw.h"

enum { ROWS = 500000, BATCH = 1000, MOST = 100 };

int main(int count, char **words) {
    int rows = count == 4 ? atoi(words[2]) : 0;
    if (rows < 1 || rows > MOST || BATCH % rows != 0) {
        fprintf(stderr, "usage: %s DATABASE ROWS queue|plain\n", words[0]);
        return 2;
    }
    int is_queue = strcmp(words[3], "queue") == 0;
    sqlite3 *connection;
    if (sqlite3_open(words[1], &connection) != SQLITE_OK) raw_fail(connection, words[1]);
    char text[16384];
    snprintf(
        text, sizeof text,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = 1;"
        "CREATE TABLE q (id INTEGER PRIMARY KEY %s, payload ANY NOT NULL CHECK (typeof(payload) IN ('text', 'blob')),"
        " key TEXT, origin TEXT, parent INTEGER, created_at INTEGER NOT NULL, group_id TEXT, headers TEXT) STRICT; %s",
        is_queue ? "AUTOINCREMENT" : "", is_queue ? "CREATE INDEX q_key ON q (key) WHERE key IS NOT NULL" : "");
    if (sqlite3_exec(connection, text, NULL, NULL, NULL) != SQLITE_OK) raw_fail(connection, text);

    strcpy(text, "INSERT INTO q (payload, origin, parent, created_at) VALUES ");
    for (int row = 0; row < rows; row++)
        sprintf(text + strlen(text), "%s(?%d, ?1, ?%d, ?2)", row ? ", " : "", 2 * row + 3, 2 * row + 4);
    sqlite3_stmt *insert = raw_prepare(connection, text);
    sqlite3_stmt *begin = raw_prepare(connection, "BEGIN IMMEDIATE"), *commit = raw_prepare(connection, "COMMIT");
    char payload[200];
    memset(payload, 'x', sizeof payload);

    double from = raw_now();
    for (int done = 0; done < ROWS;) {
        raw_run(connection, begin);
        for (int end = done + BATCH; done < end;) {
            sqlite3_bind_text(insert, 1, "put", -1, SQLITE_STATIC);
            sqlite3_bind_int64(insert, 2, 1700000000000);
            for (int row = 0; row < rows; row++, done++) {
                sqlite3_bind_text(insert, 2 * row + 3, payload, sizeof payload, SQLITE_STATIC);
                sqlite3_bind_int64(insert, 2 * row + 4, done + 1);
            }
            raw_run(connection, insert);
        }
        raw_run(connection, commit);
    }
    printf("row %.1f\n", (raw_now() - from) * 1e9 / ROWS);
    return 0;
}
