// SPDX-License-Identifier: GPL-2.0-or-later
//
// ptrace(2) as a debugger uses it: stops for signals and system calls, registers, memory, breakpoints, single
// steps. Events, threads and the newer way to attach are in ptrace_events.c.
#include <stddef.h>
#include <sys/prctl.h>

#include "tracing.h"

static volatile long word = 0x1122334455667788;
static volatile int handled;

static void count_signal(int signal) { handled += signal; }

static void errors(void) {
  pid_t pid = checked_fork();
  if (pid == 0)
    for (;;) pause();
  CHECK_FAILS(trace(PTRACE_CONT, pid, NULL, 0), ESRCH);  // not traced
  CHECK_FAILS(trace(PTRACE_ATTACH, 0x3fffffff, NULL, 0), ESRCH);
  CHECK_FAILS(trace(PTRACE_ATTACH, getpid(), NULL, 0), EPERM);
  CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);
  CHECK_STOPS(pid, SIGSTOP);
  CHECK_FAILS(trace(PTRACE_ATTACH, pid, NULL, 0), EPERM);  // already
  CHECK_FAILS(trace(PTRACE_CONT, pid, NULL, 65), EIO);
  CHECK_FAILS(trace(PTRACE_DETACH, pid, NULL, (uintptr_t)-1), EIO);
  CHECK_FAILS(trace(PTRACE_PEEKDATA, pid, NULL, 0), EIO);
  CHECK_FAILS(trace(PTRACE_POKEDATA, pid, (void*)8, 0), EIO);
  CHECK_FAILS(trace(PTRACE_PEEKUSER, pid, (void*)3, 0), EIO);
  CHECK_FAILS(trace(PTRACE_PEEKUSER, pid, (void*)928, 0), EIO);
  CHECK_FAILS(trace(PTRACE_SETOPTIONS, pid, NULL, 1u << 30), EINVAL);
  CHECK_FAILS(trace(PTRACE_GETREGS, pid, NULL, 8), EFAULT);
  CHECK_FAILS(trace(PTRACE_INTERRUPT, pid, NULL, 0), EIO);  // only what was seized
  CHECK_FAILS(trace(PTRACE_LISTEN, pid, NULL, 0), EIO);
  CHECK_FAILS(trace(4321, pid, NULL, 0), EIO);
  go_on(pid, 0);
  CHECK_FAILS(trace(PTRACE_CONT, pid, NULL, 0), ESRCH);  // it runs
  CHECK_FAILS(trace(PTRACE_GETEVENTMSG, pid, NULL, 0), ESRCH);
  CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
  CHECK_TRACE(PTRACE_KILL, pid, NULL, 0);
  CHECK_ENDS(pid, SIGKILL);
  CHECK_FAILS(trace(PTRACE_CONT, pid, NULL, 0), ESRCH);
  say("errors");
}

static void send_signals(void) {
  signal(SIGUSR1, count_signal);
  signal(SIGUSR2, SIG_IGN);
  raise(SIGUSR1);
  raise(SIGUSR1);
  raise(SIGUSR1);
  raise(SIGUSR2);
  raise(SIGCHLD);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  raise(SIGUSR1);  // waits
  sigprocmask(SIG_UNBLOCK, &blocked, NULL);
  _exit(handled);
}

// Every signal stops the tracee before anything happens, those that it ignores too.
static void signals(void) {
  pid_t pid = start_traced(send_signals);
  siginfo_t info = info_of(pid);
  CHECK_EQUAL(info.si_signo, SIGSTOP);
  CHECK_EQUAL(info.si_code, SI_TKILL);
  CHECK_EQUAL(info.si_pid, pid);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGUSR1);
  go_on(pid, SIGUSR1);  // counted
  CHECK_STOPS(pid, SIGUSR1);
  go_on(pid, 0);  // taken away
  CHECK_STOPS(pid, SIGUSR1);
  go_on(pid, SIGCONT);  // another one, which is ignored
  CHECK_STOPS(pid, SIGUSR2);
  go_on(pid, SIGUSR2);
  CHECK_STOPS(pid, SIGCHLD);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGUSR1);
  info = info_of(pid);
  info.si_code = SI_QUEUE;
  CHECK_TRACE(PTRACE_SETSIGINFO, pid, NULL, (uintptr_t)&info);
  CHECK_EQUAL(info_of(pid).si_code, SI_QUEUE);
  siginfo_t told = {0};
  CHECK(waitid(P_PID, (id_t)pid, &told, WEXITED | WNOHANG) == 0);  // already told
  CHECK_EQUAL(told.si_pid, 0);
  go_on(pid, SIGUSR1);
  CHECK_ENDS(pid, exited(2 * SIGUSR1));

  pid = start_traced(send_signals);
  go_on(pid, 0);
  CHECK(waitid(P_PID, (id_t)pid, &told, WEXITED | WNOWAIT) == 0);  // a tracee's stop is told in any case
  CHECK_EQUAL(told.si_code, CLD_TRAPPED);
  CHECK_EQUAL(told.si_status, SIGUSR1);
  CHECK_STOPS(pid, SIGUSR1);
  go_on(pid, SIGTERM);
  CHECK_ENDS(pid, SIGTERM);
  say("signals");
}

