#define _GNU_SOURCE

#include "Shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/// SQLite lets its system calls be replaced (`xSetSystemCall`), so an errno can be given where the kernel would give it,
/// and SQLite's own handling of it is what is tested.

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned kinds;
static long nth;
static long calls;
static long failures;
static int error;
static int is_forever;
static int is_kill;

static void arm(unsigned which, long when, int what, int forever, int kill) {
    pthread_mutex_lock(&mutex);
    kinds = which;
    nth = when;
    error = what;
    is_forever = forever && what != EINTR;
    is_kill = kill;
    calls = 0;
    failures = 0;
    pthread_mutex_unlock(&mutex);
}

void fault_fail(unsigned which, long when, int what, int forever) { arm(which, when, what, forever, 0); }
void fault_kill(unsigned which, long when) { arm(which, when, 0, 0, 1); }
void fault_count(unsigned which) { arm(which, LONG_MAX, 0, 0, 0); }

static long read_under_lock(const long *number) {
    pthread_mutex_lock(&mutex);
    long value = *number;
    pthread_mutex_unlock(&mutex);
    return value;
}

long fault_calls(void) { return read_under_lock(&calls); }
long fault_failures(void) { return read_under_lock(&failures); }

int fault_strikes(unsigned kind) {
    int answer = 0;
    pthread_mutex_lock(&mutex);
    if (kinds & kind) {
        calls++;
        if (calls == nth && is_kill) kill(getpid(), SIGKILL);
        if (error != 0 && (calls == nth || (is_forever && calls > nth))) {
            answer = error;
            failures++;
        }
    }
    pthread_mutex_unlock(&mutex);
    return answer;
}

// MARK: By descriptor

/// Whether a descriptor is of a watched file. Kept from `open` to `close`.
static unsigned char watched[4096];

static int is_watched(int descriptor) {
    return descriptor >= 0 && descriptor < (int)sizeof watched && watched[descriptor];
}

static int fails(int descriptor, unsigned kind) {
    if (!is_watched(descriptor)) return 0;
    int what = fault_strikes(kind);
    if (what == 0) return 0;
    errno = what;
    return 1;
}

// MARK: The calls

static int (*real_open)(const char *, int, int);
static int (*real_close)(int);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fallocate)(int, off_t, off_t);
static int (*real_fcntl)(int, int, ...);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static int (*real_unlink)(const char *);

static int my_open(const char *path, int flags, int mode) {
    int mine = fault_watches(path);
    if (mine) {
        int what = fault_strikes(FAULT_OPEN);
        if (what != 0) {
            errno = what;
            return -1;
        }
    }
    int descriptor = real_open(path, flags, mode);
    if (descriptor >= 0 && descriptor < (int)sizeof watched) watched[descriptor] = (unsigned char)mine;
    return descriptor;
}

static int my_close(int descriptor) {
    if (descriptor >= 0 && descriptor < (int)sizeof watched) watched[descriptor] = 0;
    return real_close(descriptor);
}

static ssize_t my_read(int descriptor, void *bytes, size_t size) {
    return fails(descriptor, FAULT_READ) ? -1 : real_read(descriptor, bytes, size);
}
static ssize_t my_pread(int descriptor, void *bytes, size_t size, off_t offset) {
    return fails(descriptor, FAULT_READ) ? -1 : real_pread(descriptor, bytes, size, offset);
}
static ssize_t my_write(int descriptor, const void *bytes, size_t size) {
    return fails(descriptor, FAULT_WRITE) ? -1 : real_write(descriptor, bytes, size);
}

static ssize_t my_pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    if (fails(descriptor, FAULT_WRITE)) {
        // A disk that fills up or breaks in the middle of a write has written a part of it.
        int what = errno;
        if (what != EINTR && size > 1) (void)!real_pwrite(descriptor, bytes, size / 2, offset);
        errno = what;
        return -1;
    }
    return real_pwrite(descriptor, bytes, size, offset);
}

