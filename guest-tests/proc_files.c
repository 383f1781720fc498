// SPDX-License-Identifier: GPL-2.0-or-later
//
// proc_files [fork]: what /proc tells is what the program has done: mappings and their pages, states of
// processes, threads, descriptors, counts of faults. Prints only that the facts hold. With "fork": how pages
// are counted that two processes have.
#include <dirent.h>
#include <sched.h>
#include <sys/prctl.h>

#include "threads.h"

static const int kReadWrite = PROT_READ | PROT_WRITE;

// The whole file; the buffer is used again by the next call.
static char* contents(const char* path) {
  static char buffer[256 * 1024];
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  size_t bytes = 0;
  ssize_t got;
  while ((got = read(fd, buffer + bytes, sizeof buffer - 1 - bytes)) > 0) bytes += (size_t)got;
  CHECK(got == 0 && bytes < sizeof buffer - 1);
  CHECK(close(fd) == 0);
  buffer[bytes] = 0;
  return buffer;
}

static char* file_of(pid_t pid, const char* name) {
  static char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return path;
}

// The number behind "Key:" or "key " at the start of a line; -1 when there is none.
static long number_at(const char* text, const char* key) {
  for (const char* line = text; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    size_t length = strlen(key);
    if (strncmp(line, key, length) == 0) return strtol(line + length, NULL, strstr(key, "Sig") ? 16 : 10);
    if (!*line) break;
  }
  return -1;
}

// ---- maps and smaps
// -----------------------------------------------------------------------------------------

struct Line {
  uintptr_t start, end;
  char protection[5];
  unsigned long offset;
  char name[128];
};

static bool parse(const char* text, struct Line* line) {
  unsigned long inode;
  unsigned major, minor;
  int name_at = 0;
  if (sscanf(text, "%lx-%lx %4s %lx %x:%x %lu %n", &line->start, &line->end, line->protection, &line->offset,
             &major, &minor, &inode, &name_at) < 7)
    return false;
  size_t length = strcspn(text + name_at, "\n");
  CHECK(length < sizeof line->name);
  memcpy(line->name, text + name_at, length);
  line->name[length] = 0;
  return true;
}

static bool find_mapping(pid_t pid, const void* address, struct Line* found) {
  bool there = false;
  uintptr_t last = 0;
  for (char* text = contents(file_of(pid, "maps")); *text; text = strchr(text, '\n') + 1) {
    struct Line line;
    CHECK(parse(text, &line));
    CHECK(line.start >= last && line.end > line.start && line.start % kPage == 0);
    last = line.end;
    if ((uintptr_t)address < line.start || (uintptr_t)address >= line.end) continue;
    *found = line;
    there = true;
  }
  return there;
}

static void expect_mapping(pid_t pid, const char* from, int pages, const char* protection) {
  struct Line line;
  CHECK(find_mapping(pid, from, &line));
  CHECK_EQUAL(line.start, (uintptr_t)from);
  CHECK_EQUAL(line.end, (uintptr_t)from + (uintptr_t)pages * kPage);
  CHECK(strcmp(line.protection, protection) == 0);
}

// Pages between two that keep it apart from its neighbours.
static char* map_apart(int pages) {
  char* memory = map_anonymous((size_t)(pages + 2) * kPage, PROT_NONE);
  CHECK(mprotect(memory + kPage, (size_t)pages * kPage, kReadWrite) == 0);
  return memory + kPage;
}

// A number of kB, in pages, from the part of smaps about the mapping that starts there.
static long smaps(pid_t pid, const char* start, const char* key) {
  char wanted[32];
  snprintf(wanted, sizeof wanted, "%lx-", (unsigned long)start);
  char* text = strstr(contents(file_of(pid, "smaps")), wanted);
  CHECK(text != NULL);
  char* end = strstr(text, "VmFlags");
  CHECK(end != NULL);
  *end = 0;
  long kilobytes = number_at(text, key);
  CHECK(kilobytes >= 0 && kilobytes % 4 == 0);
  return kilobytes / 4;
}

