// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/PID/mem: the memory of a process, byte by byte, as a debugger has it (Linux's mem_rw): what the areas
// forbid can be read and written nevertheless, a write to a private page that is not writable breaks
// copy-on-write; only where nothing is mapped is EIO. It is the memory that the process had when the file was
// opened: after exec or exit there is nothing to read or write, which is 0 bytes. pagemap is the same in
// this.
#include "arch/x86_64/memory_layout.h"
#include "fs/proc/proc.h"
#include "mm/gup.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

class WhichMemory final : public OpenState {
 public:
  explicit WhichMemory(uint64_t number) : number_(number) {}
  bool is(const AddressSpace& mm) const { return mm.serial_number == number_; }

 private:
  uint64_t number_;
};

class MemoryOfProcess final : public Inode {
 public:
  explicit MemoryOfProcess(ProcessId id) : Inode(S_IFREG | 0600), id_(id) { file_system = FileSystem::kProc; }

  long open(File& file) override { return remember_memory(file, id_); }
  long read(File& file, uint64_t offset, UserBuffer buffer) override {
    return transfer(file, offset, buffer,
                    [](AddressSpace& mm, uint64_t at, uint64_t user, char* page, size_t part) {
                      long got = access_process_memory(mm, at, page, part, kFollForce);
                      return got > 0 && !copy_to_user(user, page, static_cast<size_t>(got)) ? -EFAULT : got;
                    });
  }
  long write(File& file, uint64_t offset, UserBuffer buffer) override {
    return transfer(file, offset, buffer,
                    [](AddressSpace& mm, uint64_t at, uint64_t user, char* page, size_t part) {
                      if (!copy_from_user(page, user, part)) return -static_cast<long>(EFAULT);
                      return access_process_memory(mm, at, page, part, kFollForce | kFollWrite);
                    });
  }
  bool has_end() const override { return false; }
  long truncate(uint64_t) override { return 0; }

 private:
  // Page by page of the buffer, as far as it goes.
  template <typename Move>
  long transfer(File& file, uint64_t offset, UserBuffer buffer, Move move) {
    Ref<AddressSpace> mm = remembered_memory(file, id_);
    if (!mm) return 0;
    char* page = static_cast<char*>(kmalloc(kPageSize));
    if (page == nullptr) return -ENOMEM;
    size_t done = 0;
    long moved = 0;
    while (done < buffer.size) {
      size_t part = min(buffer.size - done, size_t{kPageSize});
      moved = move(*mm, offset + done, buffer.address + done, page, part);
      if (moved <= 0) break;
      done += static_cast<size_t>(moved);
    }
    kfree(page);
    if (moved < 0) return moved;  // EFAULT, whatever came before it
    return done == 0 && buffer.size > 0 ? -EIO : static_cast<long>(done);
  }

  ProcessId id_;
};

}  // namespace

long remember_memory(File& file, ProcessId id) {
  ProcessInfo info;
  if (!process_info(id.pid, id.tid, info) || !info.mm) return -ESRCH;
  Ref<OpenState> state = Ref<OpenState>(make<WhichMemory>(info.mm->serial_number));
  if (!state) return -ENOMEM;
  file.set_state(state);
  return 0;
}

Ref<AddressSpace> remembered_memory(File& file, ProcessId id) {
  ProcessInfo info;
  Ref<OpenState> state = file.state();
  if (!state || !process_info(id.pid, id.tid, info) || !info.mm) return {};
  return static_cast<const WhichMemory*>(state.raw())->is(*info.mm) ? info.mm : Ref<AddressSpace>();
}

Ref<Inode> make_memory_of_process(ProcessId id) { return make<MemoryOfProcess>(id); }

}  // namespace mk