static void touch_registers(void) {
  register long r12 __asm__("r12") = 0x12121212;
  __asm__ volatile("int3" : "+r"(r12) : : "memory");
  double half = 0.5, result;
  __asm__ volatile("movsd %1, %%xmm7; int3; movsd %%xmm7, %0" : "=m"(result) : "m"(half) : "xmm7");
  CHECK(result == 0.25);
  _exit((int)r12);
}

static void registers(void) {
  pid_t pid = start_traced(touch_registers);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGTRAP);
  CHECK_EQUAL(info_of(pid).si_code, SI_KERNEL);
  struct user_regs_struct all = registers_of(pid);
  CHECK_EQUAL(all.r12, 0x12121212);
  CHECK_EQUAL(all.orig_rax, -1);
  CHECK(all.cs == 0x33 && all.ss == 0x2b && all.fs_base != 0);
  CHECK_EQUAL((unsigned char)peek(pid, (void*)(all.rip - 1)), 0xcc);
  errno = 0;
  CHECK_EQUAL(trace(PTRACE_PEEKUSER, pid, (void*)offsetof(struct user, regs.rip), 0), all.rip);
  CHECK_EQUAL(trace(PTRACE_PEEKUSER, pid, (void*)offsetof(struct user, u_debugreg[7]), 0), 0);
  CHECK(errno == 0);
  all.r12 = 33;
  set_registers(pid, &all);
  CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)offsetof(struct user, regs.r12), 44);
  CHECK_EQUAL(registers_of(pid).r12, 44);
  struct user_regs_struct bad = all;
  bad.fs_base = 1ul << 62;
  CHECK_FAILS(trace(PTRACE_SETREGS, pid, NULL, (uintptr_t)&bad), EIO);
  CHECK_TRACE(PTRACE_POKEUSER, pid, (void*)offsetof(struct user, regs.r12), 44);

  struct iovec part = {&all, 5 * sizeof(long)};
  memset(&all, 0, sizeof all);
  CHECK_TRACE(PTRACE_GETREGSET, pid, (void*)1, (uintptr_t)&part);  // NT_PRSTATUS
  CHECK_EQUAL(all.r12, 44);
  CHECK_EQUAL(all.rip, 0);
  part.iov_len = sizeof all + 800;
  CHECK_TRACE(PTRACE_GETREGSET, pid, (void*)1, (uintptr_t)&part);
  CHECK_EQUAL(part.iov_len, sizeof all);
  part.iov_len = 7;
  CHECK_FAILS(trace(PTRACE_GETREGSET, pid, (void*)1, (uintptr_t)&part), EINVAL);
  part.iov_len = 8;
  CHECK_FAILS(trace(PTRACE_GETREGSET, pid, (void*)0x7777, (uintptr_t)&part), EINVAL);

  go_on(pid, 0);
  CHECK_STOPS(pid, SIGTRAP);
  struct user_fpregs_struct fpu;
  CHECK_TRACE(PTRACE_GETFPREGS, pid, NULL, (uintptr_t)&fpu);
  double value;
  memcpy(&value, &fpu.xmm_space[7 * 4], sizeof value);
  CHECK(value == 0.5);
  value = 0.25;
  memcpy(&fpu.xmm_space[7 * 4], &value, sizeof value);
  CHECK_TRACE(PTRACE_SETFPREGS, pid, NULL, (uintptr_t)&fpu);
  struct iovec set = {&fpu, sizeof fpu};
  CHECK_TRACE(PTRACE_GETREGSET, pid, (void*)2, (uintptr_t)&set);  // NT_PRFPREG
  CHECK_EQUAL(set.iov_len, sizeof fpu);
  CHECK_TRACE(PTRACE_SETREGSET, pid, (void*)2, (uintptr_t)&set);
  set.iov_len = 8;
  CHECK_TRACE(PTRACE_GETREGSET, pid, (void*)2, (uintptr_t)&set);
  CHECK_FAILS(trace(PTRACE_SETREGSET, pid, (void*)2, (uintptr_t)&set), EINVAL);  // all or nothing
  set.iov_len = 4;
  CHECK_FAILS(trace(PTRACE_GETREGSET, pid, (void*)0x202, (uintptr_t)&set), EINVAL);  // NT_X86_XSTATE
  fpu.mxcsr = 0xffffffff;
  CHECK_FAILS(trace(PTRACE_SETFPREGS, pid, NULL, (uintptr_t)&fpu), EINVAL);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(44));
  say("registers");
}