static void mappings(void) {
  pid_t self = getpid();
  char* memory = map_apart(8);
  struct Line line;
  expect_mapping(self, memory, 8, "rw-p");
  expect_mapping(self, memory - kPage, 1, "---p");
  CHECK(mprotect(memory + 3 * kPage, 2 * kPage, PROT_READ | PROT_EXEC) == 0);
  expect_mapping(self, memory, 3, "rw-p");
  expect_mapping(self, memory + 3 * kPage, 2, "r-xp");
  expect_mapping(self, memory + 5 * kPage, 3, "rw-p");
  CHECK(mprotect(memory + 3 * kPage, 2 * kPage, kReadWrite) == 0);
  expect_mapping(self, memory, 8, "rw-p");
  CHECK(munmap(memory + 6 * kPage, kPage) == 0);
  CHECK(!find_mapping(self, memory + 6 * kPage, &line));
  expect_mapping(self, memory, 6, "rw-p");
  CHECK(munmap(memory - kPage, 10 * kPage) == 0);

  char* shared = map_shared(2 * kPage);
  CHECK(find_mapping(self, shared, &line) && strcmp(line.protection, "rw-s") == 0);
  CHECK(strcmp(line.name, "/dev/zero (deleted)") == 0);
  CHECK(munmap(shared, 2 * kPage) == 0);
  int fd = memfd_create("some name", 0);
  CHECK(ftruncate(fd, 4 * kPage) == 0);
  char* file = mmap(NULL, 2 * kPage, PROT_READ, MAP_PRIVATE, fd, kPage);
  CHECK(find_mapping(self, file, &line) && line.offset == kPage && strcmp(line.protection, "r--p") == 0);
  CHECK(strcmp(line.name, "/memfd:some name (deleted)") == 0);
  CHECK(munmap(file, 2 * kPage) == 0 && close(fd) == 0);

  int local;
  CHECK(find_mapping(self, &local, &line) && strcmp(line.name, "[stack]") == 0);
  uintptr_t heap = (uintptr_t)syscall(SYS_brk, 0);  // musl has no sbrk
  CHECK_EQUAL(syscall(SYS_brk, heap + kPage), heap + kPage);
  CHECK(find_mapping(self, (void*)heap, &line) && strcmp(line.name, "[heap]") == 0 &&
        strcmp(line.protection, "rw-p") == 0);
  CHECK(find_mapping(self, (void*)mappings, &line) && strcmp(line.protection, "r-xp") == 0);
  char exe[256];
  ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
  CHECK(length > 0);
  exe[length] = 0;
  CHECK(strcmp(line.name, exe) == 0);
  say("maps: what is mapped, how, and from where; split and joined");
}

