// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/fcntl.h>
#include <linux/poll.h>

#include "fs/io_uring/ring.h"

namespace mk {
namespace {

class RingFile final : public Inode {
 public:
  explicit RingFile(Ref<Ring> ring) : Inode(0600), ring_(ring) {}

  Ring* io_ring() override { return ring_.raw(); }
  // By way of /proc/PID/fd: there is one open file only, whose end is the ring's.
  long open(File&) override { return -ENXIO; }
  void closed(File&) override { ring_->close(); }

  // Asked by threads of other rings with their locks held: takes none itself.
  short poll(File&) override {
    const RingMemory& memory = ring_->memory();
    return static_cast<short>((memory.completed() > 0 ? POLLIN | POLLRDNORM : 0) |
                              (memory.submission_full() ? 0 : POLLOUT | POLLWRNORM));
  }
  WaitQueue* poll_queue() override { return &ring_->completed(); }

  bool mappable() const override { return true; }
  bool maps_kernel_memory() const override { return true; }
  Result<Pfn> get_page(uint64_t index) override { return ring_->memory().get_page(index); }
  long check_mapping(uint64_t offset) override { return RingMemory::check_mapping(offset); }

 private:
  Ref<Ring> ring_;
};

}  // namespace

Result<Ref<File>> make_ring(uint32_t entries, uint32_t completions, io_uring_params& params) {
  Ref<Ring> ring = make<Ring>();
  if (!ring || ring->memory().init(entries, completions) < 0) return Errno{ENOMEM};
  ring->memory().describe(params);
  Ref<Inode> inode = Ref<Inode>(make<RingFile>(ring));
  if (!inode) return Errno{ENOMEM};
  return open_nameless(inode, "anon_inode:[io_uring]", O_RDWR);
}

}  // namespace mk
