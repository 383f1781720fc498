// SPDX-License-Identifier: GPL-2.0-or-later
//
// memory_races SEED OPERATIONS THREADS: threads make every memory call there is on the same few pages at
// once, touch them, fork, and change the file that some of them map. Nobody can say what an access must find;
// what is checked is that it finds nothing else than what somebody has written, that every call ends with a
// result it may have, and that memory outside is left alone.
#include <sys/resource.h>

#include "areas.h"
#include "random.h"
#include "threads.h"

enum { kPages = 24, kMostThreads = 8, kGuardInstall = 102, kGuardRemove = 103, kTag = 0x5a };

static char* region;  // kPages pages that all fight for
static int file;

static __thread sigjmp_buf after_fault;

static void leave(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  uintptr_t at = (uintptr_t)info->si_addr;
  CHECK(at >= (uintptr_t)region && at < (uintptr_t)region + kPages * kPage);
  siglongjmp(after_fault, 1);
}

// Every byte that anybody stores is kTag: what is read is that or zero, whatever became of the page.
static void touch(char* at, bool write) {
  if (sigsetjmp(after_fault, 1) != 0) return;
  if (write) {
    write_byte(at, kTag);
  } else {
    uint8_t seen = read_byte(at);
    CHECK(seen == kTag || seen == 0);
  }
}

static void map_again(struct Random* random, char* at, size_t bytes, int page) {
  static const int kProtections[] = {PROT_NONE, PROT_READ, kReadWrite, kReadWrite, kReadWrite};
  int protection = kProtections[below(random, 5)];
  int more = below(random, 3) == 0 ? MAP_POPULATE : below(random, 6) == 0 ? MAP_LOCKED : 0;
  char* result;
  if (below(random, 3) == 0) {
    int type = below(random, 2) == 0 ? MAP_SHARED : MAP_PRIVATE;
    result = mmap(at, bytes, protection, type | MAP_FIXED | more, file, (off_t)page * kPage);
  } else {
    int type = below(random, 4) == 0 ? MAP_SHARED : MAP_PRIVATE;
    result = mmap(at, bytes, protection, type | MAP_ANONYMOUS | MAP_FIXED | more, -1, 0);
  }
  CHECK(result == at);
}

static void advise(struct Random* random, char* at, size_t bytes) {
  static const int kAdvice[] = {MADV_DONTNEED,  MADV_FREE,       MADV_REMOVE,     MADV_DONTFORK,
                                MADV_DOFORK,    MADV_WIPEONFORK, MADV_KEEPONFORK, kPopulateRead,
                                kPopulateWrite, kDontNeedLocked, kGuardInstall,   kGuardRemove,
                                MADV_RANDOM,    MADV_NORMAL,     MADV_DONTNEED};
  int advice = kAdvice[below(random, sizeof kAdvice / sizeof *kAdvice)];
  if (madvise(at, bytes, advice) == 0) return;
  CHECK(errno == EINVAL || errno == ENOMEM || errno == EFAULT || errno == EACCES || errno == EAGAIN);
}

static void move(struct Random* random, char* at, size_t bytes) {
  int to_page = (int)below(random, kPages - 4);
  int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  if (below(random, 3) == 0) flags |= kDontUnmap;
  char* result = mremap(at, bytes, bytes, flags, region + to_page * kPage);
  CHECK(result != MAP_FAILED || errno == EINVAL || errno == EFAULT || errno == ENOMEM);
}

static void change_file(struct Random* random) {
  CHECK(ftruncate(file, (off_t)below(random, kPages) * kPage) == 0);
  CHECK(ftruncate(file, (off_t)kPages * kPage) == 0);
}

static void fork_off(struct Random* random) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    for (int i = 0; i < 60; i++) touch(region + below(random, kPages * kPage), below(random, 2) == 0);
    for (int i = 0; i < 10; i++) advise(random, region + below(random, kPages) * kPage, kPage);
    _exit(0);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK_EQUAL(status, 0);
}

static void one_operation(struct Random* random) {
  int page = (int)below(random, kPages - 4);
  size_t bytes = (1 + below(random, 4)) * kPage;
  char* at = region + page * kPage;
  unsigned char vector[4];
  int dice = (int)below(random, 100);
  if (dice < 50) {
    touch(region + below(random, kPages * kPage), below(random, 2) == 0);
  } else if (dice < 60) {
    map_again(random, at, bytes, page);
  } else if (dice < 63) {
    CHECK(munmap(at, bytes) == 0);
  } else if (dice < 72) {
    int result = mprotect(at, bytes, below(random, 3) == 0 ? PROT_READ : kReadWrite);
    CHECK(result == 0 || errno == ENOMEM);
  } else if (dice < 86) {
    advise(random, at, bytes);
  } else if (dice < 91) {
    move(random, at, bytes);
  } else if (dice < 94) {
    int result = below(random, 2) == 0 ? mlock(at, bytes) : munlock(at, bytes);
    CHECK(result == 0 || errno == ENOMEM || errno == EAGAIN);
  } else if (dice < 96) {
    CHECK(mincore(at, bytes, vector) == 0 || errno == ENOMEM);
    CHECK(msync(at, bytes, MS_SYNC) == 0 || errno == ENOMEM);
  } else if (dice < 99) {
    change_file(random);
  } else {
    fork_off(random);
  }
}

struct Fighter {
  struct Random random;
  long operations;
};

static void* fight(void* argument) {
  struct Fighter* fighter = argument;
  while (fighter->operations-- > 0) one_operation(&fighter->random);
  return NULL;
}

int main(int count, char** arguments) {
  long seed = count > 1 ? atol(arguments[1]) : 1;
  long operations = count > 2 ? atol(arguments[2]) : 4000;
  long threads = count > 3 ? atol(arguments[3]) : 4;
  CHECK(threads >= 1 && threads <= kMostThreads);
  install_handler(SIGSEGV, leave, 0);
  install_handler(SIGBUS, leave, 0);
  file = memfd_create("memory_races", 0);
  CHECK(file >= 0);
  CHECK(ftruncate(file, (off_t)kPages * kPage) == 0);
  region = map_apart(kPages, kReadWrite, kAnonymous);
  // The neighbours, to see that they stay what they are.
  char* low = region - kPage;
  char* high = region + kPages * kPage;
  CHECK(mprotect(low, kPage, kReadWrite) == 0 && mprotect(high, kPage, kReadWrite) == 0);
  memset(low, 1, kPage);
  memset(high, 2, kPage);
  static struct Fighter fighters[kMostThreads];
  pthread_t others[kMostThreads];
  for (long i = 0; i < threads; i++) {
    fighters[i] =
        (struct Fighter){branch(&(struct Random){(uint64_t)seed}, (uint64_t)i), operations / threads};
    if (i > 0) others[i] = start(fight, &fighters[i]);
  }
  fight(&fighters[0]);
  for (long i = 1; i < threads; i++) CHECK(pthread_join(others[i], NULL) == 0);
  for (int i = 0; i < kPage; i++) CHECK(read_byte(low + i) == 1 && read_byte(high + i) == 2);
  CHECK(munmap(region, kPages * kPage) == 0);
  CHECK(mmap(region, kPages * kPage, kReadWrite, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0) == region);
  for (int i = 0; i < kPages; i++) CHECK_EQUAL(read_byte(region + i * kPage), 0);
  unmap_apart(region, kPages);
  CHECK(close(file) == 0);
  say("raced");
  return 0;
}
