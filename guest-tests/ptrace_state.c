// SPDX-License-Identifier: GPL-2.0-or-later
//
// What ptrace(2) shows and changes of a stopped task beside its registers (ptrace.c): selectors, bases, a
// stack that has to grow, queued signals, the call that it is in.
#include <stddef.h>

#include "tracing.h"

static unsigned data_selectors(void) {
  unsigned ds, es, gs;
  __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%gs, %2" : "=r"(ds), "=r"(es), "=r"(gs));
  return (ds & 0xffff) << 16 | (es & 0xff) << 8 | (gs & 0xff);
}

static void touch_selectors(void) {
  CHECK_EQUAL(data_selectors(), 0);
  __asm__ volatile("int3");
  CHECK_EQUAL(data_selectors(), 0x2b0033);  // es was none of a segment
  __asm__ volatile("mov %0, %%ds; mov %1, %%es" : : "r"(0), "r"(0x2b));
  CHECK_EQUAL(getppid(), raw_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0));
  __asm__ volatile("int3");
  CHECK_EQUAL(data_selectors(), 0x2b33);
  _exit(0);
}

static long selector_of(pid_t pid, size_t offset) { return trace(PTRACE_PEEKUSER, pid, (void*)offset, 0); }

// Numbers that are kept for whoever asks. Of CS and SS only what they have already makes sense everywhere.
static void selectors(void) {
  static const size_t kData[] = {offsetof(struct user_regs_struct, ds), offsetof(struct user_regs_struct, es),
                                 offsetof(struct user_regs_struct, fs),
                                 offsetof(struct user_regs_struct, gs)};
  static const size_t kFixed[] = {offsetof(struct user_regs_struct, cs),
                                  offsetof(struct user_regs_struct, ss)};
  pid_t pid = start_traced(touch_selectors);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGTRAP);
  for (size_t i = 0; i < 4; i++) {
    CHECK_EQUAL(selector_of(pid, kData[i]), 0);
    CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kData[i], 0x2b);
    CHECK_EQUAL(selector_of(pid, kData[i]), 0x2b);
    CHECK_FAILS(trace(PTRACE_POKEUSER, pid, (void*)kData[i], 0x28), EIO);
    CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kData[i], 0x10003);
    CHECK_EQUAL(selector_of(pid, kData[i]), 3);
    CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kData[i], 0xfff3);
    CHECK_EQUAL(selector_of(pid, kData[i]), 0xfff3);
    CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kData[i], 0);
  }
  for (size_t i = 0; i < 2; i++) {
    CHECK_FAILS(trace(PTRACE_POKEUSER, pid, (void*)kFixed[i], 0), EIO);
    CHECK_FAILS(trace(PTRACE_POKEUSER, pid, (void*)kFixed[i], 0x10), EIO);
    CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kFixed[i], (uintptr_t)selector_of(pid, kFixed[i]));
  }
  CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kData[0], 0x2b);
  CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kData[1], 0xfff3);
  CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)kData[3], 0x33);
  CHECK_EQUAL(data_selectors(), 0);  // one's own
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGTRAP);
  struct user_regs_struct all = registers_of(pid);
  CHECK(all.ds == 0 && all.es == 0x2b && all.gs == 0x33 && all.fs == 0);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(0));
  say("selectors");
}

static void sleep_with_a_stack(void) {
  raise(SIGSTOP);
  _exit(0);
}