__attribute__((noinline, noclone)) static int add_one(int x) {
  __asm__ volatile("" : "+r"(x));
  return x + 1;
}

static void call_twice(void) {
  int (*volatile call)(int) = add_one;
  _exit(call(call(10)) + (int)(word & 0xf));
}

// A debugger's breakpoint: INT3 over an instruction of text that is mapped read-only; then once around it.
static void breakpoints(void) {
  pid_t pid = start_traced(call_twice);
  void* at = (void*)(uintptr_t)add_one;
  long original = peek(pid, at);
  CHECK(memcmp(&original, at, sizeof original) == 0);
  CHECK_TRACE(PTRACE_POKETEXT, pid, at, (uintptr_t)((original & ~0xffl) | 0xcc));
  CHECK_TRACE(PTRACE_POKEDATA, pid, (void*)&word, 0x5);
  CHECK_EQUAL(peek(pid, (void*)&word), 5);
  for (int i = 0; i < 2; i++) {
    go_on(pid, 0);
    CHECK_STOPS(pid, SIGTRAP);
    struct user_regs_struct all = registers_of(pid);
    CHECK_EQUAL(all.rip, (uintptr_t)at + 1);
    CHECK_EQUAL(all.rdi, 10 + i);
    all.rip--;
    set_registers(pid, &all);
    CHECK_TRACE(PTRACE_POKETEXT, pid, at, (uintptr_t)original);
    CHECK_TRACE(PTRACE_SINGLESTEP, pid, NULL, 0);
    CHECK_STOPS(pid, SIGTRAP);
    CHECK(registers_of(pid).rip > (uintptr_t)at);
    CHECK_TRACE(PTRACE_POKETEXT, pid, at, (uintptr_t)((original & ~0xffl) | 0xcc));
  }
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(12 + 5));
  CHECK_EQUAL(word, 0x1122334455667788);
  long here;
  memcpy(&here, at, sizeof here);
  CHECK_EQUAL(here, original);
  say("breakpoints");
}

extern char step_start[], step_call[], step_after_call[], step_end[];
__asm__(
    ".pushsection .text\n"
    "step_start: mov $39, %eax\n"  // getpid
    "nop\n"
    "step_call: syscall\n"
    "step_after_call: pushf\n"
    "pop %rbx\n"
    "step_end: int3\n"
    ".popsection\n");

static void run_steps(void) { __asm__ volatile("jmp step_start"); }

static void single_steps(void) {
  pid_t pid = start_traced(run_steps);
  struct user_regs_struct all = registers_of(pid);
  all.rip = (uintptr_t)step_start;
  all.orig_rax = (unsigned long)-1;
  set_registers(pid, &all);
  const uintptr_t places[] = {(uintptr_t)step_call - 1, (uintptr_t)step_call, (uintptr_t)step_after_call,
                              (uintptr_t)step_after_call + 1, (uintptr_t)step_end};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    CHECK_TRACE(PTRACE_SINGLESTEP, pid, NULL, 0);
    CHECK_STOPS(pid, SIGTRAP);
    CHECK_EQUAL(registers_of(pid).rip, places[i]);
    CHECK_EQUAL(info_of(pid).si_code, places[i] == (uintptr_t)step_after_call ? TRAP_BRKPT : TRAP_TRACE);
  }
  all = registers_of(pid);
  CHECK_EQUAL(all.rax, pid);
  CHECK_EQUAL(all.eflags & 0x100, 0);  // the debugger's trap flag is not shown
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGTRAP);  // INT3, and no more steps
  CHECK_EQUAL(registers_of(pid).rip, (uintptr_t)step_end + 1);
  kill_traced(pid);

  // Into a signal handler: its first instruction is a stop of its own.
  pid = start_traced(send_signals);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGUSR1);
  CHECK_TRACE(PTRACE_SINGLESTEP, pid, NULL, SIGUSR1);
  CHECK_STOPS(pid, SIGTRAP);
  CHECK_EQUAL(registers_of(pid).rip, (uintptr_t)count_signal);
  CHECK_EQUAL(registers_of(pid).rdi, SIGUSR1);
  kill_traced(pid);
  say("single steps");
}

static void make_calls(void) {
  long parent = raw_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0);
  CHECK_EQUAL(parent, getppid());
  CHECK_EQUAL(raw_syscall(SYS_lseek, -1, 2, 3, 4, 5, 6), -EBADF);
  CHECK_EQUAL(raw_syscall(SYS_lseek, -1, 2, 3, 4, 5, 6), 1234);  // what the tracer makes of it
  CHECK_EQUAL(raw_syscall(SYS_lseek, -1, 2, 3, 4, 5, 6), -77);
  CHECK_EQUAL(raw_syscall(SYS_lseek, -1, 2, 3, 4, 5, 6), getpid());
  _exit(9);
}

