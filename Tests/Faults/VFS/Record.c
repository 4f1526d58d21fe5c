#define _GNU_SOURCE

#include "Shim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

static int log_file = -1;
/// The lock on the file excludes other processes, this one the other threads.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

int fault_record(const char *log) {
    fault_stop_recording();
    int file = open(log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return errno;
    pthread_mutex_lock(&mutex);
    log_file = file;
    pthread_mutex_unlock(&mutex);
    return 0;
}

void fault_stop_recording(void) {
    pthread_mutex_lock(&mutex);
    if (log_file >= 0) close(log_file);
    log_file = -1;
    pthread_mutex_unlock(&mutex);
}

void fault_begin_record(void) {
    pthread_mutex_lock(&mutex);
    if (log_file >= 0) {
        while (flock(log_file, LOCK_EX) != 0 && errno == EINTR) {}
    }
}

static void append(int kind, const char *name, uint64_t offset, const void *bytes, uint32_t size) {
    struct fault_record record = {
        .kind = (uint32_t)kind, .path = (uint32_t)strlen(name), .offset = offset, .size = size, .pid = getpid()};
    struct iovec parts[3] = {
        {&record, sizeof record}, {(void *)name, record.path}, {(void *)bytes, bytes == NULL ? 0 : size}};
    // Without its record a write would look as if it had not been: better no test than a blind one.
    if (writev(log_file, parts, 3) != (ssize_t)(sizeof record + record.path + parts[2].iov_len)) abort();
}

void fault_end_record(int kind, const char *path, uint64_t offset, const void *bytes, uint32_t size) {
    if (log_file >= 0) append(kind, fault_suffix(path), offset, bytes, size);
    fault_skip_record();
}

void fault_skip_record(void) {
    if (log_file >= 0) flock(log_file, LOCK_UN);
    pthread_mutex_unlock(&mutex);
}

void fault_note(const char *text) {
    fault_begin_record();
    if (log_file >= 0) append('N', "", 0, text, (uint32_t)strlen(text));
    fault_skip_record();
}
