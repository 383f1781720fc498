// SPDX-License-Identifier: GPL-2.0-or-later
//
// fork_tree SEED PROCESSES OPERATIONS: a tree of processes that write at random into memory they got by fork,
// each holding it against a model of its own that fork copied with it.
//
// What a process does depends on the seed and its place in the tree, never on who runs when: its random
// stream is branched off its parent's, and of its parent's remaining operations and process slots it is given
// a part. So the checksum at the end depends on the arguments alone.
#include "children.h"
#include "random.h"

enum {
  kArena = 96,   // places for mapped pages, ...
  kMapped = 64,  // ... of which so many are taken
  kOther = 4,    // pages each of .data, .bss and stack
  kUnits = kMapped + 3 * kOther,
  kSlots = 16,  // processes at once
  kSharedPages = 4,
  kCell = kPage / kSlots,  // of each shared page, what one process may write
  kWords = kPage / 8,
};

// A page under test: where it is, what it must hold, and how it may be used.
struct Unit {
  char* memory;
  int protection;
  uint64_t complement[kWords];  // not a copy: two pages exchanged by mistake must not look right
};

// A process that has not been waited for.
struct Child {
  pid_t pid;
  int pipe;
  uint32_t slots;
};

// What a child sends before it ends.
struct Report {
  uint64_t checksum, shared, operations, forks;
};

static char data_pages[kOther * kPage] __attribute__((aligned(kPage))) = {1};
static char bss_pages[kOther * kPage] __attribute__((aligned(kPage)));
static struct Unit units[kUnits];
static char* arena;
static bool taken[kArena];
static char* shared;
static uint64_t shared_complement[kSharedPages][kCell / 8];

// This process.
static struct Random stream;
static int slot;        // which cells of the shared pages are its own
static uint32_t slots;  // which it may still give away, its own included
static long remaining;  // operations
static uint64_t branches;
static struct Child children[kSlots];
static int child_count;
static struct Report report;

static uint64_t fold(uint64_t checksum, uint64_t value) { return mix(checksum * 31 + value); }

static void place(int unit, char* memory) {
  units[unit].memory = memory;
  units[unit].protection = PROT_READ | PROT_WRITE;
  memset(units[unit].complement, 0xff, kPage);
}

static void set_up(char* stack_pages) {
  arena = map_anonymous(kArena * kPage, PROT_NONE);
  for (int i = 0; i < kMapped; i++) {
    CHECK(mprotect(arena + i * kPage, kPage, PROT_READ | PROT_WRITE) == 0);
    place(i, arena + i * kPage);
    taken[i] = true;
  }
  for (int i = 0; i < kOther; i++) {
    place(kMapped + i, data_pages + i * kPage);
    place(kMapped + kOther + i, bss_pages + i * kPage);
    place(kMapped + 2 * kOther + i, stack_pages + i * kPage);
  }
  units[kMapped].complement[0] ^= 1;
  shared = map_shared(kSharedPages * kPage);
}

static char* cell(int page, int of_slot) { return shared + page * kPage + of_slot * kCell; }

static uint64_t shared_checksum(int of_slot) {
  uint64_t checksum = 0, word;
  for (int page = 0; page < kSharedPages; page++) {
    for (int i = 0; i < kCell / 8; i++) {
      memcpy(&word, cell(page, of_slot) + 8 * i, 8);
      checksum = fold(checksum, word);
    }
  }
  return checksum;
}

// Slots are used again, so a process starts with cells that somebody else has left behind.
static void take_slot(uint32_t given) {
  slots = given;
  slot = __builtin_ctz(given);
  for (int page = 0; page < kSharedPages; page++) memset(cell(page, slot), 0, kCell);
  memset(shared_complement, 0xff, sizeof shared_complement);
}

static void expect_unit(const struct Unit* unit) {
  const volatile uint64_t* words = (const volatile uint64_t*)unit->memory;
  for (int i = 0; i < kWords; i++) CHECK_EQUAL(words[i], ~unit->complement[i]);
}

static void protect(struct Unit* unit, int protection) {
  CHECK(mprotect(unit->memory, kPage, protection) == 0);
  unit->protection = protection;
}

// Bytes, words across any boundary within the page: what may not be done must raise a signal and change
// nothing.
static void do_write(struct Unit* unit) {
  uint64_t value = next_random(&stream);
  bool byte = below(&stream, 2) == 0;
  uint32_t offset = below(&stream, byte ? kPage : kPage - 7);
  volatile char* place = unit->memory + offset;
  bool raised = byte ? RAISES(*place = (char)value) : RAISES(*(volatile uint64_t*)place = value);
  CHECK_EQUAL(raised, !(unit->protection & PROT_WRITE));
  if (raised) {
    CHECK_EQUAL(caught.code, SEGV_ACCERR);
    return;
  }
  value = ~value;
  memcpy((char*)unit->complement + offset, &value, byte ? 1 : 8);
}

static void do_read(struct Unit* unit) {
  if (below(&stream, 8) == 0 && (unit->protection & PROT_READ)) {
    expect_unit(unit);
    return;
  }
  uint32_t word = below(&stream, kWords);
  uint64_t value = 0;
  bool raised = RAISES(value = ((volatile uint64_t*)unit->memory)[word]);
  CHECK_EQUAL(raised, !(unit->protection & PROT_READ));
  if (!raised) CHECK_EQUAL(value, ~unit->complement[word]);
}

