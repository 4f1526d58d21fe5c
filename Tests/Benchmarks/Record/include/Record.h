#ifndef LEAT_BENCH_RECORD_H
#define LEAT_BENCH_RECORD_H

// Writes down what a program asks of SQLite, so that `leat-bench-replay` can ask the same in C.
//
// The file: for each statement that is met for the first time 'S', its number (u32), its length (u32), its text; for each
// time that one is run 'X', its number (u32), the number of its parameters (u8), and of each 'N', 'I' and an i64, or 'T' or
// 'B', a length (u32) and bytes. 'P' where a phase begins. All in the order of this machine.

/// Has each connection that is opened from now on tell its statements.
/// @return 0, or an error of SQLite.
int bench_record_connections(void);

/// From here to `bench_record_end` what is run is kept.
void bench_record_begin(void);

/// A phase begins, whose time is told by itself. Only while no statement runs.
void bench_record_mark(void);

/// Writes what the connection that ran most has run.
/// @return how many statements, or -1 when the file could not be written.
long bench_record_end(const char *path);

#endif
