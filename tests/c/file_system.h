/* The program's own open, write, rename and so on in the place of the C library's, for the library under test
   too: they count, fail on demand, and tell of themselves. Linux with glibc. */
#ifndef FILE_SYSTEM_H
#define FILE_SYSTEM_H

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What happens to the call whose turn it is. SHORT and INTERRUPTED are no errors: the library goes on. */
typedef enum fault { FAILING, SHORT, INTERRUPTED, KILLED, KILLED_HALFWAY } fault;

/* Only calls of this thread between begin_faults and end_faults count. */
static _Thread_local bool watching;
static _Thread_local long calls_before_fault;
static _Thread_local fault present_fault;
static _Thread_local int fault_errno;
/* The function that had its turn; NULL: none. */
static _Thread_local const char *faulty;

/* Called in every flock, before the file is locked. */
static void (*before_locking)(void);

/* The error that a call ends with, whatever its turn; 0: none. The path is that of an open, or NULL. */
static int (*error_of_call)(const char *function, const char *path, int file);

/* Called after every call that changes something and has succeeded, or has reached the disk. The names are NULL,
   the bytes NULL and the file -1 where a call has none. */
static void (*after_change)(const char *function, const char *name, const char *new_name, int file, const void *bytes, size_t count);

static void tell(const char *function, const char *name, const char *new_name, int file, const void *bytes, size_t count) {
  if (watching && after_change != NULL) after_change(function, name, new_name, file, bytes, count);
}

static inline void begin_faults(fault fault, int error, long calls_before) {
  present_fault = fault;
  fault_errno = error;
  calls_before_fault = calls_before;
  faulty = NULL;
  watching = true;
}

static inline void end_faults(void) {
  watching = false;
}

/* Whether it is the call's turn. */
static bool is_faulty(const char *function) {
  if (!watching || faulty != NULL || calls_before_fault-- > 0) return false;
  faulty = function;
  if (present_fault == KILLED) raise(SIGKILL);
  return true;
}

/* Whether the call fails. */
static bool call_fails(const char *function, const char *path, int file) {
  const int error = watching && error_of_call != NULL ? error_of_call(function, path, file) : 0;
  if (error != 0) errno = error;
  if (error != 0 || !is_faulty(function)) return error != 0;
  if (present_fault == FAILING) errno = fault_errno;
  if (present_fault == INTERRUPTED) errno = EINTR;
  if (present_fault == KILLED_HALFWAY) raise(SIGKILL);
  return present_fault == FAILING || present_fault == INTERRUPTED;
}

/* The same of calls that are never interrupted. */
static bool brief_call_fails(const char *function, const char *path, int file) {
  return present_fault != INTERRUPTED && call_fails(function, path, file);
}

static int opened(int folder, const char *path, int flags, va_list arguments) {
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  if (call_fails("open", path, -1)) return -1;
  const int file = (int)syscall(SYS_openat, folder, path, flags, mode);
  if (file >= 0 && (flags & O_CREAT) != 0) tell("create", path, NULL, file, NULL, 0);
  return file;
}

#define OPEN(folder)                                     \
  va_list arguments;                                     \
  va_start(arguments, flags);                            \
  const int file = opened(folder, path, flags, arguments); \
  va_end(arguments);                                     \
  return file

int open(const char *path, int flags, ...) { OPEN(AT_FDCWD); }
int open64(const char *path, int flags, ...) { OPEN(AT_FDCWD); }
int openat(int folder, const char *path, int flags, ...) { OPEN(folder); }
int openat64(int folder, const char *path, int flags, ...) { OPEN(folder); }

