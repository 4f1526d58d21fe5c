#include "Record.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CONNECTIONS = 64, MOST_STATEMENTS = 4096, MOST_PARAMETERS = 256 };

/// What a connection has run. A connection is used by one thread at a time, so it needs no lock.
typedef struct {
    char *bytes;
    size_t count, room;
    char *texts[MOST_STATEMENTS];
    uint32_t known, last;
    long runs;
} Tape;

static Tape tapes[MOST_CONNECTIONS];
static int connections;
static volatile int is_on;

static void add(Tape *tape, const void *bytes, size_t count) {
    if (tape->count + count > tape->room) {
        tape->room = (tape->count + count) * 2;
        tape->bytes = realloc(tape->bytes, tape->room);
        if (!tape->bytes) abort();
    }
    memcpy(tape->bytes + tape->count, bytes, count);
    tape->count += count;
}

static void add_byte(Tape *tape, char byte) { add(tape, &byte, 1); }
static void add_size(Tape *tape, uint32_t size) { add(tape, &size, sizeof size); }

/// A literal as `sqlite3_expanded_sql` writes it.
/// @return what follows it.
static const char *add_literal(Tape *tape, const char *at) {
    if (strncmp(at, "NULL", 4) == 0) {
        add_byte(tape, 'N');
        return at + 4;
    }
    if (*at == 'x' && at[1] == '\'') {
        const char *digits = at + 2, *end = strchr(digits, '\'');
        add_byte(tape, 'B');
        add_size(tape, (uint32_t)((end - digits) / 2));
        for (; digits < end; digits += 2) {
            char pair[3] = {digits[0], digits[1], 0};
            add_byte(tape, (char)strtol(pair, NULL, 16));
        }
        return end + 1;
    }
    if (*at == '\'') {
        add_byte(tape, 'T');
        size_t place = tape->count;
        add_size(tape, 0);
        for (at++; *at != '\'' || at[1] == '\''; at++) {
            add_byte(tape, *at);
            if (*at == '\'') at++;
        }
        uint32_t length = (uint32_t)(tape->count - place - sizeof length);
        memcpy(tape->bytes + place, &length, sizeof length);
        return at + 1;
    }
    char *end;
    int64_t number = strtoll(at, &end, 10);
    if (end == at || *end == '.') {
        fprintf(stderr, "no value that is known: %.40s\n", at);
        abort();
    }
    add_byte(tape, 'I');
    add(tape, &number, sizeof number);
    return end;
}

/// Each parameter's value once, by their numbers: of `text` with its parameters, and `full` with their values.
static void add_values(Tape *tape, const char *text, const char *full, int parameters) {
    // Where the value of each stands in `full`.
    const char *values[MOST_PARAMETERS + 1] = {NULL};
    Tape scrap = {0};
    int next = 1;
    while (*text) {
        if (*text == '?') {
            int number = 0;
            for (text++; isdigit((unsigned char)*text); text++) number = number * 10 + (*text - '0');
            if (number == 0) number = next;
            next = number + 1;
            if (number > MOST_PARAMETERS) abort();
            values[number] = full;
            scrap.count = 0;
            full = add_literal(&scrap, full);
        } else {
            if (*text++ != *full++) {
                fprintf(stderr, "the statement and its values part at: %.40s\n", text - 1);
                abort();
            }
        }
    }
    free(scrap.bytes);
    for (int number = 1; number <= parameters; number++) {
        if (values[number]) add_literal(tape, values[number]);
        else add_byte(tape, 'N');
    }
}

static int note(unsigned kind, void *context, void *statement, void *trigger) {
    Tape *tape = context;
    // A trigger tells its statements as comments.
    if (!is_on || kind != SQLITE_TRACE_STMT || strncmp(trigger, "--", 2) == 0) return 0;
    const char *text = sqlite3_sql(statement);
    if (!text) return 0;
    uint32_t number = 0;
    while (number < tape->known && strcmp(tape->texts[number], text) != 0) number++;
    if (number == tape->known) {
        if (number == MOST_STATEMENTS) abort();
        tape->texts[tape->known++] = strdup(text);
        add_byte(tape, 'S');
        add_size(tape, number);
        add_size(tape, (uint32_t)strlen(text));
        add(tape, text, strlen(text));
    }
    // Twice in a row: the first time another had the lock.
    if (tape->runs > 0 && number == tape->last && strncmp(text, "BEGIN", 5) == 0) return 0;
    tape->last = number;
    int parameters = sqlite3_bind_parameter_count(statement);
    add_byte(tape, 'X');
    add_size(tape, number);
    add_byte(tape, (char)parameters);
    char *full = sqlite3_expanded_sql(statement);
    if (!full) abort();
    add_values(tape, text, full, parameters);
    sqlite3_free(full);
    tape->runs++;
    return 0;
}

static int opened(sqlite3 *connection, char **message, const void *api) {
    (void)message;
    (void)api;
    if (connections == MOST_CONNECTIONS) abort();
    return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT, note, &tapes[connections++]);
}

int bench_record_connections(void) { return sqlite3_auto_extension((void (*)(void))opened); }

void bench_record_begin(void) { is_on = 1; }

void bench_record_mark(void) {
    for (int index = 0; index < connections; index++) add_byte(&tapes[index], 'P');
}

long bench_record_end(const char *path) {
    is_on = 0;
    Tape *most = &tapes[0];
    for (int index = 1; index < connections; index++) {
        if (tapes[index].runs > most->runs) most = &tapes[index];
    }
    FILE *file = fopen(path, "wb");
    if (!file) return -1;
    int isWritten = fwrite(most->bytes, 1, most->count, file) == most->count;
    return fclose(file) == 0 && isWritten ? most->runs : -1;
}