static void counted_pages(void) {
  pid_t self = getpid();
  char* memory = map_apart(64);
  CHECK_EQUAL(smaps(self, memory, "Size:"), 64);
  CHECK_EQUAL(smaps(self, memory, "Rss:"), 0);
  for (int i = 0; i < 10; i++) write_byte(memory + i * kPage, 1);
  CHECK_EQUAL(smaps(self, memory, "Rss:"), 10);
  CHECK_EQUAL(smaps(self, memory, "Private_Dirty:"), 10);
  CHECK_EQUAL(smaps(self, memory, "Anonymous:"), 10);
  for (int i = 20; i < 30; i++) read_byte(memory + i * kPage);  // zero pages are nobody's
  CHECK_EQUAL(smaps(self, memory, "Rss:"), 10);
  CHECK(madvise(memory, 4 * kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(smaps(self, memory, "Rss:"), 6);
  long locked = number_at(contents("/proc/self/status"), "VmLck:");
  CHECK_EQUAL(smaps(self, memory, "Locked:"), 0);
  CHECK(mlock(memory, 8 * kPage) == 0);
  CHECK_EQUAL(smaps(self, memory, "Locked:"), 8);
  CHECK_EQUAL(number_at(contents("/proc/self/status"), "VmLck:") - locked, 8 * 4);
  CHECK(munlock(memory, 8 * kPage) == 0);
  CHECK_EQUAL(number_at(contents("/proc/self/status"), "VmLck:"), locked);
  CHECK(munmap(memory - kPage, 66 * kPage) == 0);

  enum { kMany = 1000, kAbout = 200 };  // Linux keeps these counts roughly, for each CPU
  memory = map_apart(kMany);
  long size = number_at(contents("/proc/self/status"), "VmSize:"),
       rss = number_at(contents("/proc/self/status"), "VmRSS:");
  long pages, resident, more_pages, more_resident;
  CHECK_EQUAL(sscanf(contents("/proc/self/statm"), "%ld %ld", &pages, &resident), 2);
  CHECK_EQUAL(pages * 4, size);
  for (int i = 0; i < kMany; i++) write_byte(memory + i * kPage, 1);
  char* none = map_anonymous(256 * kPage, PROT_NONE);
  CHECK(number_at(contents("/proc/self/status"), "VmRSS:") - rss >= (kMany - kAbout) * 4);
  CHECK_EQUAL(number_at(contents("/proc/self/status"), "VmSize:") - size, 256 * 4);
  CHECK_EQUAL(sscanf(contents("/proc/self/statm"), "%ld %ld", &more_pages, &more_resident), 2);
  CHECK_EQUAL(more_pages - pages, 256);
  CHECK(more_resident - resident >= kMany - kAbout);
  CHECK(munmap(memory - kPage, (kMany + 2) * kPage) == 0 && munmap(none, 256 * kPage) == 0);
  say("smaps, status and statm: pages that are there");
}

static void page_map(void) {
  enum { kPresent = 63, kSwapped = 62, kShared = 61 };
  char *memory = map_apart(4), *shared = map_shared(kPage);
  write_byte(memory, 1);
  write_byte(memory + 2 * kPage, 1);
  write_byte(shared, 1);
  uint64_t entries[4], entry;
  int fd = open("/proc/self/pagemap", O_RDONLY);
  CHECK(fd >= 0);
  CHECK_EQUAL(pread(fd, entries, sizeof entries, (off_t)((uintptr_t)memory / kPage * 8)), sizeof entries);
  for (int i = 0; i < 4; i++) {
    CHECK_EQUAL(entries[i] >> kPresent & 1, i % 2 == 0);
    CHECK_EQUAL(entries[i] >> kSwapped & 1, 0);
    CHECK_EQUAL(entries[i] >> kShared & 1, 0);
  }
  const uint64_t frame = (1ull << 55) - 1;
  CHECK((entries[0] & frame) != (entries[2] & frame) || (entries[0] & frame) == 0);  // hidden from some
  CHECK_EQUAL(pread(fd, &entry, 8, (off_t)((uintptr_t)shared / kPage * 8)), 8);
  CHECK_EQUAL(entry >> kPresent & 1, 1);
  CHECK_EQUAL(entry >> kShared & 1, 1);
  CHECK_FAILS(lseek(fd, 0, SEEK_END), EINVAL);  // no end
  CHECK_EQUAL(lseek(fd, 8, SEEK_SET), 8);
  CHECK(close(fd) == 0 && munmap(memory - kPage, 6 * kPage) == 0 && munmap(shared, kPage) == 0);

  pid_t pid = checked_fork();
  if (pid == 0)
    for (;;) pause();
  fd = open(file_of(pid, "pagemap"), O_RDONLY);
  CHECK(fd >= 0);
  CHECK_EQUAL(pread(fd, &entry, 8, 0), 8);
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK_KILLED(pid, SIGKILL);
  CHECK_EQUAL(pread(fd, &entry, 8, 0), 0);  // that memory is gone
  CHECK_EQUAL(pread(fd, &entry, 7, 3), 0);
  CHECK(close(fd) == 0);
  say("pagemap");
}

// ---- Processes and threads
// ----------------------------------------------------------------------------------

struct Stat {
  int pid, parent, group, session, threads;
  char name[32], state;
  unsigned long faults;
};

static struct Stat stat_of(pid_t pid) {
  struct Stat stat;
  const char *text = contents(file_of(pid, "stat")), *end = strrchr(text, ')');
  CHECK(end != NULL);
  CHECK_EQUAL(sscanf(text, "%d (%31[^)]", &stat.pid, stat.name), 2);
  CHECK_EQUAL(sscanf(end, ") %c %d %d %d %*d %*d %*u %lu %*u %*u %*u %*u %*u %*d %*d %*d %*d %d", &stat.state,
                     &stat.parent, &stat.group, &stat.session, &stat.faults, &stat.threads),
              6);
  return stat;
}

static void await_state(pid_t pid, char state) {
  while (stat_of(pid).state != state) usleep(500);
}

static void who_am_i(char** arguments) {
  const char* base = strrchr(arguments[0], '/');
  base = base ? base + 1 : arguments[0];
  char name[40], expected[300], path[40];
  snprintf(name, sizeof name, "%.15s", base);
  struct Stat stat = stat_of(getpid());
  CHECK(stat.pid == getpid() && stat.parent == getppid() && stat.group == getpgrp());
  CHECK(stat.state == 'R' && stat.threads == 1 && strcmp(stat.name, name) == 0);
  snprintf(expected, sizeof expected, "%s\n", name);
  CHECK(strcmp(contents("/proc/self/comm"), expected) == 0);
  CHECK(strcmp(contents("/proc/self/cmdline"), arguments[0]) == 0);
  CHECK(prctl(PR_SET_NAME, "another name, cut off") == 0);
  CHECK(strcmp(contents("/proc/self/comm"), "another name, c\n") == 0);
  CHECK(prctl(PR_SET_NAME, name) == 0);
  const char* status = contents("/proc/self/status");
  CHECK_EQUAL(number_at(status, "Pid:"), getpid());
  CHECK_EQUAL(number_at(status, "Tgid:"), getpid());
  CHECK_EQUAL(number_at(status, "PPid:"), getppid());
  CHECK_EQUAL(number_at(status, "Threads:"), 1);
  CHECK_EQUAL(number_at(status, "Uid:"), getuid());
  CHECK(strstr(status, "\nState:\tR (running)\n") != NULL);
  int exe = open("/proc/self/exe", O_RDONLY);
  CHECK_EQUAL(read(exe, expected, 4), 4);
  CHECK(memcmp(expected, "\177ELF", 4) == 0 && close(exe) == 0);
  snprintf(path, sizeof path, "%d", getpid());
  CHECK_EQUAL(readlink("/proc/self", expected, sizeof expected), (long)strlen(path));
  CHECK(memcmp(expected, path, strlen(path)) == 0);

  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
  CHECK(raise(SIGUSR1) == 0);
  CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
  status = contents("/proc/self/status");
  CHECK(number_at(status, "SigPnd:") >> (SIGUSR1 - 1) & 1);
  CHECK(number_at(status, "SigBlk:") >> (SIGUSR1 - 1) & 1);
  CHECK(number_at(status, "SigIgn:") >> (SIGUSR2 - 1) & 1);
  CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);  // throws it away
  CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
  CHECK(signal(SIGUSR2, SIG_DFL) != SIG_ERR);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  say("stat, status, comm, cmdline, exe");
}

static void states(void) {
  struct Gate hold = make_gate();
  int status;
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(hold);
    _exit(3);
  }
  await_state(pid, 'S');
  CHECK_EQUAL(stat_of(pid).parent, getpid());
  CHECK(kill(pid, SIGSTOP) == 0);
  CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
  await_state(pid, 'T');
  CHECK(strstr(contents(file_of(pid, "status")), "\nState:\tT (stopped)\n") != NULL);
  CHECK(number_at(contents(file_of(pid, "status")), "VmRSS:") > 0);
  CHECK(kill(pid, SIGCONT) == 0);
  open_gate(hold);
  await_state(pid, 'Z');
  CHECK(strstr(contents(file_of(pid, "status")), "\nState:\tZ (zombie)\n") != NULL);
  CHECK_EQUAL(number_at(contents(file_of(pid, "status")), "VmRSS:"), -1);
  CHECK_EQUAL(strlen(contents(file_of(pid, "maps"))), 0);
  CHECK_EQUAL(strlen(contents(file_of(pid, "cmdline"))), 0);
  CHECK_EXITS(pid, 3);
  CHECK_FAILS(open(file_of(pid, "stat"), O_RDONLY), ENOENT);
  remove_gate(hold);
  say("sleeping, stopped, zombie, gone");
}