static void system_calls(void) {
  pid_t pid = start_traced(make_calls);
  CHECK_TRACE(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD);
  do {  // whatever the library does after raise()
    CHECK_TRACE(PTRACE_SYSCALL, pid, NULL, 0);
    CHECK_STOPS(pid, SIGTRAP | 0x80);
  } while (registers_of(pid).orig_rax != SYS_getppid);
  CHECK_EQUAL(registers_of(pid).rax, -ENOSYS);
  CHECK_EQUAL(message_of(pid), 1);  // PTRACE_EVENTMSG_SYSCALL_ENTRY
  CHECK_EQUAL(next_call(pid, SYS_getppid).rax, getpid());
  CHECK_EQUAL(message_of(pid), 2);
  next_call(pid, SYS_getppid);
  next_call(pid, SYS_getppid);

  struct user_regs_struct all = next_call(pid, SYS_lseek);
  CHECK(all.rdi == -1ul && all.rsi == 2 && all.rdx == 3 && all.r10 == 4 && all.r8 == 5 && all.r9 == 6);
  CHECK_EQUAL(next_call(pid, SYS_lseek).rax, -EBADF);
  next_call(pid, SYS_lseek);
  all = next_call(pid, SYS_lseek);
  all.rax = 1234;  // another result
  set_registers(pid, &all);
  all = next_call(pid, SYS_lseek);
  all.orig_rax = (unsigned long)-1;  // no call at all
  all.rax = (unsigned long)-77;
  set_registers(pid, &all);
  CHECK_EQUAL(next_call(pid, -1).rax, -77);
  all = next_call(pid, SYS_lseek);
  all.orig_rax = SYS_getpid;  // another call
  set_registers(pid, &all);
  CHECK_EQUAL(next_call(pid, SYS_getpid).rax, pid);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(9));
  say("system calls");
}

// Ends with SIGUSR1, whenever that comes.
static pid_t start_waiting(void) {
  struct Gate ready = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    sigset_t none, usr1;
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_SETMASK, &usr1, NULL);
    signal(SIGUSR1, count_signal);
    open_gate(ready);
    while (handled == 0) sigsuspend(&none);
    _exit(handled);
  }
  pass_gate(ready);
  remove_gate(ready);
  return pid;
}

// A call that a stop interrupts goes on as if nothing had been.
static void attach_and_detach(void) {
  pid_t pid = start_waiting();
  for (int i = 0; i < 3; i++) {
    CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);
    CHECK_STOPS(pid, SIGSTOP);
    char path[40], line[80];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE* status = fopen(path, "r");
    CHECK(status != NULL);
    bool tracing = false;
    int tracer = 0;
    while (fgets(line, sizeof line, status)) {
      tracing |= strcmp(line, "State:\tt (tracing stop)\n") == 0;
      sscanf(line, "TracerPid:\t%d", &tracer);
    }
    fclose(status);
    CHECK(tracing);
    CHECK_EQUAL(tracer, getpid());
    CHECK_TRACE(PTRACE_DETACH, pid, NULL, i < 2 ? 0 : SIGUSR1);
  }
  CHECK_EXITS(pid, SIGUSR1);

  // The mask of a stopped task, and a detached one that goes on being stopped by an ordinary SIGSTOP.
  pid = start_waiting();
  CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);
  CHECK_STOPS(pid, SIGSTOP);
  uint64_t mask = 0;
  CHECK_TRACE(PTRACE_GETSIGMASK, pid, (void*)8, (uintptr_t)&mask);
  CHECK_EQUAL(mask, 1ul << (SIGUSR1 - 1));
  mask = 1ul << (SIGTERM - 1) | 1ul << (SIGKILL - 1);
  CHECK_TRACE(PTRACE_SETSIGMASK, pid, (void*)8, (uintptr_t)&mask);
  CHECK_TRACE(PTRACE_GETSIGMASK, pid, (void*)8, (uintptr_t)&mask);
  CHECK_EQUAL(mask, 1ul << (SIGTERM - 1));
  CHECK_FAILS(trace(PTRACE_GETSIGMASK, pid, (void*)4, (uintptr_t)&mask), EINVAL);
  CHECK_TRACE(PTRACE_DETACH, pid, NULL, SIGSTOP);
  int status;
  CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
  CHECK_EQUAL(status, stopped_with(SIGSTOP));
  CHECK(kill(pid, SIGTERM) == 0 && kill(pid, SIGKILL) == 0);
  CHECK_KILLED(pid, SIGKILL);
  say("attaching and detaching");
}

int main(void) {
  errors();
  signals();
  registers();
  breakpoints();
  single_steps();
  system_calls();
  attach_and_detach();
  return 0;
}
