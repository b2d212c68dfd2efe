/* What is different on Windows: paths in UTF-16, files that others have open, threads, and the error code of a
   thread. */
#include "radam_threads.h"

/* LARGE is enough work for the optimizer's own threads to start. */
enum { LARGE = 1 << 19 };

static float data[LARGE], grad[LARGE];

static radam_optimizer *optimizer_of(uint32_t num_threads) {
  radam_optimizer *opt = create(num_threads);
  radam_group_options options = group_options();
  fill(data, LARGE, 1);
  fill(grad, LARGE, 2);
  add_f32(opt, add_group(opt, &options), data, grad, LARGE);
  OK(opt, radam_step(opt));
  return opt;
}

static bool is_there(const wchar_t *name) {
  return GetFileAttributesW(name) != INVALID_FILE_ATTRIBUTES;
}

/* Saves and loads by the name in UTF-8, and finds the file under that in UTF-16. */
static void round_trip(const wchar_t *wide, const char *when) {
  char path[2048];
  CHECK(WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, sizeof path, NULL, NULL) > 0, "%s: no UTF-8", when);
  wchar_t verbatim[1024] = L"\\\\?\\"; /* the length of such a path has no limit */
  CHECK(GetFullPathNameW(wide, 1000, verbatim + 4, NULL) > 0, "%s: no full path", when);
  radam_optimizer *opt = optimizer_of(1);
  DeleteFileW(verbatim);
  OK(opt, radam_save(opt, path));
  CHECK(is_there(verbatim), "%s: the file is not where it should be", when);
  OK(opt, radam_save(opt, path));
  OK(opt, radam_load(opt, path));
  CHECK(DeleteFileW(verbatim), "%s: the file cannot be removed", when);
  CHECK(radam_load(opt, path) == RADAM_ERROR_IO, "%s: a file that is gone was loaded", when);
  OK(opt, radam_free(opt));
}

static void paths_are_utf8_of_any_length(void) {
  round_trip(L"r\x00e4" L"dam \x03c0 \x65e5\x672c \xd83d\xde80.radam", "characters of many scripts");

  wchar_t folder[1024] = L"\\\\?\\";
  GetCurrentDirectoryW(900, folder + 4);
  const size_t top = wcslen(folder);
  for (int depth = 0; depth < 20; depth++) {
    wcscat(folder, L"\\a folder of 19 chars");
    CHECK(CreateDirectoryW(folder, NULL) || GetLastError() == ERROR_ALREADY_EXISTS, "no folder");
  }
  const size_t end = wcslen(folder);
  CHECK(end > 260 + 100, "the path is not long");
  wcscat(folder, L"\\long.radam");
  round_trip(folder + 4, "a long path");
  round_trip(folder + top + 1, "a long path from this folder");
  for (folder[end] = 0; wcslen(folder) > top; *wcsrchr(folder, L'\\') = 0) RemoveDirectoryW(folder);

  radam_optimizer *opt = optimizer_of(1);
  CHECK(radam_save(opt, "\xe4.radam") == RADAM_ERROR_INVALID_ARGUMENT, "a path in Latin-1 was taken");
  check_message(opt, "UTF-8", "a path in Latin-1");
  OK(opt, radam_free(opt));
}

static HANDLE opened(const wchar_t *name, DWORD access, DWORD share) {
  return CreateFileW(name, access, share, NULL, OPEN_EXISTING, 0, NULL);
}

enum { SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE };

/* While a save writes: others can read, as they will under the new name, and not write. */
static int32_t look_at_unfinished(uint64_t done, uint64_t total, void *other) {
  (void)done, (void)total;
  HANDLE reader = opened(L"file.radam.tmp", GENERIC_READ, SHARE_ALL);
  CHECK(reader != INVALID_HANDLE_VALUE, "what is being saved cannot be opened: %lu", GetLastError());
  OVERLAPPED start = {0};
  CHECK(LockFileEx(reader, LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &start), "a reader would meet a lock");
  UnlockFileEx(reader, 0, 1, 0, &start);
  CHECK(opened(L"file.radam.tmp", GENERIC_WRITE, SHARE_ALL) == INVALID_HANDLE_VALUE &&
        GetLastError() == ERROR_SHARING_VIOLATION, "another program can write what is being saved");
  CloseHandle(reader);
  CHECK(radam_save(other, "file.radam") == RADAM_ERROR_IO, "two saves write one file");
  check_message(other, "another save", "two saves at once");
  return 0;
}

