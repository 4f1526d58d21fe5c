#ifndef LEAT_LOG_VFS_H
#define LEAT_LOG_VFS_H

/// The name of a file system for SQLite that is its default one, except that the frames which a transaction adds to the
/// write-ahead log are written several at a time. Registers it first; NULL when that fails, or when the default one is not
/// SQLite's own, or a copy of it.
///
/// SQLite writes each frame in two calls, its header of 24 bytes and its page (https://sqlite.org/walformat.html). Here
/// frames that follow each other are held back until the one that ends the transaction is complete, 64 KB are, or
/// anything else is asked of the file; then they are written in one call. (The one frame of a transaction that changes one
/// page is still written in two.) The frames, their order and what is synced stay the same: nothing is held back when
/// SQLite makes the transaction known to others, and an error of what was undoes the transaction.
///
/// And where a commit that is synced has made the log longer, zeros are written behind it, half as many as it has, 512 KB at
/// most: the syncs of those that follow need not wait for the file's new length.
///
/// Not to be called by two threads at once.
const char *leat_log_vfs(void);

/// Whether a file's name may be a URI, which is how one says what file system it is of: some libraries are built without.
int leat_sqlite3_takes_uris(void);

#endif
