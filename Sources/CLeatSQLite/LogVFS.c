#include "LogVFS.h"

#include <sqlite3.h>
#include <string.h>

/*
 * Two kinds of file are wrapped: the log, to hold its frames back, and the database, to learn when its write lock is
 * taken and released. All else is opened by the file system below, as if it had been asked itself.
 *
 * What is held back is of one transaction, and lies beyond all that others know of. It is written
 *
 *   - with the frame that ends the transaction, before SQLite makes that known, so that its error undoes the commit;
 *   - before anything else is asked of the log. SQLite may take that for an error of what it has asked, and undo no more
 *     than a statement: so all that is asked of the log fails from then on, until the transaction is undone.
 *
 * A transaction that is undone may leave frames (of a cache that was too small for it). They must not be written any
 * more: once the write lock is released their place may be another process's. So they are dropped with the lock, and
 * nothing is held back without it (as in exclusive locking mode, whose locks are not asked for one by one).
 *
 * A commit that makes the log longer is synced together with the file's new length and where its new bytes are, which takes
 * more than the bytes alone. So, under the write lock and before such a sync, zeros are written behind the frames, half as
 * many again as the log has: the commits that follow write over them. To SQLite a frame of zeros is the end of the log,
 * like any that does not continue the one before.
 */

/* Sixteen frames of SQLite's usual pages. */
enum { HELD = 16 * (24 + 4096), HEADER = 24 };
/* In bytes, of zeros: how many are written in a call, and before a sync. */
enum { ZEROS = 1 << 16, MOST_AHEAD = 1 << 19 };
_Static_assert(HELD < 0x1ffff, "SQLite's own file system writes no more in one call");

typedef struct log_file log_file;

typedef struct {
    sqlite3_file base;
    /* What the file system below made of it, behind this. */
    sqlite3_file *real;
    /* NULL while it has none open. */
    log_file *log;
    /* Whether it has the write lock. */
    int writes;
} database_file;

struct log_file {
    sqlite3_file base;
    sqlite3_file *real;
    database_file *database;
    /* What is held back: so many bytes, for that place. */
    unsigned char *held;
    int count;
    sqlite3_int64 place;
    /* Whether the last header in it is that of a frame which ends a transaction. */
    int ends;
    /* Of what was held back and could not be written: the transaction can't be committed any more. */
    int error;
    /* How far it has written, and how far the log was known to reach. */
    sqlite3_int64 end, length;
};

static sqlite3_file *real_of(sqlite3_file *file) { return ((database_file *)file)->real; }
static sqlite3_file *real_log(sqlite3_file *file) { return ((log_file *)file)->real; }

/* The log. */

static int write_log(log_file *log, const void *bytes, int count, sqlite3_int64 offset) {
    /* It begins anew, and somebody may have cut it. */
    if (offset < log->end) log->length = 0;
    int code = log->real->pMethods->xWrite(log->real, bytes, count, offset);
    if (code == SQLITE_OK) log->end = offset + count;
    return code;
}

static int write_held(log_file *log) {
    if (log->error != SQLITE_OK || log->count == 0) return log->error;
    int count = log->count;
    log->count = 0;
    log->ends = 0;
    return write_log(log, log->held, count, log->place);
}

/* Before a sync: it is only the next ones that depend on it, and by no more than time. */
static void write_ahead(log_file *log) {
    static unsigned char zeros[ZEROS];
    int writes = log->database != NULL && log->database->writes;
    if (!writes || log->end <= log->length) return;
    if (log->real->pMethods->xFileSize(log->real, &log->length) != SQLITE_OK || log->length > log->end) return;
    sqlite3_int64 until = log->end + (log->end / 2 < MOST_AHEAD ? log->end / 2 : MOST_AHEAD);
    while (log->length < until) {
        int count = until - log->length < ZEROS ? (int)(until - log->length) : ZEROS;
        if (log->real->pMethods->xWrite(log->real, zeros, count, log->length) != SQLITE_OK) return;
        log->length += count;
    }
}

/* Before what is no write: SQLite does not know that one has failed. */
static int write_held_before_else(sqlite3_file *file) {
    log_file *log = (log_file *)file;
    return log->error = write_held(log);
}

/* The write lock is taken, or released. */
static void lock_changes(database_file *database, int writes) {
    database->writes = writes;
    if (database->log == NULL) return;
    database->log->count = 0;
    database->log->ends = 0;
    database->log->error = SQLITE_OK;
}

static int log_close(sqlite3_file *file) {
    log_file *log = (log_file *)file;
    if (log->database != NULL) log->database->log = NULL;
    sqlite3_free(log->held);
    return log->real->pMethods->xClose(log->real);
}

static int log_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    int code = write_held_before_else(file);
    return code == SQLITE_OK ? real_log(file)->pMethods->xRead(real_log(file), bytes, count, offset) : code;
}