static int my_ftruncate(int descriptor, off_t size) {
    return fails(descriptor, FAULT_TRUNCATE) ? -1 : real_ftruncate(descriptor, size);
}
static int my_fallocate(int descriptor, off_t offset, off_t size) {
    // posix_fallocate(3) returns its errno.
    return fails(descriptor, FAULT_WRITE) ? errno : real_fallocate(descriptor, offset, size);
}

static int my_fcntl(int descriptor, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    // Locks are taken by F_SETLK; giving one back does not fail on a local disk.
    int is_taking = command == F_SETLK && ((struct flock *)argument)->l_type != F_UNLCK;
    if (is_taking && fails(descriptor, FAULT_LOCK)) return -1;
    return real_fcntl(descriptor, command, argument);
}

static void *my_mmap(void *place, size_t size, int protection, int flags, int descriptor, off_t offset) {
    return fails(descriptor, FAULT_MAP) ? MAP_FAILED
                                        : real_mmap(place, size, protection, flags, descriptor, offset);
}

static int my_unlink(const char *path) {
    int what = fault_watches(path) ? fault_strikes(FAULT_DELETE) : 0;
    if (what == 0) return real_unlink(path);
    errno = what;
    return -1;
}

static int replace(sqlite3_vfs *vfs, const char *name, sqlite3_syscall_ptr *old, sqlite3_syscall_ptr mine) {
    *old = vfs->xGetSystemCall(vfs, name);
    // A build of SQLite has some of them only.
    return *old == NULL ? SQLITE_OK : vfs->xSetSystemCall(vfs, name, mine);
}

int fault_replace_calls(sqlite3_vfs *vfs) {
    if (vfs->iVersion < 3 || vfs->xSetSystemCall == NULL) return SQLITE_ERROR;
    struct {
        const char *name;
        sqlite3_syscall_ptr *old;
        sqlite3_syscall_ptr mine;
    } all[] = {
        {"open", (sqlite3_syscall_ptr *)&real_open, (sqlite3_syscall_ptr)my_open},
        {"close", (sqlite3_syscall_ptr *)&real_close, (sqlite3_syscall_ptr)my_close},
        {"read", (sqlite3_syscall_ptr *)&real_read, (sqlite3_syscall_ptr)my_read},
        {"write", (sqlite3_syscall_ptr *)&real_write, (sqlite3_syscall_ptr)my_write},
        {"pread", (sqlite3_syscall_ptr *)&real_pread, (sqlite3_syscall_ptr)my_pread},
        {"pwrite", (sqlite3_syscall_ptr *)&real_pwrite, (sqlite3_syscall_ptr)my_pwrite},
        {"ftruncate", (sqlite3_syscall_ptr *)&real_ftruncate, (sqlite3_syscall_ptr)my_ftruncate},
        {"fallocate", (sqlite3_syscall_ptr *)&real_fallocate, (sqlite3_syscall_ptr)my_fallocate},
        {"fcntl", (sqlite3_syscall_ptr *)&real_fcntl, (sqlite3_syscall_ptr)my_fcntl},
        {"mmap", (sqlite3_syscall_ptr *)&real_mmap, (sqlite3_syscall_ptr)my_mmap},
        {"unlink", (sqlite3_syscall_ptr *)&real_unlink, (sqlite3_syscall_ptr)my_unlink},
    };
    for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
        int code = replace(vfs, all[index].name, all[index].old, all[index].mine);
        if (code != SQLITE_OK) return code;
    }
    // On 64 bits these are the same as those without the number, and a build has the one or the other.
    sqlite3_syscall_ptr other = vfs->xGetSystemCall(vfs, "pread64");
    if (other != NULL && real_pread == NULL) {
        real_pread = (ssize_t(*)(int, void *, size_t, off_t))other;
        vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)my_pread);
    }
    other = vfs->xGetSystemCall(vfs, "pwrite64");
    if (other != NULL && real_pwrite == NULL) {
        real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))other;
        vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)my_pwrite);
    }
    return SQLITE_OK;
}
