#ifndef CLEATSQLITE_H
#define CLEATSQLITE_H

#include "Doorbell.h"
#include "LogVFS.h"

#include <sqlite3.h>
#include <stdint.h>

/// `sqlite3_db_config` is variadic, which Swift cannot call: this is its form for a switch (on: 1, off: 0).
int leat_sqlite3_db_config_switch(sqlite3 *connection, int option, int on);

/// `SQLITE_TRANSIENT` is a cast that Swift cannot import: SQLite takes a copy of what is bound.
int leat_sqlite3_bind_text(sqlite3_stmt *statement, int index, const char *text, int count);
int leat_sqlite3_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count);

#ifdef __linux__
/// The `f_type` of statfs(2), whose header Swift's Glibc module leaves out; 0 when it can't be told.
uint32_t leat_file_system_kind(const char *path);
#endif

#endif
