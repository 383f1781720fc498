// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/pid_fd.h"

#include <linux/poll.h>

#include "fs/text_file.h"

namespace mk {
namespace {

class PidFd final : public Inode {
 public:
  explicit PidFd(const Ref<Process>& process) : Inode(0600), process_(process) {}

  short poll(File&) override {
    if (load(process_->reaped)) return POLLIN | POLLRDNORM | POLLHUP;
    return load(process_->zombie) ? POLLIN | POLLRDNORM : 0;
  }
  WaitQueue* poll_queue() override { return &process_->thread_ended; }
  Process* process() override { return process_.raw(); }
  void describe(TextBuffer& out) override {
    int pid = load(process_->reaped) ? -1 : process_->tgid;
    out.print("Pid:\t%d\nNSpid:\t%d\n", pid, pid);
  }

 private:
  static bool load(const bool& flag) { return __atomic_load_n(&flag, __ATOMIC_ACQUIRE); }

  Ref<Process> process_;
};

}  // namespace

Result<Ref<File>> make_pid_fd(const Ref<Process>& process, unsigned flags) {
  Ref<Inode> inode = Ref<Inode>(make<PidFd>(process));
  if (!inode) return Errno{ENOMEM};
  return open_nameless(inode, "anon_inode:[pidfd]", O_RDWR | flags);
}

Process* process_of_file(const File& file) { return file.path_only() ? nullptr : file.inode().process(); }

}  // namespace mk
