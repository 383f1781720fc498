// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signals that arrive while a process takes page faults, from timers and from other processes, with handlers
// that fault themselves or mend what the program ran into.
#include <sys/time.h>

#include "children.h"
#include "random.h"
#include "threads.h"

enum { kPages = 256 };

static char* own;  // what handlers touch
static volatile int calls;
static const int kReadWrite = PROT_READ | PROT_WRITE;

// Each call faults in a page of its own, and checks one that an earlier call has written.
static void touch_own(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info, (void)context;
  int saved = errno, call = calls++ % kPages;
  char* page = own + call * kPage;
  if (calls > kPages) CHECK_EQUAL(read_byte(page), (uint8_t)(call + 1));
  write_byte(page, (uint8_t)(call + 1));
  errno = saved;
}

static void check_own(int expected_calls) {
  int touched = expected_calls < kPages ? expected_calls : kPages;
  for (int i = 0; i < kPages; i++)
    CHECK_EQUAL(read_byte(own + i * kPage), i < touched ? (uint8_t)(i + 1) : 0);
}

static void fresh_own(void) {
  if (own) CHECK(munmap(own, kPages * kPage) == 0);
  own = map_anonymous(kPages * kPage, kReadWrite);
  calls = 0;
}

static void set_timer(int which, long microseconds) {
  struct itimerval timer = {{0, microseconds}, {0, microseconds}};
  CHECK(setitimer(which, &timer, NULL) == 0);
}

// Registers must survive: the sum is kept in them over faults and handlers.
static uint64_t fill_and_sum(char* memory, int pages, uint64_t seed) {
  uint64_t sum = 0;
  for (int i = 0; i < pages; i++) {
    uint64_t* words = (uint64_t*)(memory + i * kPage);
    for (int w = 0; w < kPage / 8; w += 8) words[w] = mix(seed + (uint64_t)(i * kPage + w));
    for (int w = 0; w < kPage / 8; w += 8) sum = sum * 31 + words[w];
  }
  return sum;
}