static void do_shared(void) {
  int page = (int)below(&stream, kSharedPages), word = (int)below(&stream, kCell / 8);
  volatile uint64_t* place = (volatile uint64_t*)cell(page, slot) + word;
  CHECK_EQUAL(*place, ~shared_complement[page][word]);
  *place = next_random(&stream);
  shared_complement[page][word] = ~*place;
}

static void do_discard(struct Unit* unit) {
  CHECK(madvise(unit->memory, kPage, MADV_DONTNEED) == 0);
  memset(unit->complement, 0xff, kPage);
}

static void do_replace(struct Unit* unit) {
  CHECK(munmap(unit->memory, kPage) == 0);
  CHECK(RAISES(read_byte(unit->memory)));
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  CHECK(mmap(unit->memory, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        unit->memory);
  place((int)(unit - units), unit->memory);
}

static void do_move(struct Unit* unit) {
  uint32_t to = below(&stream, kArena);
  while (taken[to]) to = (to + 1) % kArena;
  char *old = unit->memory, *new = arena + to *kPage;
  CHECK(mremap(old, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, new) == new);
  CHECK(mmap(old, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == old);
  taken[(old - arena) / kPage] = false;
  taken[to] = true;
  unit->memory = new;
}

static uint64_t checksum_of_everything(void) {
  uint64_t checksum = shared_checksum(slot);
  for (int page = 0; page < kSharedPages; page++) {
    for (int i = 0; i < kCell / 8; i++)
      CHECK_EQUAL(((uint64_t*)cell(page, slot))[i], ~shared_complement[page][i]);
  }
  for (int i = 0; i < kUnits; i++) {
    if (!(units[i].protection & PROT_READ)) protect(&units[i], PROT_READ);
    expect_unit(&units[i]);
    uint64_t sum = 0;
    for (int w = 0; w < kWords; w++) sum = sum * 31 + units[i].complement[w];
    checksum = fold(checksum, sum);
  }
  return checksum;
}

static void run(void);

static void wait_for(int index) {
  struct Child child = children[index];
  struct Report its;
  CHECK_EQUAL(read(child.pipe, &its, sizeof its), sizeof its);
  CHECK(close(child.pipe) == 0);
  CHECK_EXITS(child.pid, (int)(its.checksum & 127));
  CHECK_EQUAL(shared_checksum(__builtin_ctz(child.slots)), its.shared);
  report.checksum = fold(report.checksum, its.checksum);
  report.operations += its.operations;
  report.forks += its.forks;
  slots |= child.slots;
  children[index] = children[--child_count];
}

static void end_as_child(int pipe) {
  run();
  while (child_count > 0) wait_for(child_count - 1);
  report.checksum = fold(report.checksum, checksum_of_everything());
  report.shared = shared_checksum(slot);
  CHECK_EQUAL(write(pipe, &report, sizeof report), sizeof report);
  _exit((int)(report.checksum & 127));
}

static void do_fork(void) {
  uint32_t free_slots = slots & ~(1u << slot), given = 0;
  if (free_slots == 0 || remaining < 20) return;
  while (given == 0) given = free_slots & (uint32_t)next_random(&stream);
  long operations = 10 + below(&stream, (uint32_t)remaining / 2);
  struct Random its_stream = branch(&stream, ++branches);
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t pid = checked_fork();
  if (pid == 0) {
    stream = its_stream;
    remaining = operations;
    branches = 0;
    child_count = 0;
    memset(&report, 0, sizeof report);
    take_slot(given);
    end_as_child(ends[1]);
  }
  CHECK(close(ends[1]) == 0);
  slots &= ~given;
  remaining -= operations;
  report.forks++;
  children[child_count++] = (struct Child){pid, ends[0], given};
}

static void run(void) {
  static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};
  while (remaining > 0) {
    remaining--;
    report.operations++;
    uint32_t dice = below(&stream, 100);
    struct Unit* unit = &units[below(&stream, dice < 82 ? kUnits : kMapped)];
    if (dice < 45)
      do_write(unit);
    else if (dice < 75)
      do_read(unit);
    else if (dice < 82)
      do_shared();
    else if (dice < 84)
      do_fork();
    else if (dice < 86 && child_count > 0)
      wait_for((int)below(&stream, (uint32_t)child_count));
    else if (dice < 90)
      do_discard(unit);
    else if (dice < 92)
      do_replace(unit);
    else if (dice < 97)
      protect(unit, protections[below(&stream, 4)]);
    else
      do_move(unit);
  }
}

int main(int count, char** arguments) {
  CHECK(count == 4);
  unsigned long seed = strtoul(arguments[1], NULL, 0), processes = strtoul(arguments[2], NULL, 0);
  CHECK(processes >= 1 && processes <= kSlots);
  char stack_pages[kOther * kPage] __attribute__((aligned(kPage)));
  memset(stack_pages, 0, sizeof stack_pages);
  install_handler(SIGSEGV, catch_and_leave, 0);
  set_up(stack_pages);
  stream = (struct Random){mix(seed)};
  remaining = strtol(arguments[3], NULL, 0);
  take_slot((1u << processes) - 1);
  run();
  while (child_count > 0) wait_for(child_count - 1);
  report.checksum = fold(report.checksum, checksum_of_everything());
  say("seed %lu, at most %lu processes: %lu operations, %lu forks", seed, processes, report.operations,
      report.forks);
  say("checksum %016lx", report.checksum);
  return 0;
}
