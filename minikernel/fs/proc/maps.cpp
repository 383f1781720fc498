// SPDX-License-Identifier: GPL-2.0-or-later
//
// The areas of a process: maps, smaps and smaps_rollup (Linux fs/proc/task_mmu.c).
#include "arch/x86_64/memory_layout.h"
#include "fs/path_walk.h"
#include "fs/proc/proc.h"
#include "lib/string.h"
#include "mm/mappings.h"

namespace mk {
namespace {

constexpr uint64_t kNameColumn = 73;

// A page to put paths together in.
class PathBuffer {
 public:
  PathBuffer() : text_(static_cast<char*>(kmalloc(kPathMax))) {}
  ~PathBuffer() { kfree(text_); }
  PathBuffer(const PathBuffer&) = delete;
  bool ok() const { return text_ != nullptr; }
  const char* of(Dentry& dentry) {
    const char* path = path_of(dentry, text_, kPathMax);
    return path != nullptr ? path : "(too long)";
  }

 private:
  char* text_;
};

void print_area(AddressSpace& mm, const Vma& vma, PathBuffer& paths, TextBuffer& out) {
  uint64_t device = 0, inode = 0;
  if (vma.file) {
    device = 1 + static_cast<uint64_t>(vma.file->inode().file_system);
    inode = vma.file->inode().number;
  }
  out.print("%08lx-%08lx %c%c%c%c %08lx 00:%02lx %lu ", vma.start, vma.end, vma.flags & kVmRead ? 'r' : '-',
            vma.flags & kVmWrite ? 'w' : '-', vma.flags & kVmExec ? 'x' : '-',
            vma.flags & kVmMayShare ? 's' : 'p', vma.offset, device, inode);
  const char* name = nullptr;
  if (vma.file) {
    name = paths.of(vma.file->dentry());
  } else if (vma.start < mm.heap_end() && vma.end > mm.heap_start()) {
    name = "[heap]";
  } else if (vma.contains(mm.argument_start)) {
    name = "[stack]";
  }
  if (name != nullptr) {
    out.pad_to(kNameColumn);
    out.append(name);
  }
  out.append("\n");
}

void line(TextBuffer& out, const char* name, uint64_t kilobytes) {
  out.print("%-15s %8lu kB\n", name, kilobytes);
}
void pages(TextBuffer& out, const char* name, uint64_t count) { line(out, name, count * (kPageSize / 1024)); }

// The lines that smaps and smaps_rollup share.
void print_counts(const PageCounts& counts, bool rollup, TextBuffer& out) {
  pages(out, "Rss:", counts.resident());
  line(out, "Pss:", counts.proportional / 1024);
  line(out, "Pss_Dirty:", counts.proportional_dirty / 1024);
  if (rollup) {
    // Shares are not kept apart by kind: what is anonymous is taken as private.
    uint64_t anonymous = counts.anonymous * kPageSize < counts.proportional ? counts.anonymous * kPageSize
                                                                            : counts.proportional;
    line(out, "Pss_Anon:", anonymous / 1024);
    line(out, "Pss_File:", (counts.shmem == 0 ? counts.proportional - anonymous : 0) / 1024);
    line(out, "Pss_Shmem:", (counts.shmem != 0 ? counts.proportional - anonymous : 0) / 1024);
  }
  pages(out, "Shared_Clean:", counts.shared_clean);
  pages(out, "Shared_Dirty:", counts.shared_dirty);
  pages(out, "Private_Clean:", counts.private_clean);
  pages(out, "Private_Dirty:", counts.private_dirty);
  pages(out, "Referenced:", counts.referenced);
  pages(out, "Anonymous:", counts.anonymous);
  static constexpr const char* kZeros[] = {
      "KSM:", "LazyFree:", "AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:"};
  for (const char* zero : kZeros) pages(out, zero, 0);
  out.print("Private_Hugetlb: %7u kB\n", 0u);  // one column to the right, as in Linux
  pages(out, "Swap:", counts.swap);
  pages(out, "SwapPss:", counts.swap);
  line(out, "Locked:", counts.locked / 1024);
}

// Bit by bit, as Linux's show_smap_vma_flags.
void print_flags(const Vma& vma, TextBuffer& out) {
  static constexpr struct {
    uint64_t flag;
    char name[3];
  } kFlags[] = {
      {0x1, "rd"},          {0x2, "wr"},        {0x4, "ex"},        {0x8, "sh"},        {0x10, "mr"},
      {0x20, "mw"},         {0x40, "me"},       {0x80, "ms"},       {0x100, "gd"},      {0x200, "um"},
      {0x400, "pf"},        {0x1000, "uw"},     {0x2000, "lo"},     {0x4000, "io"},     {0x8000, "sr"},
      {0x10000, "rr"},      {0x20000, "dc"},    {0x40000, "de"},    {0x80000, "lf"},    {0x100000, "ac"},
      {0x200000, "nr"},     {0x400000, "ht"},   {0x800000, "sf"},   {0x2000000, "wf"},  {0x4000000, "dd"},
      {0x8000000, "sd"},    {0x10000000, "mm"}, {0x20000000, "hg"}, {0x40000000, "nh"}, {0x80000000, "mg"},
      {kVmUffdMinor, "ui"}, {kVmSealed, "sl"},
  };
  out.append("VmFlags: ");
  for (const auto& [flag, name] : kFlags)
    if (vma.flags & flag) out.print("%s ", name);
  out.append("\n");
}

}  // namespace

long proc_maps(const ProcessInfo& info, TextBuffer& out) {
  if (!info.mm) return 0;
  PathBuffer paths;
  if (!paths.ok()) return -ENOMEM;
  info.mm->for_each_vma([&](const Vma& vma) { print_area(*info.mm, vma, paths, out); });
  return 0;
}

long proc_smaps(const ProcessInfo& info, TextBuffer& out) {
  if (!info.mm) return 0;
  PathBuffer paths;
  MappingCounter counter(MappingCounter::kMost);
  if (!paths.ok() || !counter.ok()) return -ENOMEM;
  info.mm->for_each_vma([&](const Vma& vma) {
    PageCounts counts = info.mm->shared_counts_locked(vma, counter);
    print_area(*info.mm, vma, paths, out);
    line(out, "Size:", vma.size() / 1024);
    line(out, "KernelPageSize:", kPageSize / 1024);
    line(out, "MMUPageSize:", kPageSize / 1024);
    print_counts(counts, false, out);
    out.append("THPeligible:           0\n");
    print_flags(vma, out);
  });
  return 0;
}

long proc_smaps_rollup(const ProcessInfo& info, TextBuffer& out) {
  if (!info.mm) return 0;
  MappingCounter counter(MappingCounter::kMost);
  if (!counter.ok()) return -ENOMEM;
  PageCounts total;
  uint64_t start = 0, end = 0;
  info.mm->for_each_vma([&](const Vma& vma) {
    if (end == 0) start = vma.start;
    end = vma.end;
    total.add(info.mm->shared_counts_locked(vma, counter));
  });
  out.print("%08lx-%08lx ---p 00000000 00:00 0 ", start, end);
  out.pad_to(kNameColumn);
  out.append("[rollup]\n");
  print_counts(total, true, out);
  return 0;
}

}  // namespace mk