static void others_cannot_write_what_is_saved(void) {
  radam_optimizer *opt = optimizer_of(1), *other = create(1);
  radam_save_options options;
  OK(NULL, radam_save_options_init(&options, sizeof options));
  options.progress = look_at_unfinished;
  options.user = other;
  OK(opt, radam_save_with(opt, "file.radam", &options));
  OK(opt, radam_free(opt));
  OK(other, radam_free(other));
}

/* A file that others read is replaced whole or not at all. */
static radam_status save_over_open_file(DWORD share) {
  radam_optimizer *opt = optimizer_of(1);
  uint64_t steps;
  char byte;
  DWORD count = 0;
  OK(opt, radam_save(opt, "file.radam"));
  HANDLE reader = opened(L"file.radam", GENERIC_READ, share);
  OK(opt, radam_step(opt));
  const radam_status status = radam_save(opt, "file.radam");
  if (status != RADAM_OK) check_message(opt, "cannot rename to \"file.radam\"", "a file that cannot be replaced");
  CHECK(ReadFile(reader, &byte, 1, &count, NULL) && count == 1, "a reader has lost its file");
  CloseHandle(reader);
  CHECK(!is_there(L"file.radam.tmp"), "a save leaves its file");
  OK(opt, radam_load(opt, "file.radam"));
  OK(opt, radam_step_count(opt, 0, &steps));
  CHECK(steps == (status == RADAM_OK ? 2u : 1u), "%s, and yet there are %llu steps in the file",
        radam_status_string(status), (unsigned long long)steps);
  DeleteFileW(L"file.radam");
  OK(opt, radam_free(opt));
  return status;
}

static void files_that_others_read(void) {
  const bool is_wine = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
  const radam_status shared = save_over_open_file(SHARE_ALL);
  /* Wine 8 cannot, for want of FILE_RENAME_FLAG_POSIX_SEMANTICS. */
  CHECK(shared == RADAM_OK || is_wine, "a file whose readers let it be renamed was not replaced");
  /* As fopen opens it. */
  const radam_status not_shared = save_over_open_file(FILE_SHARE_READ | FILE_SHARE_WRITE);
  CHECK(not_shared == RADAM_ERROR_IO, "a file was replaced although its reader does not let it be renamed");
}

static void threads_go_with_their_optimizer(void) {
  for (int time = 0; time < 20; time++) {
    radam_optimizer *opt = optimizer_of(3);
    radam_threads threads = wait_for_threads(2, "num_threads 3");
    OK(opt, radam_free(opt));
    check_ended(&threads, "radam_free");
  }
}

static void threads_are_as_many_as_the_affinity_mask_allows(void) {
  DWORD_PTR all, of_system;
  GetProcessAffinityMask(GetCurrentProcess(), &all, &of_system);
  CHECK(SetProcessAffinityMask(GetCurrentProcess(), 1), "no affinity mask");
  radam_optimizer *opt = optimizer_of(0);
  Sleep(10); /* for a thread to get its name */
  radam_threads threads = wait_for_threads(0, "one core");
  close_threads(&threads);
  OK(opt, radam_free(opt));
  SetProcessAffinityMask(GetCurrentProcess(), all);
}

static void the_error_code_stays(void) {
  radam_optimizer *opt = optimizer_of(3);
  char message[512];
  SetLastError(4321);
  radam_last_error(NULL, message, sizeof message);
  CHECK(radam_free(NULL) == RADAM_ERROR_INVALID_HANDLE, "NULL was freed");
  radam_last_error(NULL, message, sizeof message);
  CHECK(GetLastError() == 4321, "asking for a message has made %lu of the code of this thread's last error", GetLastError());
  CHECK(radam_load(opt, "no such file") == RADAM_ERROR_IO, "a file that is not there was loaded");
  OK(opt, radam_step(opt));
  OK(opt, radam_save(opt, "code.radam"));
  OK(opt, radam_free(opt));
  CHECK(GetLastError() == 4321, "the code of this thread's last error has become %lu", GetLastError());
  DeleteFileW(L"code.radam");
}

int main(void) {
  paths_are_utf8_of_any_length();
  others_cannot_write_what_is_saved();
  files_that_others_read();
  threads_go_with_their_optimizer();
  threads_are_as_many_as_the_affinity_mask_allows();
  the_error_code_stays();
  return 0;
}
