#ifndef FAULT_SHIM_H
#define FAULT_SHIM_H

#include "include/FaultVFS.h"

#include <sqlite3.h>

/// Whether the test has asked for this file.
int fault_watches(const char *path);
/// Its name after the watched prefix.
const char *fault_suffix(const char *path);

/// Around a call that is recorded: what other processes write is recorded before or after it.
void fault_begin_record(void);
void fault_end_record(int kind, const char *path, uint64_t offset, const void *bytes, uint32_t size);
void fault_skip_record(void);

/// Counts a call; ends the process if it is its turn.
///
/// Returns the errno that it is to fail with, or 0.
int fault_strikes(unsigned kind);

/// Puts our own functions in the place of SQLite's system calls.
int fault_replace_calls(sqlite3_vfs *vfs);

#endif
