// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a process is: status, stat, statm, limits, comm, cmdline, environ and its small files (Linux
// fs/proc/array.c, fs/proc/base.c).
#include "arch/x86_64/memory_layout.h"
#include "fs/proc/proc.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

constexpr uint64_t kNsPerTick = 10'000'000;  // AT_CLKTCK is 100
constexpr uint64_t kRootCapabilities = 0x000001ffffffffff;

const char* state_name(char state) {
  switch (state) {
    case 'R':
      return "R (running)";
    case 'S':
      return "S (sleeping)";
    case 'D':
      return "D (disk sleep)";
    case 'T':
      return "T (stopped)";
    case 't':
      return "t (tracing stop)";
    case 'Z':
      return "Z (zombie)";
  }
  return "X (dead)";
}

// What mm alone knows, in kB or pages.
struct MemoryFigures {
  PageCounts counts;
  uint64_t stack = 0;       // bytes
  uint64_t executable = 0;  // bytes of the program's text
  uint64_t code_start = 0, code_end = 0;
};

MemoryFigures figures_of(AddressSpace& mm) {
  MemoryFigures figures;
  mm.for_each_vma([&](const Vma& vma) {
    figures.counts.add(mm.page_counts_locked(vma));
    if (vma.contains(mm.argument_start)) figures.stack += vma.size();
    if (!vma.file || !(vma.flags & kVmExec) || vma.file != mm.executable) return;
    figures.executable += vma.size();
    if (figures.code_start == 0) figures.code_start = vma.start;
    figures.code_end = vma.end;
  });
  return figures;
}

void kilobytes(TextBuffer& out, const char* name, uint64_t value) { out.print("%s\t%8lu kB\n", name, value); }

void print_memory(AddressSpace& mm, TextBuffer& out) {
  MemoryFigures figures = figures_of(mm);
  constexpr uint64_t kPage = kPageSize / 1024;
  uint64_t size = mm.total_pages() * kPage;
  uint64_t resident = figures.counts.resident() * kPage;
  kilobytes(out, "VmPeak:", size);
  kilobytes(out, "VmSize:", size);
  kilobytes(out, "VmLck:", mm.locked_pages() * kPage);
  kilobytes(out, "VmPin:", 0);
  kilobytes(out, "VmHWM:", resident);
  kilobytes(out, "VmRSS:", resident);
  kilobytes(out, "RssAnon:", figures.counts.anonymous * kPage);
  kilobytes(out, "RssFile:", figures.counts.file * kPage);
  kilobytes(out, "RssShmem:", figures.counts.shmem * kPage);
  kilobytes(out, "VmData:", mm.data_pages() * kPage);
  kilobytes(out, "VmStk:", figures.stack / 1024);
  kilobytes(out, "VmExe:", figures.executable / 1024);
  kilobytes(out, "VmLib:", 0);
  kilobytes(out, "VmPTE:", mm.page_table_bytes() / 1024);
  kilobytes(out, "VmSwap:", figures.counts.swap * kPage);
  kilobytes(out, "HugetlbPages:", 0);
  out.append("CoreDumping:\t0\nTHP_enabled:\t0\n");
}

void print_cpus(uint64_t cpus, TextBuffer& out) {
  out.print("Cpus_allowed:\t%lx\nCpus_allowed_list:\t", cpus);
  const char* separator = "";
  for (unsigned first = 0; first < 64; ++first) {
    if (!(cpus >> first & 1)) continue;
    unsigned last = first;
    while (last + 1 < 64 && (cpus >> (last + 1) & 1)) ++last;
    out.print(last == first ? "%s%u" : "%s%u-%u", separator, first, last);
    separator = ",";
    first = last;
  }
  out.append("\n");
}

// Bytes of the program's memory as they are, up to the first that cannot be read.
long print_memory_range(const ProcessInfo& info, uint64_t start, uint64_t end, TextBuffer& out) {
  char part[256];
  for (uint64_t at = start; info.mm && at < end;) {
    size_t bytes = info.mm->peek_memory(at, part, min(sizeof(part), end - at));
    if (bytes == 0) break;
    out.append(part, bytes);
    at += bytes;
  }
  return 0;
}

}  // namespace

long proc_status(const ProcessInfo& info, TextBuffer& out) {
  out.print("Name:\t%s\n", info.name);
  if (info.fs) {
    uint32_t mask = info.fs->umask;
    out.print("Umask:\t0%u%u%u\n", mask >> 6 & 7, mask >> 3 & 7, mask & 7);
  }
  out.print("State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", state_name(info.state),
            info.pid, info.tid, info.parent, info.tracer);
  out.append("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \n");
  out.print("NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\nKthread:\t0\n", info.pid, info.tid, info.group,
            info.session);
  if (info.mm) print_memory(*info.mm, out);
  out.print("Threads:\t%u\nSigQ:\t%lu/%lu\n", info.threads, info.queued_signals,
            info.limits[RLIMIT_SIGPENDING].soft);
  out.print("SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
            info.pending, info.shared_pending, info.blocked, info.ignored, info.caught);
  out.print("CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n", 0ul,
            kRootCapabilities, kRootCapabilities, kRootCapabilities, 0ul);
  out.print("NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n", info.no_new_privileges);
  print_cpus(info.allowed_cpus, out);
  out.print(
      "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%lu\n"
      "nonvoluntary_ctxt_switches:\t%lu\n",
      info.voluntary_switches, info.involuntary_switches);
  return 0;
}

