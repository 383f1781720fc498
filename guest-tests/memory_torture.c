// SPDX-License-Identifier: GPL-2.0-or-later
//
// memory_torture SEED OPERATIONS THREADS FORKS: random mmap, munmap, mprotect, mremap and madvise on a region
// of 64 pages, against a model that says for every access what must come of it: the value, SEGV_MAPERR,
// SEGV_ACCERR, or EFAULT from a system call.
//
// With several THREADS each has a region of its own, side by side. With FORKS, children go on from where
// their parent was, at the same time.
#include "children.h"
#include "random.h"
#include "threads.h"

enum { kRegion = 64, kWords = kPage / 8, kMost = 8 };

struct Page {
  bool mapped, shared;
  int protection;
  uint64_t words[kWords];
};

enum Count { kAllowed, kNotMapped, kNotAllowed, kBadAddress, kRefused, kMoved, kCounts };

struct Region {
  struct Random random;
  char* memory;
  struct Page pages[kRegion];
  long operations;
  int forks, pipe_out, pipe_in;
  uint64_t checksum;
  long counts[kCounts];
};

// ---- Accesses, in any thread
// --------------------------------------------------------------------------------

static __thread sigjmp_buf after_fault;
static __thread volatile int fault_code;
static __thread volatile uintptr_t fault_at;

static void leave(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  fault_code = info->si_code;
  fault_at = (uintptr_t)info->si_addr;
  siglongjmp(after_fault, 1);
}

// 0, or the si_code.
static int access_word(uint64_t* word, bool write, uint64_t* value) {
  fault_code = 0;
  if (sigsetjmp(after_fault, 1) == 0) {
    if (write) {
      *(volatile uint64_t*)word = *value;
    } else {
      *value = *(volatile uint64_t*)word;
    }
  } else {
    CHECK_EQUAL(fault_at, (uintptr_t)word);
  }
  return fault_code;
}

// ---- The model
// ----------------------------------------------------------------------------------------------

static bool readable(const struct Page* page) { return page->mapped && page->protection != PROT_NONE; }
static bool writable(const struct Page* page) { return page->mapped && (page->protection & PROT_WRITE); }

static int expected_fault(const struct Page* page, bool write) {
  if (!page->mapped) return SEGV_MAPERR;
  return (write ? writable(page) : readable(page)) ? 0 : SEGV_ACCERR;
}

static void set_page(struct Page* page, bool shared, int protection) {
  page->mapped = true;
  page->shared = shared;
  page->protection = protection;
  memset(page->words, 0, kPage);
}

static int first_hole(const struct Region* region, int first, int count) {
  for (int i = 0; i < count; i++) {
    if (!region->pages[first + i].mapped) return i;
  }
  return count;
}

static bool any_mapped(const struct Region* region, int first, int count) {
  for (int i = 0; i < count; i++) {
    if (region->pages[first + i].mapped) return true;
  }
  return false;
}

// ---- Operations: each is done, and its outcome compared
// -----------------------------------------------------

static char* at(const struct Region* region, int page) { return region->memory + page * kPage; }

static int random_protection(struct Random* random) {
  static const int protections[] = {
      PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_WRITE,
      PROT_READ | PROT_EXEC};
  return protections[below(random, 6)];
}

static void do_access(struct Region* region, int first) {
  struct Page* page = &region->pages[first];
  uint32_t word = below(&region->random, kWords);
  bool write = below(&region->random, 2);
  uint64_t value = write ? next_random(&region->random) : 0;
  int code = access_word((uint64_t*)at(region, first) + word, write, &value);
  CHECK_EQUAL(code, expected_fault(page, write));
  region->counts[code == 0 ? kAllowed : code == SEGV_MAPERR ? kNotMapped : kNotAllowed]++;
  if (code != 0) return;
  if (write) {
    page->words[word] = value;
  } else {
    CHECK_EQUAL(value, page->words[word]);
  }
}

