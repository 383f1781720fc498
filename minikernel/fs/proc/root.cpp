// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/proc/proc.h"
#include "fs/vfs.h"
#include "lib/assert.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

// /proc/self and /proc/thread-self.
class SelfLink final : public Inode {
 public:
  explicit SelfLink(bool thread) : Inode(S_IFLNK | 0777), thread_(thread) { file_system = FileSystem::kProc; }
  long readlink(char* buffer, size_t size) override {
    char text[48];
    size_t length = thread_ ? format_text(text, sizeof(text), "%d/task/%d", current().tgid, current().pid)
                            : format_text(text, sizeof(text), "%d", current().tgid);
    length = min(length, size);
    memcpy(buffer, text, length);
    return static_cast<long>(length);
  }

 private:
  bool thread_;
};

class ProcRoot final : public Inode {
 public:
  ProcRoot() : Inode(S_IFDIR | 0555) {
    links = 2;
    file_system = FileSystem::kProc;
  }
  Result<Ref<Inode>> lookup(const char* name, size_t length) override {
    int pid = 0;
    ProcessInfo info;
    if (!parse_number_name(name, length, pid) || pid == 0 || !process_info(pid, 0, info))
      return Errno{ENOENT};
    Ref<Inode> directory = make_process_directory(ProcessId{pid, 0});
    if (!directory) return Errno{ENOMEM};
    return directory;
  }
  // Positions are pids.
  bool next_entry(DirEntry& entry) override {
    int pid = next_pid(static_cast<int>(entry.position - DirEntry::kFirstVirtual) - 1);
    if (pid == 0) return false;
    set_number_entry(entry, pid, process_inode_number(ProcessId{pid, 0}, 0), S_IFDIR);
    return true;
  }
};

}  // namespace

void proc_init() {
  long error = place("/proc", Ref<Inode>(make<ProcRoot>()));
  error |= place("/proc/self", Ref<Inode>(make<SelfLink>(false)));
  error |= place("/proc/thread-self", Ref<Inode>(make<SelfLink>(true)));
  error |= proc_system_init();
  if (error != 0) panic("cannot make /proc: does the initramfs have files there?");
}

}  // namespace mk
