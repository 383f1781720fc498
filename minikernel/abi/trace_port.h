// SPDX-License-Identifier: GPL-2.0-or-later
//
// The trace port: how minikernel tells the machine it runs on what it decided and which physical ranges are
// worth watching. The kernel fills one TraceRecord in its own memory (one buffer a CPU, below 4 GiB) and
// writes the buffer's 32-bit physical address to I/O port kTracePort with one `out dx, eax`. The machine
// reads the record at once. On a machine without the port the write goes nowhere: the kernel never knows, and
// never waits for, a reader. Records are made whether or not somebody traces, so that tracing does not change
// the guest's instruction count.
//
// This header is the contract between the kernel and emu/devices/trace_port; both include it and nothing else
// of each other. Numbers are only ever appended; kTraceAbiVersion changes when a meaning does.
#pragma once

#include <stdint.h>

namespace trace_abi {

inline constexpr uint16_t kTracePort = 0x0b00;
inline constexpr uint16_t kDebugExitPort = 0x00f4;  // `out` of 32 bits: ends the machine, see ExitStatus
inline constexpr uint16_t kDebugConsolePort =
    0x00e9;  // the kernel's own log, a byte at a time (Bochs' port E9)
inline constexpr uint16_t kTraceAbiVersion = 1;

// What is written to kDebugExitPort: bits 0-7 are the first program's status as a shell shows it (exit code,
// or 128 + signal). Bit 8 says that the kernel panicked; the low bits then mean nothing.
inline constexpr uint32_t kExitPanic = 0x100;

enum class TraceType : uint16_t {
  kTaskSwitch = 1,  // args: pid, tgid (0: idle)
  kExec = 2,        // args: pid, load bias; text: path
  kFaultOutcome =
      3,  // args: pid, faulting address, FaultOutcome, error code; the last thing before the return path
  kSyscallEnter = 4,  // args: number, six arguments
  kSyscallExit = 5,   // args: number, return value
  kWatchRange = 6,    // args: WatchKind, physical start, bytes, bytes per element; text: name
  kTaskExit = 7,      // args: pid, status as in kDebugExitPort bits 0-7
  kSignal = 8,        // args: pid, signal number, si_code, si_addr
  kVmStat =
      9,  // args: value; text: name, as in /proc/vmstat. One for each line, when the last program has ended
  kCpuMark =
      10,  // args: CpuMark. No kernel's: whoever records says of each CPU where it stands and runs whom
};

enum class CpuMark : uint64_t {
  kBegins = 1,  // the recording begins, in the middle of a run
  kEnds = 2,    // it ends
};

enum class WatchKind : uint64_t {
  kFrameTable = 1,  // one 64-byte descriptor a frame
  kFrameCount = 2,  // the dense lifetime counts (ARCHITECTURE.md, "Frame lifetime")
};

// What the page-fault handler decided. fault_outcome_name() below is the one list of their names.
enum class FaultOutcome : uint64_t {
  kZeroPage = 1,     // read of never-written anonymous memory: the shared zero page was mapped
  kAnonZero = 2,     // a new zeroed frame was mapped
  kReuse = 3,        // write-protected entry made writable in place
  kCopy = 4,         // copy-on-write: new frame, old contents
  kStackGrowth = 5,  // a VM_GROWSDOWN area was extended, then as kAnonZero
  kSpurious = 6,     // the entry already allows the access
  kSigsegv = 7,      // the program got SIGSEGV
  kSigbus = 8,
  kKernelFixup = 9,  // a user-copy routine of the kernel faulted for good: the system call returns EFAULT
  kFilePage = 10,    // a page of an executable or file was mapped
  kOutOfMemory = 11,
  kUserfault = 12,  // a message went to a userfaultfd, the thread waits and repeats the access
  kUffdAsync = 13,  // write protection of a userfaultfd with WP_ASYNC was dropped, then as kReuse
  kPoisoned = 14,   // SIGBUS for a page that UFFDIO_POISON marked
  kPfnMapped = 15,  // a page of a device's memory was mapped
};

inline constexpr const char* fault_outcome_name(FaultOutcome outcome) {
  switch (outcome) {
    case FaultOutcome::kZeroPage:
      return "zero-page";
    case FaultOutcome::kAnonZero:
      return "anon-zero";
    case FaultOutcome::kReuse:
      return "reuse";
    case FaultOutcome::kCopy:
      return "copy";
    case FaultOutcome::kStackGrowth:
      return "stack-growth";
    case FaultOutcome::kSpurious:
      return "spurious";
    case FaultOutcome::kSigsegv:
      return "sigsegv";
    case FaultOutcome::kSigbus:
      return "sigbus";
    case FaultOutcome::kKernelFixup:
      return "kernel-fixup";
    case FaultOutcome::kFilePage:
      return "file-page";
    case FaultOutcome::kOutOfMemory:
      return "out-of-memory";
    case FaultOutcome::kUserfault:
      return "userfault";
    case FaultOutcome::kUffdAsync:
      return "uffd-async";
    case FaultOutcome::kPoisoned:
      return "poisoned";
    case FaultOutcome::kPfnMapped:
      return "pfn-mapped";
  }
  return "unknown";
}

struct TraceRecord {
  uint16_t abi_version;
  uint16_t type;  // TraceType
  uint32_t reserved;
  uint64_t args[7];
  char text[64];  // NUL-padded; for kExec and kWatchRange
};
static_assert(sizeof(TraceRecord) == 128);

}  // namespace trace_abi
