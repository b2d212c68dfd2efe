/* The threads of the library that this process has, on Windows: found by their name. */
#ifndef RADAM_THREADS_H
#define RADAM_THREADS_H

#include <windows.h>

#include <tlhelp32.h>

#include "check.h"

enum { MOST_THREADS = 16 };

typedef struct radam_threads {
  int count;
  HANDLE handles[MOST_THREADS];
} radam_threads;

/* Older headers of MinGW lack it. */
WINBASEAPI HRESULT WINAPI GetThreadDescription(HANDLE thread, PWSTR *name);

static inline bool is_named_radam(HANDLE thread) {
  wchar_t *name = NULL;
  const bool is = SUCCEEDED(GetThreadDescription(thread, &name)) && wcscmp(name, L"radam") == 0;
  LocalFree(name);
  return is;
}

static inline void close_threads(radam_threads *threads) {
  while (threads->count > 0) CloseHandle(threads->handles[--threads->count]);
}

static inline radam_threads open_threads(void) {
  radam_threads threads = {.count = 0};
  THREADENTRY32 entry = {.dwSize = sizeof entry};
  HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  CHECK(snapshot != INVALID_HANDLE_VALUE, "the threads cannot be counted");
  for (BOOL more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry)) {
    if (entry.th32OwnerProcessID != GetCurrentProcessId()) continue;
    HANDLE thread = OpenThread(SYNCHRONIZE | THREAD_QUERY_LIMITED_INFORMATION, FALSE, entry.th32ThreadID);
    if (thread == NULL) continue;
    CHECK(threads.count < MOST_THREADS, "there are too many threads");
    threads.handles[threads.count++] = thread;
    if (!is_named_radam(thread)) CloseHandle(threads.handles[--threads.count]);
  }
  CloseHandle(snapshot);
  return threads;
}

/* A thread that was just started may not have its name yet. */
static inline radam_threads wait_for_threads(int expected, const char *when) {
  radam_threads threads = open_threads();
  for (int patience = 5000; threads.count != expected && patience > 0; patience--) {
    close_threads(&threads);
    Sleep(1);
    threads = open_threads();
  }
  CHECK(threads.count == expected, "%s: %d threads, not %d", when, threads.count, expected);
  return threads;
}

static inline void check_ended(radam_threads *threads, const char *when) {
  for (int i = 0; i < threads->count; i++)
    CHECK(WaitForSingleObject(threads->handles[i], 0) == WAIT_OBJECT_0, "%s: a thread still runs", when);
  close_threads(threads);
}

#endif
