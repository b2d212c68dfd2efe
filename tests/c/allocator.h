/* The program's own malloc, mmap and pthread_create in the place of the C library's, for the library
   under test too: they count, and fail on demand. Linux with glibc. */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H

#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

static atomic_long allocations, releases, thread_starts;
/* Bytes in use, with what the C library adds to the end of each allocation, and the most there were. */
static atomic_long bytes_in_use, most_bytes_in_use;

/* Allocations that still succeed; the next one fails, or all from there on. Negative: none fails. */
static atomic_long succeed_before_failing = -1;
static atomic_bool keep_failing, failed;

/* The same of threads. */
static atomic_long threads_before_failing = -1;

static bool fails(void) {
  atomic_fetch_add(&allocations, 1);
  if (succeed_before_failing < 0 || atomic_fetch_sub(&succeed_before_failing, 1) > 0) return false;
  if (keep_failing) succeed_before_failing = 0;
  failed = true;
  errno = ENOMEM;
  return true;
}

static void *counted(void *memory) {
  if (memory == NULL) return NULL;
  const long size = (long)malloc_usable_size(memory), in_use = atomic_fetch_add(&bytes_in_use, size) + size;
  for (long most = most_bytes_in_use; most < in_use && !atomic_compare_exchange_weak(&most_bytes_in_use, &most, in_use);) continue;
  return memory;
}

void *malloc(size_t size) { return fails() ? NULL : counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : counted(__libc_calloc(count, size)); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : counted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

void *realloc(void *memory, size_t size) {
  if (fails()) return NULL;
  long before = memory != NULL ? (long)malloc_usable_size(memory) : 0;
  void *moved = __libc_realloc(memory, size);
  if (moved != NULL || size == 0) atomic_fetch_sub(&bytes_in_use, before);
  return counted(moved);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  void *found = memalign(alignment, size);
  if (found != NULL) *memory = found;
  return found != NULL ? 0 : ENOMEM;
}

void free(void *memory) {
  if (memory != NULL) {
    atomic_fetch_add(&releases, 1);
    atomic_fetch_sub(&bytes_in_use, (long)malloc_usable_size(memory));
  }
  __libc_free(memory);
}

void *mmap(void *address, size_t len, int protection, int flags, int file, off_t offset) {
  return fails() ? MAP_FAILED : (void *)syscall(SYS_mmap, address, len, protection, flags, file, offset);
}

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static create_function *real_pthread_create;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
  if (threads_before_failing >= 0 && atomic_fetch_sub(&threads_before_failing, 1) <= 0) {
    threads_before_failing = 0;
    return EAGAIN;
  }
  atomic_fetch_add(&thread_starts, 1);
  return real_pthread_create(thread, attributes, body, argument);
}

/* To be called first, since dlsym itself allocates. */
static void find_real_functions(void) {
  *(void **)&real_pthread_create = dlsym(RTLD_NEXT, "pthread_create");
  CHECK(real_pthread_create != NULL, "the C library has no pthread_create");
}

#endif
