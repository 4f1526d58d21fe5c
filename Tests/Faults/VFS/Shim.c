#include "Shim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/// The file as SQLite sees it; the underlying one's own structure follows it.
typedef struct {
    sqlite3_file base;
    sqlite3_file *real;
    char *path;
    int is_watched;
} shim_file;

static sqlite3_vfs shim;
static sqlite3_io_methods methods;
static sqlite3_vfs *real;
static char *prefix;

static pthread_mutex_t hook_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void (*hook)(void *);
    void *context;
} hooks[FAULT_MOMENTS];

int fault_watches(const char *path) {
    return prefix != NULL && path != NULL && strncmp(path, prefix, strlen(prefix)) == 0;
}

const char *fault_suffix(const char *path) { return path + strlen(prefix); }

void fault_watch(const char *path) {
    free(prefix);
    prefix = path == NULL ? NULL : strdup(path);
}

void fault_at(int moment, void (*hook)(void *), void *context) {
    pthread_mutex_lock(&hook_mutex);
    hooks[moment].hook = hook;
    hooks[moment].context = context;
    pthread_mutex_unlock(&hook_mutex);
}

static void reach(int moment) {
    pthread_mutex_lock(&hook_mutex);
    void (*hook)(void *) = hooks[moment].hook;
    void *context = hooks[moment].context;
    hooks[moment].hook = NULL;
    pthread_mutex_unlock(&hook_mutex);
    if (hook != NULL) hook(context);
}

static sqlite3_file *under(sqlite3_file *file) { return ((shim_file *)file)->real; }

static int shim_close(sqlite3_file *file) {
    shim_file *mine = (shim_file *)file;
    int code = mine->real->pMethods != NULL ? mine->real->pMethods->xClose(mine->real) : SQLITE_OK;
    free(mine->path);
    mine->path = NULL;
    return code;
}

static int shim_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset) {
    return under(file)->pMethods->xRead(under(file), bytes, size, offset);
}

static int shim_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset) {
    shim_file *mine = (shim_file *)file;
    if (!mine->is_watched) return mine->real->pMethods->xWrite(mine->real, bytes, size, offset);
    fault_begin_record();
    int code = mine->real->pMethods->xWrite(mine->real, bytes, size, offset);
    // A write that failed may have written a part; the process has no way to tell which.
    fault_end_record('W', mine->path, (uint64_t)offset, bytes, (uint32_t)size);
    return code;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
    shim_file *mine = (shim_file *)file;
    if (!mine->is_watched) return mine->real->pMethods->xTruncate(mine->real, size);
    fault_begin_record();
    int code = mine->real->pMethods->xTruncate(mine->real, size);
    if (code == SQLITE_OK) fault_end_record('T', mine->path, (uint64_t)size, NULL, 0);
    else fault_skip_record();
    return code;
}