// The kernel reads or writes the word.
static void do_system_call(struct Region* region, int first) {
  struct Page* page = &region->pages[first];
  uint32_t word = below(&region->random, kWords);
  uint64_t value = next_random(&region->random), *place = (uint64_t*)at(region, first) + word;
  bool allowed;
  if (below(&region->random, 2)) {
    allowed = readable(page);
    errno = 0;
    CHECK_EQUAL(write(region->pipe_in, place, 8), allowed ? 8 : -1);
    CHECK_EQUAL(errno, allowed ? 0 : EFAULT);
    if (allowed) {
      CHECK_EQUAL(read(region->pipe_out, &value, 8), 8);
      CHECK_EQUAL(value, page->words[word]);
    }
  } else {
    allowed = writable(page);
    CHECK_EQUAL(write(region->pipe_in, &value, 8), 8);
    errno = 0;
    CHECK_EQUAL(read(region->pipe_out, place, 8), allowed ? 8 : -1);
    CHECK_EQUAL(errno, allowed ? 0 : EFAULT);
    if (allowed) page->words[word] = value;
    if (!allowed) CHECK_EQUAL(read(region->pipe_out, &value, 8), 8);  // it is still there
  }
  region->counts[allowed ? kAllowed : kBadAddress]++;
}

static void do_map(struct Region* region, int first, int count) {
  bool shared = region->forks == 0 && below(&region->random, 4) == 0,
       careful = below(&region->random, 3) == 0;
  int protection = random_protection(&region->random);
  int flags =
      MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE) | (careful ? MAP_FIXED_NOREPLACE : MAP_FIXED);
  if (below(&region->random, 8) == 0) flags |= MAP_POPULATE;
  errno = 0;
  char* result = mmap(at(region, first), (size_t)count * kPage, protection, flags, -1, 0);
  if (careful && any_mapped(region, first, count)) {
    CHECK(result == MAP_FAILED && errno == EEXIST);
    region->counts[kRefused]++;
    return;
  }
  CHECK(result == at(region, first));
  for (int i = 0; i < count; i++) set_page(&region->pages[first + i], shared, protection);
}

static void do_unmap(struct Region* region, int first, int count) {
  CHECK(munmap(at(region, first), (size_t)count * kPage) == 0);
  for (int i = 0; i < count; i++) region->pages[first + i].mapped = false;
}

// Over a hole it changes what lies before, and fails.
static void do_protect(struct Region* region, int first, int count) {
  int protection = random_protection(&region->random), hole = first_hole(region, first, count);
  errno = 0;
  CHECK_EQUAL(mprotect(at(region, first), (size_t)count * kPage, protection), hole == count ? 0 : -1);
  CHECK_EQUAL(errno, hole == count ? 0 : ENOMEM);
  region->counts[kRefused] += hole != count;
  for (int i = 0; i < hole; i++) region->pages[first + i].protection = protection;
}

// Over a hole it discards what lies behind too, and fails. Shared memory keeps its contents.
static void do_discard(struct Region* region, int first, int count) {
  int hole = first_hole(region, first, count);
  errno = 0;
  CHECK_EQUAL(madvise(at(region, first), (size_t)count * kPage, MADV_DONTNEED), hole == count ? 0 : -1);
  CHECK_EQUAL(errno, hole == count ? 0 : ENOMEM);
  region->counts[kRefused] += hole != count;
  for (int i = 0; i < count; i++) {
    if (!region->pages[first + i].shared) memset(region->pages[first + i].words, 0, kPage);
  }
}

// One page moves over whatever is at its target. (Where there is nothing to move, some kernels clear the
// target all the same.)
static void do_move(struct Region* region, int from, int to) {
  if (!region->pages[from].mapped && region->pages[to].mapped) return;
  errno = 0;
  char* result = mremap(at(region, from), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, at(region, to));
  if (from == to) {
    CHECK(result == MAP_FAILED && errno == EINVAL);
    region->counts[kRefused]++;
  } else if (!region->pages[from].mapped) {
    CHECK(result == MAP_FAILED && errno == EFAULT);
    region->counts[kRefused]++;
  } else {
    CHECK(result == at(region, to));
    region->pages[to] = region->pages[from];
    region->pages[from].mapped = false;
    region->counts[kMoved]++;
  }
}

// One page becomes two, where there is room behind it.
static void do_grow(struct Region* region, int first) {
  struct Page* page = &region->pages[first];
  if (first + 1 >= kRegion || !page->mapped || page->shared) return;
  errno = 0;
  char* result = mremap(at(region, first), kPage, 2 * kPage, 0);
  if (page[1].mapped) {
    CHECK(result == MAP_FAILED && errno == ENOMEM);
    region->counts[kRefused]++;
  } else {
    CHECK(result == at(region, first));
    set_page(page + 1, false, page->protection);
    region->counts[kMoved]++;
  }
}

static void check_page(struct Region* region, int first) {
  if (!readable(&region->pages[first])) return;
  CHECK(memcmp(at(region, first), region->pages[first].words, kPage) == 0);
}