static int log_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    static const unsigned char none[4] = {0};
    log_file *log = (log_file *)file;
    /* The second word of a frame's header is how long the database is after it, if it ends a transaction, or else 0. */
    int is_header = count == HEADER;
    int ends = is_header && memcmp((const char *)bytes + 4, none, sizeof none) != 0;

    if (log->error != SQLITE_OK) return log->error;
    if (log->count > 0 && (offset != log->place + log->count || count > HELD - log->count)) {
        int code = write_held(log);
        if (code != SQLITE_OK) return code;
    }
    /* A header that ends a transaction may come without its page, when only the checksums are new: so it is not what is
       held back first. */
    int may_keep = log->database != NULL && log->database->writes;
    int is_kept = log->count > 0 || (may_keep && is_header && !ends);
    if (is_kept && log->held == NULL) is_kept = (log->held = sqlite3_malloc(HELD)) != NULL;
    if (!is_kept) return write_log(log, bytes, count, offset);

    if (log->count == 0) log->place = offset;
    memcpy(log->held + log->count, bytes, (size_t)count);
    log->count += count;
    if (log->ends) return write_held(log);
    log->ends = ends;
    return SQLITE_OK;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int code = write_held_before_else(file);
    ((log_file *)file)->length = 0;
    return code == SQLITE_OK ? real_log(file)->pMethods->xTruncate(real_log(file), size) : code;
}
static int log_sync(sqlite3_file *file, int flags) {
    int code = write_held((log_file *)file);
    if (code == SQLITE_OK) write_ahead((log_file *)file);
    return code == SQLITE_OK ? real_log(file)->pMethods->xSync(real_log(file), flags) : code;
}
static int log_size(sqlite3_file *file, sqlite3_int64 *size) {
    int code = write_held_before_else(file);
    return code == SQLITE_OK ? real_log(file)->pMethods->xFileSize(real_log(file), size) : code;
}
static int log_lock(sqlite3_file *file, int level) { return real_log(file)->pMethods->xLock(real_log(file), level); }
static int log_unlock(sqlite3_file *file, int level) { return real_log(file)->pMethods->xUnlock(real_log(file), level); }
static int log_reserved(sqlite3_file *file, int *is) {
    return real_log(file)->pMethods->xCheckReservedLock(real_log(file), is);
}
static int log_control(sqlite3_file *file, int what, void *argument) {
    int code = write_held_before_else(file);
    return code == SQLITE_OK ? real_log(file)->pMethods->xFileControl(real_log(file), what, argument) : code;
}
static int log_sector(sqlite3_file *file) { return real_log(file)->pMethods->xSectorSize(real_log(file)); }
static int log_characteristics(sqlite3_file *file) {
    return real_log(file)->pMethods->xDeviceCharacteristics(real_log(file));
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1, .xClose = log_close, .xRead = log_read, .xWrite = log_write, .xTruncate = log_truncate,
    .xSync = log_sync, .xFileSize = log_size, .xLock = log_lock, .xUnlock = log_unlock,
    .xCheckReservedLock = log_reserved, .xFileControl = log_control, .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_characteristics,
};

/* The database. */

static int database_close(sqlite3_file *file) {
    log_file *log = ((database_file *)file)->log;
    if (log != NULL) log->database = NULL;
    return real_of(file)->pMethods->xClose(real_of(file));
}
static int database_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    return real_of(file)->pMethods->xRead(real_of(file), bytes, count, offset);
}
static int database_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    return real_of(file)->pMethods->xWrite(real_of(file), bytes, count, offset);
}
static int database_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
static int database_sync(sqlite3_file *file, int flags) { return real_of(file)->pMethods->xSync(real_of(file), flags); }
static int database_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int database_lock(sqlite3_file *file, int level) { return real_of(file)->pMethods->xLock(real_of(file), level); }
static int database_unlock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
static int database_reserved(sqlite3_file *file, int *is) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is);
}
static int database_control(sqlite3_file *file, int what, void *argument) {
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}
static int database_sector(sqlite3_file *file) { return real_of(file)->pMethods->xSectorSize(real_of(file)); }
static int database_characteristics(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int database_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **region) {
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, region);
}
static int database_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    /* The first lock is that of writers (https://sqlite.org/walformat.html, "WAL Locks"). */
    int is_writers = offset == 0 && (flags & SQLITE_SHM_EXCLUSIVE);
    if (is_writers && (flags & SQLITE_SHM_UNLOCK)) lock_changes((database_file *)file, 0);
    int code = real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
    if (is_writers && (flags & SQLITE_SHM_LOCK) && code == SQLITE_OK) lock_changes((database_file *)file, 1);
    return code;
}
static void database_shm_barrier(sqlite3_file *file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
static int database_shm_unmap(sqlite3_file *file, int is_deleted) {
    lock_changes((database_file *)file, 0);
    return real_of(file)->pMethods->xShmUnmap(real_of(file), is_deleted);
}
static int database_fetch(sqlite3_file *file, sqlite3_int64 offset, int size, void **bytes) {
    return real_of(file)->pMethods->xFetch(real_of(file), offset, size, bytes);
}
static int database_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *bytes) {
    return real_of(file)->pMethods->xUnfetch(real_of(file), offset, bytes);
}