static int entries(const char* path, long* sum) {
  DIR* directory = opendir(path);
  CHECK(directory != NULL);
  int count = 0;
  *sum = 0;
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    count++;
    *sum += atol(entry->d_name);
  }
  CHECK(closedir(directory) == 0);
  return count;
}

static pthread_barrier_t barrier;
static long tids;

static void* be_there(void* argument) {
  __atomic_add_fetch(&tids, syscall(SYS_gettid), __ATOMIC_SEQ_CST);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return argument;
}

static void tasks(void) {
  pthread_t threads[3];
  long sum;
  CHECK_ZERO(pthread_barrier_init(&barrier, NULL, 4));
  CHECK_EQUAL(entries("/proc/self/task", &sum), 1);
  CHECK_EQUAL(sum, getpid());
  for (int i = 0; i < 3; i++) threads[i] = start(be_there, NULL);
  pthread_barrier_wait(&barrier);
  CHECK_EQUAL(entries("/proc/self/task", &sum), 4);
  CHECK_EQUAL(sum, tids + getpid());
  CHECK_EQUAL(number_at(contents("/proc/self/status"), "Threads:"), 4);
  CHECK_EQUAL(stat_of(getpid()).threads, 4);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 3; i++) result_of(threads[i]);
  while (entries("/proc/self/task", &sum) > 1) usleep(500);  // a thread that is joined may not be gone yet
  say("task: a folder for each thread");
}