static int shim_sync(sqlite3_file *file, int flags) {
    shim_file *mine = (shim_file *)file;
    if (!mine->is_watched) return mine->real->pMethods->xSync(mine->real, flags);
    // SQLite's system calls can be replaced one by one, fdatasync(2) excepted: it fails here.
    if (fault_strikes(FAULT_SYNC) != 0) return SQLITE_IOERR_FSYNC;
    fault_begin_record();
    int code = mine->real->pMethods->xSync(mine->real, flags);
    if (code == SQLITE_OK) fault_end_record('S', mine->path, 0, NULL, 0);
    else fault_skip_record();
    return code;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size) {
    return under(file)->pMethods->xFileSize(under(file), size);
}
static int shim_lock(sqlite3_file *file, int level) { return under(file)->pMethods->xLock(under(file), level); }
static int shim_unlock(sqlite3_file *file, int level) { return under(file)->pMethods->xUnlock(under(file), level); }
static int shim_reserved(sqlite3_file *file, int *is) {
    return under(file)->pMethods->xCheckReservedLock(under(file), is);
}
static int shim_control(sqlite3_file *file, int what, void *argument) {
    return under(file)->pMethods->xFileControl(under(file), what, argument);
}
static int shim_sector(sqlite3_file *file) { return under(file)->pMethods->xSectorSize(under(file)); }
static int shim_characteristics(sqlite3_file *file) {
    return under(file)->pMethods->xDeviceCharacteristics(under(file));
}
static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **region) {
    return under(file)->pMethods->xShmMap(under(file), page, size, extend, region);
}
static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    int code = under(file)->pMethods->xShmLock(under(file), offset, count, flags);
    // The second of the index's locks is the checkpointer's (https://sqlite.org/walformat.html, "WAL Locks").
    int is_checkpoint = offset == 1 && count == 1 && flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
    if (code == SQLITE_OK && is_checkpoint && ((shim_file *)file)->is_watched) reach(FAULT_AT_CHECKPOINT_LOCK);
    return code;
}
static void shim_shm_barrier(sqlite3_file *file) { under(file)->pMethods->xShmBarrier(under(file)); }
static int shim_shm_unmap(sqlite3_file *file, int is_deleted) {
    return under(file)->pMethods->xShmUnmap(under(file), is_deleted);
}
static int shim_fetch(sqlite3_file *file, sqlite3_int64 offset, int size, void **bytes) {
    return under(file)->pMethods->xFetch(under(file), offset, size, bytes);
}

static int shim_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *bytes) {
    if (bytes == NULL && ((shim_file *)file)->is_watched) reach(FAULT_AT_INDEX_READ);
    return under(file)->pMethods->xUnfetch(under(file), offset, bytes);
}

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_out) {
    (void)vfs;
    shim_file *mine = (shim_file *)file;
    memset(mine, 0, sizeof *mine);
    mine->real = (sqlite3_file *)&mine[1];
    int code = real->xOpen(real, path, mine->real, flags, flags_out);
    if (code != SQLITE_OK || mine->real->pMethods == NULL) {
        // SQLite closes what has methods, even after a failed open.
        if (mine->real->pMethods != NULL) mine->real->pMethods->xClose(mine->real);
        return code;
    }
    mine->path = path == NULL ? NULL : strdup(path);
    mine->is_watched = fault_watches(path);
    mine->base.pMethods = &methods;
    return SQLITE_OK;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    (void)vfs;
    if (!fault_watches(path)) return real->xDelete(real, path, sync_folder);
    fault_begin_record();
    int code = real->xDelete(real, path, sync_folder);
    if (code == SQLITE_OK) fault_end_record('D', path, (uint64_t)(sync_folder != 0), NULL, 0);
    else fault_skip_record();
    return code;
}

int fault_install(void) {
    if (real != NULL) return SQLITE_OK;
    sqlite3_vfs *found = sqlite3_vfs_find(NULL);
    if (found == NULL) return SQLITE_ERROR;
    int code = fault_replace_calls(found);
    if (code != SQLITE_OK) return code;
    real = found;
    methods = (sqlite3_io_methods){
        .iVersion = 3, .xClose = shim_close, .xRead = shim_read, .xWrite = shim_write, .xTruncate = shim_truncate,
        .xSync = shim_sync, .xFileSize = shim_size, .xLock = shim_lock, .xUnlock = shim_unlock,
        .xCheckReservedLock = shim_reserved, .xFileControl = shim_control, .xSectorSize = shim_sector,
        .xDeviceCharacteristics = shim_characteristics, .xShmMap = shim_shm_map, .xShmLock = shim_shm_lock,
        .xShmBarrier = shim_shm_barrier, .xShmUnmap = shim_shm_unmap, .xFetch = shim_fetch, .xUnfetch = shim_unfetch,
    };
    // All else is the underlying one's: its functions do not look at what they are called through.
    shim = *real;
    shim.zName = "fault";
    shim.szOsFile = (int)sizeof(shim_file) + real->szOsFile;
    shim.xOpen = shim_open;
    shim.xDelete = shim_delete;
    shim.pNext = NULL;
    return sqlite3_vfs_register(&shim, 1);
}