// What only a debugger does to memory and to what belongs to a thread.
static void bases(void) {
  enum { kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004 };
  pid_t pid = start_traced(sleep_with_a_stack);
  struct user_regs_struct all = registers_of(pid);
  uintptr_t below = all.rsp - 500000;
  CHECK_EQUAL(peek(pid, (void*)below), 0);  // the stack grows
  CHECK_TRACE(PTRACE_POKEDATA, pid, (void*)(below - 100000), 7);
  CHECK_EQUAL(peek(pid, (void*)(below - 100000)), 7);

  unsigned long base = 0;
  CHECK_TRACE(PTRACE_ARCH_PRCTL, pid, &base, kGetFs);
  CHECK_EQUAL(base, all.fs_base);
  CHECK_TRACE(PTRACE_ARCH_PRCTL, pid, (void*)0x12345000, kSetGs);
  CHECK_TRACE(PTRACE_ARCH_PRCTL, pid, &base, kGetGs);
  CHECK_EQUAL(base, 0x12345000);
  CHECK_EQUAL(registers_of(pid).gs_base, 0x12345000);
  CHECK_TRACE(PTRACE_ARCH_PRCTL, pid, (void*)all.fs_base, kSetFs);
  CHECK_FAILS(trace(PTRACE_ARCH_PRCTL, pid, (void*)(1ul << 62), kSetFs), EPERM);
  CHECK_FAILS(trace(PTRACE_ARCH_PRCTL, pid, (void*)8, kGetFs), EFAULT);
  CHECK_FAILS(trace(PTRACE_ARCH_PRCTL, pid, NULL, 0x9999), EINVAL);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGSTOP);
  kill_traced(pid);
  say("bases");
}

static void queue_signals(void) {
  sigset_t blocked;
  sigfillset(&blocked);
  sigdelset(&blocked, SIGTRAP);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR2);
  sigqueue(getpid(), 40, (union sigval){.sival_int = 7});
  sigqueue(getpid(), 40, (union sigval){.sival_int = 8});
  __asm__ volatile("int3");
  _exit(0);
}

static long peek_queue(pid_t pid, uint64_t first, uint32_t flags, int32_t count, siginfo_t* infos) {
  struct {
    uint64_t off;
    uint32_t flags;
    int32_t nr;
  } wanted = {first, flags, count};
  memset(infos, 0, 4 * sizeof *infos);
  return trace(PTRACE_PEEKSIGINFO, pid, &wanted, (uintptr_t)infos);
}

static void queued_signals(void) {
  pid_t pid = start_traced(queue_signals);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGTRAP);
  siginfo_t infos[4];
  CHECK_EQUAL(peek_queue(pid, 0, 0, 4, infos), 1);  // the thread's
  CHECK(infos[0].si_signo == SIGUSR1 && infos[0].si_code == SI_TKILL);
  CHECK_EQUAL(peek_queue(pid, 0, 1, 4, infos), 3);  // the process's
  CHECK(infos[0].si_signo == SIGUSR2 && infos[0].si_code == SI_USER);
  CHECK(infos[1].si_value.sival_int == 7 && infos[2].si_value.sival_int == 8);
  CHECK_EQUAL(peek_queue(pid, 2, 1, 4, infos), 1);
  CHECK(infos[0].si_code == SI_QUEUE && infos[0].si_value.sival_int == 8);
  CHECK_EQUAL(peek_queue(pid, 0, 1, 2, infos), 2);
  CHECK_EQUAL(peek_queue(pid, 3, 1, 1, infos), 0);
  CHECK_EQUAL(peek_queue(pid, UINT64_MAX, 1, 2, infos), 0);
  CHECK_FAILS(peek_queue(pid, 0, 2, 1, infos), EINVAL);
  CHECK_FAILS(peek_queue(pid, 0, 0, -1, infos), EINVAL);
  CHECK_FAILS(trace(PTRACE_PEEKSIGINFO, pid, NULL, (uintptr_t)infos), EFAULT);
  kill_traced(pid);
  say("queued signals");
}

// PTRACE_GET_SYSCALL_INFO and PTRACE_SET_SYSCALL_INFO, which Linux has since 6.16.
struct CallInfo {
  uint8_t op, reserved;
  uint16_t flags;
  uint32_t arch;
  uint64_t ip, sp;
  union {
    struct {
      uint64_t nr, args[6];
    } entry;
    struct {
      int64_t rval;
      uint8_t is_error;
    } exit;
    char all[64];
  };
};
enum { kGetCall = 0x420e, kSetCall = 0x4212 };