static void timers_while_faulting(void) {
  static const struct {
    int which, signal;
  } timers[] = {{ITIMER_REAL, SIGALRM}, {ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
  char* memory = map_anonymous(kPages * kPage, kReadWrite);
  uint64_t expected = fill_and_sum(memory, kPages, 1);
  for (int i = 0; i < 3; i++) {
    fresh_own();
    install_handler(timers[i].signal, touch_own, SA_RESTART);
    set_timer(timers[i].which, 200);
    for (int round = 0; round < 4 || (calls < 3 && round < 100000); round++) {
      CHECK(madvise(memory, kPages * kPage, MADV_DONTNEED) == 0);
      CHECK_EQUAL(fill_and_sum(memory, kPages, 1), expected);
    }
    set_timer(timers[i].which, 0);
    int total = calls;
    CHECK(total >= 3);
    check_own(total);
    struct itimerval left = {{1, 1}, {1, 1}};
    CHECK(getitimer(timers[i].which, &left) == 0);
    CHECK_EQUAL(left.it_value.tv_sec + left.it_value.tv_usec, 0);
    CHECK(signal(timers[i].signal, SIG_DFL) != SIG_ERR);
  }
  CHECK(munmap(memory, kPages * kPage) == 0);
  say("timers interrupt faults");
}

// Parent and child write the pages that fork has left to both, while somebody sends them signals.
static void siblings_while_copying(void) {
  install_handler(SIGUSR1, touch_own, SA_RESTART);
  char* memory = map_anonymous(kPages * kPage, kReadWrite);
  fresh_own();
  uint64_t before = fill_and_sum(memory, kPages, 1);
  struct Gate go = make_gate();
  int* done = map_shared(kPage);
  pid_t parent = getpid(), child = checked_fork();
  if (child == 0) {
    pass_gate(go);
    uint64_t expected = fill_and_sum(map_anonymous(kPages * kPage, kReadWrite), kPages, 2);
    for (int round = 0; round < 3 || calls < 3; round++)
      CHECK_EQUAL(fill_and_sum(memory, kPages, 2), expected);
    __atomic_add_fetch(done, 1, __ATOMIC_SEQ_CST);
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    check_own(calls);
    _exit(0);
  }
  pid_t sender = checked_fork();
  if (sender == 0) {
    while (*(volatile int*)done < 2) {
      kill(parent, SIGUSR1);
      kill(child, SIGUSR1);
      usleep(100);
    }
    _exit(0);
  }
  open_gate(go);
  for (int round = 0; round < 3 || calls < 3; round++) CHECK_EQUAL(fill_and_sum(memory, kPages, 1), before);
  __atomic_add_fetch(done, 1, __ATOMIC_SEQ_CST);
  CHECK_EXITS(sender, 0);
  CHECK_EXITS(child, 0);
  check_own(calls);
  CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
  CHECK(munmap(memory, kPages * kPage) == 0);
  CHECK(munmap(done, kPage) == 0);
  remove_gate(go);
  say("signals from others interrupt copying");
}

// A handler that gives the program what it missed: protection, or a mapping with the right bytes in it.
static char* mended;
static volatile int mendings, mending_depth, deepest_mending;

static void mend(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  char* page = (char*)((uintptr_t)info->si_addr & ~(uintptr_t)(kPage - 1));
  long index = (page - mended) / kPage;
  CHECK(page >= mended && index < kPages);
  mendings++;
  if (++mending_depth > deepest_mending) deepest_mending = mending_depth;
  if (index % 8 == 7 && mending_depth < 6) {  // needs the page before it first, which is not there either
    char before = *(volatile char*)(page - kPage);
    CHECK_EQUAL(before, (char)(index - 1));
  }
  if (info->si_code == SEGV_ACCERR) {
    CHECK(mprotect(page, kPage, kReadWrite) == 0);
  } else {
    CHECK_EQUAL(info->si_code, SEGV_MAPERR);
    CHECK(mmap(page, kPage, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == page);
  }
  memset(page, (int)index, kPage);
  mending_depth--;
}

static void mending_handlers(void) {
  install_handler(SIGSEGV, mend, SA_NODEFER);
  fresh_own();  // first, so that it does not take the holes
  mended = map_anonymous(kPages * kPage, PROT_NONE);
  for (int i = 0; i < kPages; i += 2) CHECK(munmap(mended + i * kPage, kPage) == 0);
  install_handler(SIGALRM, touch_own, SA_RESTART);
  set_timer(ITIMER_REAL, 300);
  for (int i = kPages - 1; i >= 0; i--) CHECK_EQUAL(read_byte(mended + i * kPage + i), (uint8_t)i);
  CHECK_EQUAL(mendings, kPages);
  CHECK_EQUAL(deepest_mending, 2);
  // Write-protected again and again, as a collector of garbage or a checkpoint would.
  for (int round = 1; round <= 3; round++) {
    CHECK(mprotect(mended, kPages * kPage, PROT_READ) == 0);
    for (int i = 0; i < kPages; i += 8) write_byte(mended + i * kPage + 1, 77);
    for (int i = 0; i < kPages; i += 8) {
      CHECK_EQUAL(read_byte(mended + i * kPage + 1), 77);
      CHECK_EQUAL(read_byte(mended + i * kPage), (uint8_t)i);
    }
    CHECK_EQUAL(mendings, kPages + round * kPages / 8);
  }
  set_timer(ITIMER_REAL, 0);
  check_own(calls);
  CHECK(munmap(mended, kPages * kPage) == 0);
  CHECK(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
  CHECK(signal(SIGALRM, SIG_DFL) != SIG_ERR);
  say("handlers mend what is missing, nested too");
}

// Threads fault and mend side by side on alternate stacks of their own, with a timer on top.
static __thread char* my_region;
static __thread char* my_stack;
static __thread volatile int my_mendings;

static void mend_mine(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  char here, *page = (char*)((uintptr_t)info->si_addr & ~(uintptr_t)(kPage - 1));
  CHECK(&here >= my_stack && &here < my_stack + 16 * kPage);
  CHECK(page >= my_region && page < my_region + 32 * kPage);
  CHECK(mprotect(page, kPage, kReadWrite) == 0);
  my_mendings++;
}

static void tick(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info, (void)context;
  __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
}

static void* fault_on_my_stack(void* argument) {
  my_region = map_anonymous(32 * kPage, PROT_NONE);
  my_stack = map_anonymous(16 * kPage, kReadWrite);
  stack_t stack = {.ss_sp = my_stack, .ss_size = 16 * kPage}, old;
  CHECK(sigaltstack(&stack, &old) == 0);
  CHECK_EQUAL(old.ss_flags, SS_DISABLE);  // a thread starts without
  for (int round = 1; round <= 10; round++) {
    for (int i = 0; i < 32; i++) {
      write_byte(my_region + i * kPage, (uint8_t)(round + i + (int)(long)argument));
      CHECK_EQUAL(my_mendings, (round - 1) * 32 + i + 1);
    }
    for (int i = 0; i < 32; i++)
      CHECK_EQUAL(read_byte(my_region + i * kPage), (uint8_t)(round + i + (int)(long)argument));
    CHECK(mprotect(my_region, 32 * kPage, round % 2 ? PROT_READ : PROT_NONE) == 0);
  }
  CHECK(munmap(my_region, 32 * kPage) == 0);
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
  CHECK(munmap(my_stack, 16 * kPage) == 0);
  return argument;
}

static void threads_mend(void) {
  calls = 0;
  install_handler(SIGSEGV, mend_mine, SA_ONSTACK);
  install_handler(SIGALRM, tick, SA_ONSTACK | SA_RESTART);
  set_timer(ITIMER_REAL, 300);
  run_all(fault_on_my_stack);
  set_timer(ITIMER_REAL, 0);
  CHECK(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
  CHECK(signal(SIGALRM, SIG_DFL) != SIG_ERR);
  say("%d threads mend on alternate stacks of their own", kThreads);
}

// The handler's frame itself lands on pages that are not there yet, or that fork has left to two.
static void frames_on_fresh_stacks(void) {
  install_handler(SIGUSR2, tick, SA_ONSTACK);
  char* stack_pages = map_anonymous(16 * kPage, kReadWrite);
  stack_t stack = {.ss_sp = stack_pages, .ss_size = 16 * kPage};
  CHECK(sigaltstack(&stack, NULL) == 0);
  calls = 0;
  for (int i = 0; i < 20; i++) {
    CHECK(madvise(stack_pages, 16 * kPage, MADV_DONTNEED) == 0);
    CHECK(raise(SIGUSR2) == 0);
    pid_t pid = checked_fork();
    CHECK(raise(SIGUSR2) == 0);
    CHECK_EQUAL(calls, 2 * i + 2);
    if (pid == 0) _exit(i);
    CHECK_EXITS(pid, i);
  }
  // Where no frame fits, SIGSEGV kills, whatever its handler.
  pid_t pid = checked_fork();
  if (pid == 0) {
    install_handler(SIGSEGV, tick, 0);
    CHECK(munmap(stack_pages, 16 * kPage) == 0);
    install_handler(SIGSEGV, tick, SA_ONSTACK);
    raise(SIGUSR2);
    _exit(77);
  }
  CHECK_KILLED(pid, SIGSEGV);
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
  CHECK(munmap(stack_pages, 16 * kPage) == 0);
  say("frames on fresh and on copied pages");
}

int main(void) {
  timers_while_faulting();
  siblings_while_copying();
  mending_handlers();
  threads_mend();
  frames_on_fresh_stacks();
  return 0;
}