long proc_stat(const ProcessInfo& info, TextBuffer& out) {
  MemoryFigures figures;
  uint64_t size = 0;
  if (info.mm) {
    figures = figures_of(*info.mm);
    size = info.mm->total_pages() * kPageSize;
  }
  // 1 pid to 9 flags, then faults and times
  out.print("%d (%s) %c %d %d %d %d %d ", info.tid, info.name, info.state, info.parent, info.group,
            info.session, info.has_terminal ? static_cast<int>(make_device(5, 1)) : 0,
            info.has_terminal ? info.foreground_group : -1);
  out.print("4194560 %lu 0 %lu 0 ", info.minor_faults, info.major_faults);
  out.print("%lu %lu %lu %lu %d %d %u 0 %lu ", info.user_ns / kNsPerTick, info.system_ns / kNsPerTick,
            info.children_user_ns / kNsPerTick, info.children_system_ns / kNsPerTick, 20 + info.nice,
            info.nice, info.threads, info.start_ns / kNsPerTick);
  // 23 vsize, rss, rsslim, start_code, end_code, start_stack, kstkesp, kstkeip
  out.print("%lu %lu %lu %lu %lu %lu 0 0 ", size, figures.counts.resident(), info.limits[RLIMIT_RSS].soft,
            figures.code_start, figures.code_end, info.mm ? info.mm->argument_start : 0);
  // 31 signals (32 bits of them), wchan, nswap, cnswap, exit_signal, processor, rt_priority, policy, blkio,
  // guest
  out.print("%lu %lu %lu %lu 0 0 0 %d %u 0 %d 0 0 0 ", info.pending & 0x7fffffff, info.blocked & 0x7fffffff,
            info.ignored & 0x7fffffff, info.caught & 0x7fffffff, info.exit_signal, info.cpu, info.policy);
  // 45 start_data, end_data, start_brk, arg_start, arg_end, env_start, env_end, exit_code
  if (info.mm) {
    const AddressSpace& mm = *info.mm;
    out.print("0 0 %lu %lu %lu %lu %lu 0\n", mm.heap_start(), mm.argument_start, mm.argument_end,
              mm.argument_end, mm.environment_end);
  } else {
    out.append("0 0 0 0 0 0 0 0\n");
  }
  return 0;
}

long proc_statm(const ProcessInfo& info, TextBuffer& out) {
  if (!info.mm) {
    out.append("0 0 0 0 0 0 0\n");
    return 0;
  }
  MemoryFigures figures = figures_of(*info.mm);
  out.print("%lu %lu %lu %lu 0 %lu 0\n", info.mm->total_pages(), figures.counts.resident(),
            figures.counts.file + figures.counts.shmem, page_align_up(figures.executable) / kPageSize,
            info.mm->data_pages());
  return 0;
}

long proc_limits(const ProcessInfo& info, TextBuffer& out) {
  static constexpr struct {
    const char* name;
    const char* unit;
  } kLimits[RLIM_NLIMITS] = {
      {"Max cpu time", "seconds"},    {"Max file size", "bytes"},      {"Max data size", "bytes"},
      {"Max stack size", "bytes"},    {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
      {"Max processes", "processes"}, {"Max open files", "files"},     {"Max locked memory", "bytes"},
      {"Max address space", "bytes"}, {"Max file locks", "locks"},     {"Max pending signals", "signals"},
      {"Max msgqueue size", "bytes"}, {"Max nice priority", nullptr},  {"Max realtime priority", nullptr},
      {"Max realtime timeout", "us"},
  };
  out.print("%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  for (int i = 0; i < RLIM_NLIMITS; ++i) {
    out.print("%-25s ", kLimits[i].name);
    const uint64_t values[] = {info.limits[i].soft, info.limits[i].hard};
    for (uint64_t value : values)
      value == RLIM_INFINITY ? out.print("%-20s ", "unlimited") : out.print("%-20lu ", value);
    if (kLimits[i].unit != nullptr) out.print("%-10s", kLimits[i].unit);
    out.append("\n");
  }
  return 0;
}

long proc_comm(const ProcessInfo& info, TextBuffer& out) {
  out.print("%s\n", info.name);
  return 0;
}

long proc_cmdline(const ProcessInfo& info, TextBuffer& out) {
  return info.mm ? print_memory_range(info, info.mm->argument_start, info.mm->argument_end, out) : 0;
}

long proc_environ(const ProcessInfo& info, TextBuffer& out) {
  return info.mm ? print_memory_range(info, info.mm->argument_end, info.mm->environment_end, out) : 0;
}

long proc_mounts(const ProcessInfo&, TextBuffer& out) { return proc_mounts_of_system(out); }

long proc_oom_score_adj(const ProcessInfo& info, TextBuffer& out) {
  out.print("%d\n", info.oom_score_adj);
  return 0;
}

long proc_zero(const ProcessInfo&, TextBuffer& out) {
  out.append("0\n");
  return 0;
}

}  // namespace mk