/* Of that version SQLite asks for what is in it. */
#define DATABASE_METHODS(version) \
    { \
        .iVersion = version, .xClose = database_close, .xRead = database_read, .xWrite = database_write, \
        .xTruncate = database_truncate, .xSync = database_sync, .xFileSize = database_size, .xLock = database_lock, \
        .xUnlock = database_unlock, .xCheckReservedLock = database_reserved, .xFileControl = database_control, \
        .xSectorSize = database_sector, .xDeviceCharacteristics = database_characteristics, \
        .xShmMap = database_shm_map, .xShmLock = database_shm_lock, .xShmBarrier = database_shm_barrier, \
        .xShmUnmap = database_shm_unmap, .xFetch = database_fetch, .xUnfetch = database_unfetch, \
    }

static const sqlite3_io_methods database_methods[] = {DATABASE_METHODS(1), DATABASE_METHODS(2), DATABASE_METHODS(3)};

/* The file system. */

typedef struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *below;
    char name[];
} file_system;

/* SQLite closes what has methods, even after a failed open: so nothing has any then. */
static int open_below(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_out) {
    sqlite3_vfs *below = ((file_system *)vfs)->below;
    file->pMethods = NULL;
    int code = below->xOpen(below, path, file, flags, flags_out);
    if (code == SQLITE_OK || file->pMethods == NULL) return code;
    file->pMethods->xClose(file);
    file->pMethods = NULL;
    return code;
}

static int open_database(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_out) {
    database_file *mine = (database_file *)file;
    memset(mine, 0, sizeof *mine);
    mine->real = (sqlite3_file *)&mine[1];
    int code = open_below(vfs, path, mine->real, flags, flags_out);
    if (code != SQLITE_OK) return code;
    const sqlite3_io_methods *methods = mine->real->pMethods;
    /* One that keeps no log for several processes may say so by that alone. */
    int version = methods->iVersion > 1 && methods->xShmMap == NULL ? 1 : methods->iVersion;
    mine->base.pMethods = &database_methods[(version > 3 ? 3 : version) - 1];
    return SQLITE_OK;
}

static int open_log(
    sqlite3_vfs *vfs, const char *path, sqlite3_file *file, database_file *database, int flags, int *flags_out
) {
    log_file *mine = (log_file *)file;
    memset(mine, 0, sizeof *mine);
    mine->real = (sqlite3_file *)&mine[1];
    int code = open_below(vfs, path, mine->real, flags, flags_out);
    if (code != SQLITE_OK) return code;
    mine->database = database;
    database->log = mine;
    mine->base.pMethods = &log_methods;
    return SQLITE_OK;
}

/* Whether the log of that database may be held back. Where a write may harm what is beside it, SQLite fills up a disk's
   sector with parts of frames, and what is a header could not be told any more. */
static int may_hold(sqlite3_file *file) {
    int is_ours = 0;
    for (int index = 0; index < 3; index++) is_ours |= file != NULL && file->pMethods == &database_methods[index];
    return is_ours && ((database_file *)file)->log == NULL
        && (database_characteristics(file) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_out) {
    if (path != NULL && (flags & SQLITE_OPEN_MAIN_DB)) return open_database(vfs, path, file, flags, flags_out);
    if (path != NULL && (flags & SQLITE_OPEN_WAL)) {
        sqlite3_file *database = sqlite3_database_file_object(path);
        if (may_hold(database)) return open_log(vfs, path, file, (database_file *)database, flags, flags_out);
    }
    return open_below(vfs, path, file, flags, flags_out);
}

const char *leat_log_vfs(void) {
    static const char prefix[] = "leat-log-";
    sqlite3_vfs *below = sqlite3_vfs_find(NULL), *unix_vfs = sqlite3_vfs_find("unix");
    /* Of another one it is not known what its functions look at: see below. */
    if (below == NULL || unix_vfs == NULL || below->pAppData != unix_vfs->pAppData) return NULL;
    file_system *made = sqlite3_malloc((int)(sizeof *made + sizeof prefix + strlen(below->zName)));
    if (made == NULL) return NULL;
    strcpy(made->name, prefix);
    strcat(made->name, below->zName);
    sqlite3_vfs *known = sqlite3_vfs_find(made->name);
    if (known != NULL) {
        sqlite3_free(made);
        return known->zName;
    }

    /* All else is that of the file system below: its functions do not look at what they are called through, but for
       what pAppData is. */
    made->vfs = *below;
    if (made->vfs.iVersion > 3) made->vfs.iVersion = 3;
    made->vfs.pNext = NULL;
    made->vfs.zName = made->name;
    made->vfs.szOsFile = (int)sizeof(log_file) + below->szOsFile;
    made->vfs.xOpen = vfs_open;
    made->below = below;
    if (sqlite3_vfs_register(&made->vfs, 0) == SQLITE_OK) return made->name;
    sqlite3_free(made);
    return NULL;
}

int leat_sqlite3_takes_uris(void) {
    /* Taken for a file's name, it is not found. */
    sqlite3 *connection = NULL;
    int code = sqlite3_open_v2("file::memory:?vfs=leat-none", &connection, SQLITE_OPEN_READONLY, NULL);
    sqlite3_close(connection);
    return (code & 0xff) == SQLITE_ERROR;
}
