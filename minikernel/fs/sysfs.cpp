// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/sysfs.h"

#include "arch/x86_64/percpu.h"
#include "fs/gup_test.h"
#include "fs/text_file.h"
#include "fs/vfs.h"
#include "lib/assert.h"

namespace mk {
namespace {

class SysRoot final : public Inode {
 public:
  SysRoot() : Inode(S_IFDIR | 0555) {
    links = 2;
    file_system = FileSystem::kSys;
  }
};

struct SysFile {
  const char* path;
  const char* text;
};

constexpr SysFile kFiles[] = {
    {"/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"},
    {"/sys/kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise madvise [never]\n"},
    {"/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force\n"},
    {"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n"},
    {"/sys/kernel/mm/transparent_hugepage/use_zero_page", "1\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs", "60000\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "1\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans", "0\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none", "511\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_shared", "256\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_swap", "64\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed", "0\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan", "4096\n"},
    {"/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "10000\n"},
};

long cpu_range(TextBuffer& out) {
  out.print(cpu_count() > 1 ? "0-%u\n" : "%u\n", cpu_count() - 1);
  return 0;
}

constexpr const char* kCpuFiles[] = {"/sys/devices/system/cpu/online", "/sys/devices/system/cpu/possible",
                                     "/sys/devices/system/cpu/present"};

}  // namespace

void sysfs_init() {
  long error = place("/sys", Ref<Inode>(make<SysRoot>()));
  for (const SysFile& file : kFiles)
    error |= place(file.path, Ref<Inode>(make<FixedTextFile>(FileSystem::kSys, file.text)));
  for (const char* path : kCpuFiles)
    error |= place(path, Ref<Inode>(make<GeneratedFile>(FileSystem::kSys, &cpu_range)));
  error |= place("/sys/kernel/debug/gup_test", make_gup_test());
  error |= place_directory("/sys/kernel/debug", 0700);
  if (error != 0) panic("cannot make /sys: does the initramfs have files there?");
}

}  // namespace mk