ssize_t write(int file, const void *bytes, size_t count) {
  ssize_t written;
  if (!is_faulty("write")) {
    written = syscall(SYS_write, file, bytes, count);
  } else if (present_fault == FAILING || present_fault == INTERRUPTED) {
    errno = present_fault == FAILING ? fault_errno : EINTR;
    return -1;
  } else {
    written = syscall(SYS_write, file, bytes, (count + 1) / 2);
    if (present_fault == KILLED_HALFWAY) raise(SIGKILL);
  }
  if (written > 0) tell("write", NULL, NULL, file, bytes, (size_t)written);
  return written;
}

ssize_t read(int file, void *bytes, size_t count) {
  if (call_fails("read", NULL, file)) return -1;
  if (faulty != NULL && present_fault == SHORT) count = (count + 1) / 2;
  return syscall(SYS_read, file, bytes, count);
}

/* No test can tell whether the disk has been waited for. */
static int flushed(int file) {
  if (call_fails("fsync", NULL, file)) return -1;
  const int result = syscall(SYS_fcntl, file, F_GETFD) < 0 ? -1 : 0;
  if (result == 0) tell("fsync", NULL, NULL, file, NULL, 0);
  return result;
}
int fsync(int file) { return flushed(file); }
int fdatasync(int file) { return flushed(file); }

int rename(const char *from, const char *to) {
  if (brief_call_fails("rename", to, -1)) return -1;
  const int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (result == 0) tell("rename", from, to, -1, NULL, 0);
  return result;
}
int unlink(const char *path) {
  if (brief_call_fails("unlink", path, -1)) return -1;
  const int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (result == 0) tell("unlink", path, NULL, -1, NULL, 0);
  return result;
}
static int truncated(int file, off_t len) {
  if (brief_call_fails("ftruncate", NULL, file)) return -1;
  const int result = (int)syscall(SYS_ftruncate, file, len);
  if (result == 0) tell("ftruncate", NULL, NULL, file, NULL, (size_t)len);
  return result;
}
int ftruncate(int file, off_t len) { return truncated(file, len); }
int ftruncate64(int file, off64_t len) { return truncated(file, len); }
static off_t sought(int file, off_t offset, int whence) {
  return brief_call_fails("lseek", NULL, file) ? -1 : (off_t)syscall(SYS_lseek, file, offset, whence);
}
off_t lseek(int file, off_t offset, int whence) { return sought(file, offset, whence); }
off64_t lseek64(int file, off64_t offset, int whence) { return sought(file, offset, whence); }
int flock(int file, int operation) {
  if (before_locking != NULL) before_locking();
  return brief_call_fails("flock", NULL, file) ? -1 : (int)syscall(SYS_flock, file, operation);
}
int fchmod(int file, mode_t mode) { return brief_call_fails("fchmod", NULL, file) ? -1 : (int)syscall(SYS_fchmod, file, mode); }
ssize_t readlink(const char *path, char *link, size_t size) {
  return brief_call_fails("readlink", path, -1) ? -1 : syscall(SYS_readlinkat, AT_FDCWD, path, link, size);
}

/* The structs with and without 64 are the same where a file offset has 64 bits. */
static int looked(const char *path, int file, void *found, int flags) {
  if (brief_call_fails("stat", path, file)) return -1;
  return (int)syscall(SYS_newfstatat, path != NULL ? AT_FDCWD : file, path != NULL ? path : "", found, flags);
}
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "two kinds of stat");
int stat(const char *restrict path, struct stat *restrict found) { return looked(path, -1, found, 0); }
int stat64(const char *restrict path, struct stat64 *restrict found) { return looked(path, -1, found, 0); }
int lstat(const char *restrict path, struct stat *restrict found) { return looked(path, -1, found, AT_SYMLINK_NOFOLLOW); }
int lstat64(const char *restrict path, struct stat64 *restrict found) { return looked(path, -1, found, AT_SYMLINK_NOFOLLOW); }
int fstat(int file, struct stat *found) { return looked(NULL, file, found, AT_EMPTY_PATH); }
int fstat64(int file, struct stat64 *found) { return looked(NULL, file, found, AT_EMPTY_PATH); }

#endif
