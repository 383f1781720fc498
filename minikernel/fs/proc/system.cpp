// SPDX-License-Identifier: GPL-2.0-or-later
//
// Files of /proc about the machine (Linux fs/proc/*.c, mm/vmstat.c).
#include "arch/x86_64/clock.h"
#include "arch/x86_64/memory_layout.h"
#include "boot/boot_info.h"
#include "fs/memory_file.h"
#include "fs/proc/proc.h"
#include "fs/symlink.h"
#include "fs/vfs.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/vmstat.h"
#include "sys/system_name.h"

namespace mk {
namespace {

constexpr uint64_t kNsPerTick = 10'000'000;
constexpr uint64_t kNsPerSecond = 1'000'000'000;

void line(TextBuffer& out, const char* name, uint64_t kilobytes) {
  out.print("%-15s %8lu kB\n", name, kilobytes);
}

long meminfo(TextBuffer& out) {
  constexpr uint64_t kPage = kPageSize / 1024;
  uint64_t total = total_frame_count() * kPage;
  uint64_t free = free_frame_count() * kPage;
  uint64_t shmem = tmpfs_pages_used() * kPage;
  PageCounts mapped;
  uint64_t tables = 0;
  for (int pid = next_pid(0); pid != 0; pid = next_pid(pid)) {
    ProcessInfo info;
    if (!process_info(pid, 0, info) || !info.mm) continue;
    mapped.add(info.mm->page_counts());
    tables += info.mm->page_table_bytes() / 1024;
  }
  uint64_t anonymous = mapped.anonymous * kPage;
  line(out, "MemTotal:", total);
  line(out, "MemFree:", free);
  line(out, "MemAvailable:", free);
  line(out, "Buffers:", 0);
  line(out, "Cached:", shmem + (mapped.file + mapped.shmem) * kPage);
  line(out, "SwapCached:", 0);
  line(out, "Active:", anonymous);
  line(out, "Inactive:", shmem);
  line(out, "Active(anon):", anonymous);
  line(out, "Inactive(anon):", shmem);
  line(out, "Active(file):", 0);
  line(out, "Inactive(file):", 0);
  line(out, "Unevictable:", 0);
  line(out, "Mlocked:", 0);
  line(out, "SwapTotal:", 0);
  line(out, "SwapFree:", 0);
  line(out, "Dirty:", 0);
  line(out, "Writeback:", 0);
  line(out, "AnonPages:", anonymous);
  line(out, "Mapped:", (mapped.file + mapped.shmem) * kPage);
  line(out, "Shmem:", shmem + mapped.shmem * kPage);
  line(out, "KReclaimable:", 0);
  line(out, "Slab:", 0);
  line(out, "SReclaimable:", 0);
  line(out, "SUnreclaim:", 0);
  line(out, "KernelStack:", 0);
  line(out, "PageTables:", tables);
  line(out, "SecPageTables:", 0);
  line(out, "NFS_Unstable:", 0);
  line(out, "Bounce:", 0);
  line(out, "WritebackTmp:", 0);
  line(out, "CommitLimit:", total);
  line(out, "Committed_AS:", anonymous + shmem);
  line(out, "VmallocTotal:", 0);
  line(out, "VmallocUsed:", 0);
  line(out, "VmallocChunk:", 0);
  line(out, "Percpu:", 0);
  return 0;
}

long vmstat(TextBuffer& out) {
  for (unsigned i = 0; i < vm_stat_count(); ++i) out.print("%s %lu\n", vm_stat_name(i), vm_stat(i));
  return 0;
}

void cpu_line(TextBuffer& out, const char* name, const SystemInfo& system, unsigned share) {
  out.print("%s %lu 0 %lu %lu 0 0 0 0 0 0\n", name, system.user_ns / kNsPerTick / share,
            system.system_ns / kNsPerTick / share, system.idle_ns / kNsPerTick / share);
}

long stat(TextBuffer& out) {
  SystemInfo system;
  system_info(system);
  cpu_line(out, "cpu ", system, 1);
  for (unsigned i = 0; i < system.cpus; ++i) {
    char name[16];
    format_text(name, sizeof(name), "cpu%u", i);
    cpu_line(out, name, system, system.cpus);
  }
  out.print("intr %lu\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running %u\nprocs_blocked 0\nsoftirq 0\n",
            system.interrupts, system.context_switches, kBootWallClockNs / kNsPerSecond, system.forks,
            system.runnable);
  return 0;
}

void seconds(TextBuffer& out, uint64_t ns) {
  out.print("%lu.%02lu", ns / kNsPerSecond, ns % kNsPerSecond / kNsPerTick);
}

long uptime(TextBuffer& out) {
  SystemInfo system;
  system_info(system);
  seconds(out, now_ns());
  out.append(" ");
  seconds(out, system.idle_ns);
  out.append("\n");
  return 0;
}

long loadavg(TextBuffer& out) {
  SystemInfo system;
  system_info(system);
  out.print("0.00 0.00 0.00 %u/%u %d\n", system.runnable, system.tasks, system.last_pid);
  return 0;
}

long version(TextBuffer& out) {
  out.print("%s version %s %s\n", kSystemName, kRelease, kVersion);
  return 0;
}

constexpr char kFileSystems[] =
    "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdebugfs\nnodev\tramfs\n";
constexpr char kMounts[] =
    "rootfs / rootfs rw 0 0\nproc /proc proc rw,relatime 0 0\nsysfs /sys sysfs rw,relatime 0 0\n";

long cmdline(TextBuffer& out) {
  out.append(boot_info().command_line);
  out.append("\n");
  return 0;
}

template <const char* kText>
long one_line(TextBuffer& out) {
  out.print("%s\n", kText);
  return 0;
}
constexpr auto osrelease = one_line<kRelease>;
constexpr auto ostype = one_line<kSystemName>;
constexpr auto hostname = one_line<kNodeName>;
constexpr auto version_number = one_line<kVersion>;

struct SystemFile {
  const char* path;
  GeneratedFile::Generate generate;
  const char* text;
};

constexpr SystemFile kFiles[] = {
    {"/proc/meminfo", meminfo, nullptr},
    {"/proc/vmstat", vmstat, nullptr},
    {"/proc/stat", stat, nullptr},
    {"/proc/uptime", uptime, nullptr},
    {"/proc/loadavg", loadavg, nullptr},
    {"/proc/version", version, nullptr},
    {"/proc/cpuinfo", proc_cpuinfo, nullptr},
    {"/proc/cmdline", cmdline, nullptr},
    {"/proc/filesystems", nullptr, kFileSystems},
    {"/proc/swaps", nullptr, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"},
    {"/proc/sys/kernel/pid_max", nullptr, "32768\n"},
    {"/proc/sys/kernel/osrelease", osrelease, nullptr},
    {"/proc/sys/kernel/ostype", ostype, nullptr},
    {"/proc/sys/kernel/hostname", hostname, nullptr},
    {"/proc/sys/kernel/version", version_number, nullptr},
    {"/proc/sys/kernel/randomize_va_space", nullptr, "0\n"},
    {"/proc/sys/kernel/threads-max", nullptr, "32768\n"},
    {"/proc/sys/vm/overcommit_memory", nullptr, "1\n"},
    {"/proc/sys/vm/max_map_count", nullptr, "65530\n"},
    {"/proc/sys/vm/mmap_min_addr", nullptr, "65536\n"},
};

}  // namespace

long proc_mounts_of_system(TextBuffer& out) {
  out.append(kMounts);
  return 0;
}

long proc_system_init() {
  long error = place("/proc/mounts", make_symlink("self/mounts", strlen("self/mounts")));
  error |= place("/proc/kpagecount", make_kpagecount());
  error |= place("/proc/kpageflags", make_kpageflags());
  for (const SystemFile& file : kFiles) {
    Ref<Inode> inode;
    if (file.generate != nullptr) {
      inode = make<GeneratedFile>(FileSystem::kProc, file.generate);
    } else {
      inode = make<FixedTextFile>(FileSystem::kProc, file.text);
    }
    error |= place(file.path, inode);
  }
  return error;
}

}  // namespace mk