static void check_all(struct Region* region) {
  for (int i = 0; i < kRegion; i++) {
    struct Page* page = &region->pages[i];
    uint64_t value;
    CHECK_EQUAL(access_word((uint64_t*)at(region, i), false, &value), expected_fault(page, false));
    check_page(region, i);
    uint64_t sum = (uint64_t)page->mapped << 8 | (page->mapped ? (uint64_t)page->protection : 0);
    for (int w = 0; w < kWords && page->mapped; w++) sum = sum * 31 + page->words[w];
    region->checksum = mix(region->checksum * 31 + sum);
  }
}

static void run(struct Region* region);

static pid_t fork_off(struct Region* region) {
  struct Random its = branch(&region->random, (uint64_t)region->forks);
  region->forks--;
  pid_t pid = checked_fork();
  if (pid != 0) return pid;
  region->random = its;
  region->operations = region->operations < 200 ? region->operations : 200;
  region->forks = -1;  // none of its own, but still nothing shared
  int ends[2];
  CHECK(pipe(ends) == 0);
  region->pipe_out = ends[0];
  region->pipe_in = ends[1];
  run(region);
  _exit(0);
}

static void run(struct Region* region) {
  struct Random* random = &region->random;
  long interval = region->forks > 0 ? region->operations / (region->forks + 1) : 0;
  pid_t child = 0;
  while (region->operations-- > 0) {
    int first = (int)below(random, kRegion), count = 1 + (int)below(random, kMost),
        dice = (int)below(random, 100);
    if (first + count > kRegion) count = kRegion - first;
    if (dice < 50)
      do_access(region, first);
    else if (dice < 60)
      do_system_call(region, first);
    else if (dice < 68)
      do_map(region, first, count);
    else if (dice < 72)
      do_unmap(region, first, count);
    else if (dice < 82)
      do_protect(region, first, count);
    else if (dice < 86)
      do_discard(region, first, count);
    else if (dice < 92)
      do_move(region, first, (int)below(random, kRegion));
    else if (dice < 96)
      do_grow(region, first);
    else
      check_page(region, first);
    if (region->forks > 0 && region->operations % interval == 0) {
      if (child != 0) CHECK_EXITS(child, 0);
      child = fork_off(region);
    }
  }
  if (child != 0) CHECK_EXITS(child, 0);
  check_all(region);
}

static struct Region regions[kThreads];

static void* run_region(void* argument) {
  run(&regions[(long)argument]);
  return argument;
}

int main(int count, char** arguments) {
  CHECK(count == 5);
  long seed = atol(arguments[1]), operations = atol(arguments[2]), threads = atol(arguments[3]);
  CHECK(threads >= 1 && threads <= kThreads);
  install_handler(SIGSEGV, leave, 0);
  // One stretch of addresses for all: what one unmaps is its neighbour's edge, never somebody else's new
  // mapping.
  char* memory = map_anonymous((size_t)kThreads * kRegion * kPage, PROT_READ | PROT_WRITE);
  pthread_t others[kThreads];
  for (long i = 0; i < threads; i++) {
    struct Region* region = &regions[i];
    int ends[2];
    CHECK(pipe(ends) == 0);
    *region = (struct Region){.random = branch(&(struct Random){(uint64_t)seed}, (uint64_t)i),
                              .memory = memory + i * kRegion * kPage,
                              .operations = operations / threads,
                              .forks = atoi(arguments[4]),
                              .pipe_out = ends[0],
                              .pipe_in = ends[1]};
    for (int page = 0; page < kRegion; page++) set_page(&region->pages[page], false, PROT_READ | PROT_WRITE);
  }
  for (long i = 1; i < threads; i++) others[i] = start(run_region, (void*)i);
  run_region((void*)0);
  long counts[kCounts] = {0};
  uint64_t checksum = 0;
  for (long i = 0; i < threads; i++) {
    if (i > 0) result_of(others[i]);
    for (int c = 0; c < kCounts; c++) counts[c] += regions[i].counts[c];
    checksum = mix(checksum ^ regions[i].checksum);
  }
  say("%ld accesses allowed, %ld SEGV_MAPERR, %ld SEGV_ACCERR, %ld EFAULT", counts[kAllowed],
      counts[kNotMapped], counts[kNotAllowed], counts[kBadAddress]);
  say("%ld calls refused, %ld pages moved or grown, checksum %016llx", counts[kRefused], counts[kMoved],
      (unsigned long long)checksum);
  return 0;
}
