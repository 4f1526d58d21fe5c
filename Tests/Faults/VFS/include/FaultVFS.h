#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include <stddef.h>
#include <stdint.h>

/// A shim over SQLite's own access to the system, for tests: it records what is written and synced, lets calls fail, ends
/// the process at a call, and hands over to the test at a chosen point.
///
/// `fault_install` makes it the default of this process; until something below is asked for, it only passes calls on.
/// Counting, failing and killing are the whole process's, so tests that use them must not run beside others.
int fault_install(void);

/// Kinds of calls, to be combined.
enum {
    FAULT_OPEN = 1 << 0,
    FAULT_READ = 1 << 1,
    FAULT_WRITE = 1 << 2,
    FAULT_SYNC = 1 << 3,
    FAULT_TRUNCATE = 1 << 4,
    FAULT_LOCK = 1 << 5,
    FAULT_MAP = 1 << 6,
    FAULT_DELETE = 1 << 7,
    FAULT_ANY = (1 << 8) - 1,
};

/// Only calls on files whose path begins so are counted, recorded, failed or killed at.
void fault_watch(const char *prefix);

// MARK: Recording

/// Has each write, truncation, deletion and sync appended to a file, in the order in which they took effect over all
/// processes that record into it: a lock on the file is held around the call and its record.
///
/// A record is a `struct fault_record`, then `path` bytes of the file's name after the watched prefix, then `size` bytes of
/// data. Returns 0, or an errno.
int fault_record(const char *log);
void fault_stop_recording(void);
/// Puts a note of the test's own among the records.
void fault_note(const char *text);

struct fault_record {
    /// 'W' write, 'T' truncation to `offset`, 'S' sync, 'D' deletion (`offset` 1: the folder was synced
    /// after it), 'N' note.
    uint32_t kind;
    uint32_t path;
    uint64_t offset;
    uint32_t size;
    int32_t pid;
};

// MARK: Failing

/// Lets the `nth` call of these kinds from now on (the first is 1) fail with an errno, and all after it if `forever`.
///
/// An `EINTR` is given once only, however: SQLite tries such a call again without end.
void fault_fail(unsigned kinds, long nth, int error, int forever);
/// Sends the process SIGKILL before the `nth` call of these kinds from now on.
void fault_kill(unsigned kinds, long nth);
/// Counts calls of these kinds from now on, and lets none fail.
void fault_count(unsigned kinds);
/// How many calls were counted since; and how many of them failed.
long fault_calls(void);
long fault_failures(void);

// MARK: Schedules

/// Moments of a checkpoint.
enum {
    /// It has its lock, and has not looked at the log's index yet.
    FAULT_AT_CHECKPOINT_LOCK,
    /// It has read the index and found it changed, and has not acted on what it read: SQLite calls `xUnfetch` between.
    FAULT_AT_INDEX_READ,
    FAULT_MOMENTS,
};

/// Runs `hook` once, at the next such moment of any connection; it may ask for another moment.
void fault_at(int moment, void (*hook)(void *), void *context);

#endif