static void descriptors(void) {
  long sum, more;
  int before = entries("/proc/self/fd", &sum), ends[2];
  char path[40], target[64] = "", text[8];
  CHECK(pipe(ends) == 0);
  CHECK_EQUAL(entries("/proc/self/fd", &more), before + 2);
  snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
  CHECK(readlink(path, target, sizeof target - 1) > 0);
  CHECK(strncmp(target, "pipe:[", 6) == 0);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
  CHECK_FAILS(readlink(path, target, sizeof target), ENOENT);
  int fd = memfd_create("named", 0);
  CHECK_EQUAL(write(fd, "abc", 3), 3);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  memset(target, 0, sizeof target);
  CHECK(readlink(path, target, sizeof target - 1) > 0);
  CHECK(strcmp(target, "/memfd:named (deleted)") == 0);
  int again = open(path, O_RDONLY);  // another open file on the same
  CHECK_EQUAL(read(again, text, 8), 3);
  CHECK(close(fd) == 0 && close(again) == 0);
  say("fd");
}

static void the_machine(void) {
  char* memory = map_anonymous(50 * kPage, kReadWrite);
  const char* text = contents("/proc/meminfo");
  long total = number_at(text, "MemTotal:"), left = number_at(text, "MemFree:");
  CHECK(total > 0 && left > 0 && left < total);
  long before = number_at(contents("/proc/vmstat"), "pgfault "), mine = (long)stat_of(getpid()).faults;
  CHECK(before > 0);
  for (int i = 0; i < 50; i++) write_byte(memory + i * kPage, 1);
  CHECK(number_at(contents("/proc/vmstat"), "pgfault ") >= before + 50);
  CHECK((long)stat_of(getpid()).faults >= mine + 50);
  CHECK(munmap(memory, 50 * kPage) == 0);
  CHECK(strstr(contents("/proc/filesystems"), "tmpfs\n") != NULL);
  CHECK_FAILS(open("/proc/nothing", O_RDONLY), ENOENT);
  CHECK_FAILS(open("/proc/999999999/stat", O_RDONLY), ENOENT);
  say("meminfo and vmstat");
}

// What fork leaves to both is Shared, what either has written since is Private.
static void shared_pages(void) {
  char* memory = map_apart(64);
  for (int i = 0; i < 10; i++) write_byte(memory + i * kPage, 1);
  struct Gate to_child = make_gate(), to_parent = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(to_child);
    for (int i = 0; i < 3; i++) write_byte(memory + i * kPage, 2);
    for (int i = 10; i < 12; i++) write_byte(memory + i * kPage, 2);
    open_gate(to_parent);
    pass_gate(to_child);
    _exit(0);
  }
  for (int who = 0; who < 2; who++) {
    pid_t which = who == 0 ? getpid() : pid;
    CHECK_EQUAL(smaps(which, memory, "Rss:"), 10);
    CHECK_EQUAL(smaps(which, memory, "Shared_Dirty:") + smaps(which, memory, "Shared_Clean:"), 10);
    CHECK_EQUAL(smaps(which, memory, "Private_Dirty:"), 0);
  }
  open_gate(to_child);
  pass_gate(to_parent);
  CHECK_EQUAL(smaps(pid, memory, "Rss:"), 12);
  CHECK_EQUAL(smaps(pid, memory, "Private_Dirty:"), 5);
  CHECK_EQUAL(smaps(getpid(), memory, "Rss:"), 10);
  CHECK_EQUAL(smaps(getpid(), memory, "Private_Dirty:") + smaps(getpid(), memory, "Private_Clean:"), 3);
  CHECK_EQUAL(smaps(getpid(), memory, "Shared_Dirty:") + smaps(getpid(), memory, "Shared_Clean:"), 7);
  open_gate(to_child);
  CHECK_EXITS(pid, 0);
  CHECK_EQUAL(smaps(getpid(), memory, "Private_Dirty:") + smaps(getpid(), memory, "Private_Clean:"), 10);
  remove_gate(to_child), remove_gate(to_parent);
  say("smaps: pages of two processes, of one, and of one again");
}

int main(int count, char** arguments) {
  if (count > 1 && strcmp(arguments[1], "fork") == 0) {
    shared_pages();
    return 0;
  }
  CHECK_EQUAL(count, 1);
  mappings();
  counted_pages();
  page_map();
  who_am_i(arguments);
  states();
  tasks();
  descriptors();
  the_machine();
  return 0;
}
