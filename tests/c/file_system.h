/* The program's own open, write, rename and so on in the place of the C library's, for the library under test
   too: they count, and fail on demand. Linux with glibc. */
#ifndef FILE_SYSTEM_H
#define FILE_SYSTEM_H

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
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
static bool fails(const char *function) {
  if (!is_faulty(function)) return false;
  if (present_fault == FAILING) errno = fault_errno;
  if (present_fault == INTERRUPTED) errno = EINTR;
  if (present_fault == KILLED_HALFWAY) raise(SIGKILL);
  return present_fault == FAILING || present_fault == INTERRUPTED;
}

static int opened(int folder, const char *path, int flags, va_list arguments) {
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  return fails("open") ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
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
  if (is_faulty("write")) {
    if (present_fault == FAILING || present_fault == INTERRUPTED) {
      errno = present_fault == FAILING ? fault_errno : EINTR;
      return -1;
    }
    const ssize_t written = syscall(SYS_write, file, bytes, (count + 1) / 2);
    if (present_fault == KILLED_HALFWAY) raise(SIGKILL);
    return written;
  }
  return syscall(SYS_write, file, bytes, count);
}

ssize_t read(int file, void *bytes, size_t count) {
  if (fails("read")) return -1;
  if (faulty != NULL && present_fault == SHORT) count = (count + 1) / 2;
  return syscall(SYS_read, file, bytes, count);
}

int fsync(int file) { return fails("fsync") ? -1 : (int)syscall(SYS_fsync, file); }
int fdatasync(int file) { return fails("fsync") ? -1 : (int)syscall(SYS_fdatasync, file); }
int rename(const char *from, const char *to) {
  /* No rename is interrupted. */
  return present_fault != INTERRUPTED && fails("rename") ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}
int ftruncate(int file, off_t len) { return fails("ftruncate") ? -1 : (int)syscall(SYS_ftruncate, file, len); }
int ftruncate64(int file, off64_t len) { return fails("ftruncate") ? -1 : (int)syscall(SYS_ftruncate, file, len); }
static off_t sought(int file, off_t offset, int whence) {
  return present_fault != INTERRUPTED && fails("lseek") ? -1 : (off_t)syscall(SYS_lseek, file, offset, whence);
}
off_t lseek(int file, off_t offset, int whence) { return sought(file, offset, whence); }
off64_t lseek64(int file, off64_t offset, int whence) { return sought(file, offset, whence); }
int flock(int file, int operation) {
  if (before_locking != NULL) before_locking();
  return present_fault != INTERRUPTED && fails("flock") ? -1 : (int)syscall(SYS_flock, file, operation);
}

#endif
