// Asks of SQLite what `Record.h` has written down, from C and with nothing between: what is left of the time is SQLite's.
//
//     leat-bench-replay DATABASE RECORD SYNCHRONOUS
//
// The database is as it was when the recording began. It prints for each phase how many seconds its statements took.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "Raw.h"

enum { MOST_STATEMENTS = 4096 };

static uint32_t size_at(const char **at) {
    uint32_t size;
    memcpy(&size, *at, sizeof size);
    *at += sizeof size;
    return size;
}

static void bind(sqlite3_stmt *statement, int index, const char **at) {
    switch (*(*at)++) {
    case 'I': {
        int64_t number;
        memcpy(&number, *at, sizeof number);
        *at += sizeof number;
        sqlite3_bind_int64(statement, index, number);
        break;
    }
    case 'T': {
        uint32_t length = size_at(at);
        sqlite3_bind_text(statement, index, *at, (int)length, SQLITE_STATIC);
        *at += length;
        break;
    }
    case 'B': {
        uint32_t length = size_at(at);
        sqlite3_bind_blob(statement, index, *at, (int)length, SQLITE_STATIC);
        *at += length;
        break;
    }
    default: sqlite3_bind_null(statement, index);
    }
}

/// What a program does with a row: it takes each value.
static void take(sqlite3_stmt *statement) {
    static char taken[1 << 20];
    static volatile int64_t sum;
    int columns = sqlite3_column_count(statement);
    for (int column = 0; column < columns; column++) {
        int type = sqlite3_column_type(statement, column);
        if (type == SQLITE_INTEGER) {
            sum += sqlite3_column_int64(statement, column);
        } else if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
            const void *bytes = sqlite3_column_blob(statement, column);
            size_t count = (size_t)sqlite3_column_bytes(statement, column);
            memcpy(taken, bytes, count < sizeof taken ? count : sizeof taken);
        }
    }
}

int main(int count, char **words) {
    if (count != 4) {
        fprintf(stderr, "usage: %s DATABASE RECORD SYNCHRONOUS\n", words[0]);
        return 2;
    }
    int file = open(words[2], O_RDONLY);
    struct stat facts;
    if (file < 0 || fstat(file, &facts) != 0) raw_fail(NULL, words[2]);
    const char *record = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (record == MAP_FAILED) raw_fail(NULL, words[2]);
    const char *end = record + facts.st_size;

    raw_database database = raw_open(words[1], atoi(words[3]));
    sqlite3 *connection = database.connection;

    sqlite3_stmt *statements[MOST_STATEMENTS] = {NULL};
    double from = 0;
    int phases = 0;
    for (const char *at = record; at < end;) {
        char kind = *at++;
        if (kind == 'P') {
            if (phases++ > 0) printf("%.6f\n", raw_now() - from);
            from = raw_now();
            continue;
        }
        uint32_t number = size_at(&at);
        if (kind == 'S') {
            uint32_t length = size_at(&at);
            // Leat prepares each once too, as it meets it.
            if (sqlite3_prepare_v3(
                    connection, at, (int)length, SQLITE_PREPARE_PERSISTENT, &statements[number], NULL) != SQLITE_OK)
                raw_fail(connection, "prepare");
            at += length;
            continue;
        }
        sqlite3_stmt *statement = statements[number];
        int parameters = (unsigned char)*at++;
        for (int index = 1; index <= parameters; index++) bind(statement, index, &at);
        char first = sqlite3_sql(statement)[0];
        if (first == 'B') raw_take_turn(&database);
        int code;
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) take(statement);
        if (code != SQLITE_DONE) raw_fail(connection, sqlite3_sql(statement));
        sqlite3_reset(statement);
        if (first == 'C') raw_end_turn(&database);
    }
    printf("%.6f\n", raw_now() - from);
    raw_close(&database);
    return 0;
}