static long set_call(pid_t pid, const struct CallInfo* info) {
  return trace(kSetCall, pid, (void*)sizeof *info, (uintptr_t)info);
}

static void ask_for_the_parent(void) {
  CHECK_EQUAL(raw_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0), 4711);  // what the tracer makes of it
  _exit(9);
}

static void change_calls(pid_t pid) {
  struct CallInfo info = {0};
  CHECK_FAILS(set_call(pid, &info), EINVAL);  // not at a call
  do {
    CHECK_TRACE(PTRACE_SYSCALL, pid, NULL, 0);
    CHECK_STOPS(pid, SIGTRAP | 0x80);
  } while (registers_of(pid).orig_rax != SYS_getppid);
  CHECK_EQUAL(trace(kGetCall, pid, (void*)sizeof info, (uintptr_t)&info), 80);
  CHECK_FAILS(trace(kSetCall, pid, (void*)80, (uintptr_t)&info), EINVAL);
  CHECK_FAILS(set_call(pid, (void*)8), EFAULT);
  struct CallInfo bad = info;
  bad.flags = 1;
  CHECK_FAILS(set_call(pid, &bad), EINVAL);
  bad = info;
  bad.op = 2;
  CHECK_FAILS(set_call(pid, &bad), EINVAL);
  bad = info;
  bad.entry.nr = 1ul << 32;
  CHECK_FAILS(set_call(pid, &bad), ERANGE);
  info.entry = (__typeof__(info.entry)){SYS_lseek, {(uint64_t)-1, 12, 13, 14, 15, 16}};
  info.ip = info.sp = 1;  // are not taken
  CHECK_EQUAL(set_call(pid, &info), 0);
  struct user_regs_struct all = registers_of(pid);
  CHECK(all.rsi == 12 && all.rdx == 13 && all.r10 == 14 && all.r8 == 15 && all.r9 == 16 && all.rip > 1);
  CHECK_EQUAL(next_call(pid, SYS_lseek).rax, -EBADF);
  CHECK_EQUAL(trace(kGetCall, pid, (void*)sizeof info, (uintptr_t)&info), 33);
  CHECK(info.op == 2 && info.exit.rval == -EBADF && info.exit.is_error == 1);
  info.exit.rval = 4711;
  info.exit.is_error = 0;
  CHECK_EQUAL(set_call(pid, &info), 0);
  CHECK_EQUAL(registers_of(pid).rax, 4711);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(9));
}

static void call_infos(void) {
  pid_t pid = start_traced(ask_for_the_parent);
  CHECK_TRACE(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD);
  if (on_minikernel() || (trace(kSetCall, pid, NULL, 0) < 0 && errno != EIO)) {
    change_calls(pid);
  } else {
    kill_traced(pid);
  }
  say("infos of calls");
}

static uint8_t behind_gs(void) {
  uint8_t byte;
  __asm__ volatile("movb %%gs:0, %0" : "=r"(byte));
  return byte;
}

// A selector that is loaded takes its base along, for good.
static void base_of_a_selector(void) {
  static uint8_t byte = 42;
  install_handler(SIGSEGV, catch_and_leave, 0);
  CHECK(raw_syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, (long)&byte, 0, 0, 0, 0) == 0);
  CHECK_EQUAL(behind_gs(), 42);
  __asm__ volatile("mov %0, %%gs" : : "r"(0x2b));
  for (int i = 0; i < 3; ++i) {
    CHECK(RAISES(behind_gs()));
    usleep(1000);
  }
  uint64_t base = 1;
  CHECK(raw_syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, (long)&base, 0, 0, 0, 0) == 0);
  CHECK_EQUAL(base, 0);
  say("the base of a selector");
}

int main(void) {
  selectors();
  bases();
  queued_signals();
  call_infos();
  base_of_a_selector();
  return 0;
}
