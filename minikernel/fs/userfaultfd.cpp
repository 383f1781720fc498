// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/userfaultfd.h"

#include <linux/poll.h>

#include "arch/x86_64/memory_layout.h"
#include "fs/file.h"
#include "fs/parts.h"
#include "fs/text_file.h"
#include "lib/string.h"
#include "mm/cow/cow_policy.h"
#include "mm/user_memory.h"
#include "mm/userfaultfd.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr unsigned kSharedFlags = O_CLOEXEC | O_NONBLOCK;

// Linux's validate_range(); sources of copies need no alignment.
long check_range(uint64_t start, uint64_t length, bool aligned = true) {
  if (length % kPageSize != 0 || length == 0) return -EINVAL;
  if (start >= kUserEnd || length > kUserEnd - start) return -EINVAL;
  return aligned && !page_aligned(start) ? -EINVAL : 0;
}

class UserfaultfdFile final : public Inode {
 public:
  explicit UserfaultfdFile(const Ref<Userfaultfd>& context) : Inode(0600), context_(context) {}

  long read_parts(File& file, Parts& to) override;
  long ioctl(File&, unsigned command, uint64_t argument) override;
  short poll(File& file) override {
    if (!context_->initialized() || !(file.flags & O_NONBLOCK)) return POLLERR;
    return context_->has_message() ? POLLIN : 0;
  }
  void describe(TextBuffer& out) override {
    unsigned long pending, total;
    context_->count_waiting(pending, total);
    out.print("pending:\t%lu\ntotal:\t%lu\nAPI:\t%lx:%lx:%lx\n", pending, total,
              static_cast<uint64_t>(UFFD_API), context_->features(),
              static_cast<uint64_t>(UFFD_API_IOCTLS | uffd::kRangeIoctls));
  }
  WaitQueue* poll_queue() override { return &context_->changed(); }
  bool stays_at_start() const override { return true; }
  long open(File&) override { return -ENXIO; }  // once more, by /proc/PID/fd
  void opened(File&) override { __atomic_fetch_add(&openers_, 1, __ATOMIC_RELAXED); }
  void closed(File&) override {
    if (__atomic_sub_fetch(&openers_, 1, __ATOMIC_ACQ_REL) != 0) return;
    if (Ref<AddressSpace> mm = context_->mm()) mm->release_userfaultfd(*context_);
    context_->release();
  }

 private:
  long choose_api(uint64_t argument);
  long register_range(uint64_t argument);
  long unregister_range(uint64_t argument);
  long wake(uint64_t argument);
  long write_protect(uint64_t argument);
  long copy(uint64_t argument);
  long zero(uint64_t argument);
  long go_on(uint64_t argument);
  long poison(uint64_t argument);
  long move(uint64_t argument);
  template <typename Do>
  long fill(uint64_t result, uint64_t start, uint64_t length, bool wakes, Do fill_range);

  Ref<Userfaultfd> context_;
  uint32_t openers_ = 0;  // one that was refused closes, too
};

// As many messages as there are and fit; waits for the first only.
long UserfaultfdFile::read_parts(File& file, Parts& to) {
  if (!context_->initialized() || to.left() < sizeof(uffd_msg)) return -EINVAL;
  long done = 0;
  while (to.left() >= sizeof(uffd_msg)) {
    uffd_msg message;
    long error = context_->take_message(message);
    if (error == -EAGAIN && done == 0 && !file.nonblocking()) {
      error = sleep_until(context_->changed(), [&] { return context_->has_message(); });
      if (error == 0) continue;
    }
    if (error < 0) return done > 0 ? done : error;
    if (to.copy_out(&message, sizeof(message)) < sizeof(message)) return done > 0 ? done : -EFAULT;
    done += static_cast<long>(sizeof(message));
  }
  return done;
}

long UserfaultfdFile::ioctl(File&, unsigned command, uint64_t argument) {
  if (command == UFFDIO_API) return choose_api(argument);
  if (!context_->initialized()) return -EINVAL;
  switch (command) {
    case UFFDIO_REGISTER:
      return register_range(argument);
    case UFFDIO_UNREGISTER:
      return unregister_range(argument);
    case UFFDIO_WAKE:
      return wake(argument);
    case UFFDIO_COPY:
      return copy(argument);
    case UFFDIO_ZEROPAGE:
      return zero(argument);
    case UFFDIO_WRITEPROTECT:
      return write_protect(argument);
    case UFFDIO_CONTINUE:
      return go_on(argument);
    case uffd::kIoctlPoison:
      return poison(argument);
    case uffd::kIoctlMove:
      return move(argument);
  }
  return -EINVAL;
}

// What cannot be had is answered with zeros.
long UserfaultfdFile::choose_api(uint64_t argument) {
  constexpr uint64_t kNeedMarkers = uffd::kFeatureWpUnpopulated | uffd::kFeatureWpAsync;
  uint64_t known = cow().marks_unpopulated() ? uffd::kFeatures : uffd::kFeatures & ~kNeedMarkers;
  uffdio_api api;
  if (!get_user(api, argument)) return -EFAULT;
  if (api.api != UFFD_API || (api.features & ~known)) {
    api = {};
    return put_user(argument, api) ? -EINVAL : -EFAULT;
  }
  uint64_t features = api.features;
  if (features & uffd::kFeatureWpAsync) features |= uffd::kFeatureWpUnpopulated;
  api.features = known;
  api.ioctls = UFFD_API_IOCTLS;
  if (!put_user(argument, api)) return -EFAULT;
  if (context_->choose_features(features)) return 0;
  api = {};
  return put_user(argument, api) ? -EINVAL : -EFAULT;
}

long UserfaultfdFile::register_range(uint64_t argument) {
  uffdio_register wanted = {};
  if (!copy_from_user(&wanted, argument, offsetof(uffdio_register, ioctls))) return -EFAULT;
  if (wanted.mode == 0 || (wanted.mode & ~UFFD_API_REGISTER_MODES)) return -EINVAL;
  uint64_t vm_flags = (wanted.mode & UFFDIO_REGISTER_MODE_MISSING ? kVmUffdMissing : 0) |
                      (wanted.mode & UFFDIO_REGISTER_MODE_WP ? kVmUffdWp : 0) |
                      (wanted.mode & UFFDIO_REGISTER_MODE_MINOR ? kVmUffdMinor : 0);
  if (long error = check_range(wanted.range.start, wanted.range.len); error < 0) return error;
  Ref<AddressSpace> mm = context_->mm();
  if (!mm) return -ENOMEM;
  uint64_t end = wanted.range.start + wanted.range.len;
  if (long error = mm->register_userfaultfd(context_, wanted.range.start, end, vm_flags); error < 0)
    return error;
  uint64_t ioctls = uffd::kRangeIoctls;
  if (!(vm_flags & kVmUffdWp)) ioctls &= ~uffd::bit(_UFFDIO_WRITEPROTECT);
  if (!(vm_flags & kVmUffdMinor)) ioctls &= ~uffd::bit(_UFFDIO_CONTINUE);
  return put_user(argument + offsetof(uffdio_register, ioctls), ioctls) ? 0 : -EFAULT;
}

long UserfaultfdFile::unregister_range(uint64_t argument) {
  uffdio_range range;
  if (!get_user(range, argument)) return -EFAULT;
  if (long error = check_range(range.start, range.len); error < 0) return error;
  Ref<AddressSpace> mm = context_->mm();
  return mm ? mm->unregister_userfaultfd(*context_, range.start, range.start + range.len) : -ENOMEM;
}

long UserfaultfdFile::wake(uint64_t argument) {
  uffdio_range range;
  if (!get_user(range, argument)) return -EFAULT;
  if (long error = check_range(range.start, range.len); error < 0) return error;
  context_->wake(range.start, range.len);
  return 0;
}

long UserfaultfdFile::write_protect(uint64_t argument) {
  if (context_->mmap_changing()) return -EAGAIN;
  uffdio_writeprotect wanted;
  if (!get_user(wanted, argument)) return -EFAULT;
  if (long error = check_range(wanted.range.start, wanted.range.len); error < 0) return error;
  constexpr uint64_t kModes = UFFDIO_WRITEPROTECT_MODE_WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE;
  if (wanted.mode & ~kModes || wanted.mode == kModes) return -EINVAL;
  Ref<AddressSpace> mm = context_->mm();
  if (!mm) return -ESRCH;
  bool protect = wanted.mode & UFFDIO_WRITEPROTECT_MODE_WP;
  long error = mm->userfault_protect(*context_, wanted.range.start, wanted.range.len, protect);
  if (error == 0 && wanted.mode == 0) context_->wake(wanted.range.start, wanted.range.len);
  return error;
}

// What the calls that fill have in common: `fill_range` says how many bytes were done, which goes to the
// address `result`; a part is -EAGAIN.
template <typename Do>
long UserfaultfdFile::fill(uint64_t result, uint64_t start, uint64_t length, bool wakes, Do fill_range) {
  Ref<AddressSpace> mm = context_->mm();
  if (!mm) return -ESRCH;
  long done = fill_range(*mm);
  if (!put_user(result, done)) return -EFAULT;
  if (done < 0) return done;
  if (wakes) context_->wake(start, static_cast<uint64_t>(done));
  return static_cast<uint64_t>(done) == length ? 0 : -EAGAIN;
}

long UserfaultfdFile::copy(uint64_t argument) {
  uint64_t result = argument + offsetof(uffdio_copy, copy);
  if (context_->mmap_changing()) return put_user(result, -static_cast<int64_t>(EAGAIN)) ? -EAGAIN : -EFAULT;
  uffdio_copy wanted = {};
  if (!copy_from_user(&wanted, argument, offsetof(uffdio_copy, copy))) return -EFAULT;
  if (long error = check_range(wanted.src, wanted.len, false); error < 0) return error;
  if (long error = check_range(wanted.dst, wanted.len); error < 0) return error;
  if (wanted.mode & ~(UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP)) return -EINVAL;
  return fill(result, wanted.dst, wanted.len, !(wanted.mode & UFFDIO_COPY_MODE_DONTWAKE),
              [&](AddressSpace& mm) {
                return mm.userfault_fill(*context_, AddressSpace::Fill::kCopy, wanted.dst, wanted.len,
                                         wanted.src, wanted.mode & UFFDIO_COPY_MODE_WP);
              });
}

long UserfaultfdFile::zero(uint64_t argument) {
  uint64_t result = argument + offsetof(uffdio_zeropage, zeropage);
  if (context_->mmap_changing()) return put_user(result, -static_cast<int64_t>(EAGAIN)) ? -EAGAIN : -EFAULT;
  uffdio_zeropage wanted = {};
  if (!copy_from_user(&wanted, argument, offsetof(uffdio_zeropage, zeropage))) return -EFAULT;
  if (long error = check_range(wanted.range.start, wanted.range.len); error < 0) return error;
  if (wanted.mode & ~UFFDIO_ZEROPAGE_MODE_DONTWAKE) return -EINVAL;
  return fill(result, wanted.range.start, wanted.range.len, wanted.mode == 0, [&](AddressSpace& mm) {
    return mm.userfault_fill(*context_, AddressSpace::Fill::kZero, wanted.range.start, wanted.range.len, 0,
                             false);
  });
}

long UserfaultfdFile::go_on(uint64_t argument) {
  uint64_t result = argument + offsetof(uffdio_continue, mapped);
  if (context_->mmap_changing()) return put_user(result, -static_cast<int64_t>(EAGAIN)) ? -EAGAIN : -EFAULT;
  uffdio_continue wanted = {};
  if (!copy_from_user(&wanted, argument, offsetof(uffdio_continue, mapped))) return -EFAULT;
  if (long error = check_range(wanted.range.start, wanted.range.len); error < 0) return error;
  if (wanted.mode & ~(UFFDIO_CONTINUE_MODE_DONTWAKE | uffd::kContinueModeWp)) return -EINVAL;
  return fill(result, wanted.range.start, wanted.range.len, !(wanted.mode & UFFDIO_CONTINUE_MODE_DONTWAKE),
              [&](AddressSpace& mm) {
                return mm.userfault_fill(*context_, AddressSpace::Fill::kContinue, wanted.range.start,
                                         wanted.range.len, 0, wanted.mode & uffd::kContinueModeWp);
              });
}

long UserfaultfdFile::poison(uint64_t argument) {
  uint64_t result = argument + offsetof(uffd::Poison, updated);
  if (context_->mmap_changing()) return put_user(result, -static_cast<int64_t>(EAGAIN)) ? -EAGAIN : -EFAULT;
  uffd::Poison wanted = {};
  if (!copy_from_user(&wanted, argument, offsetof(uffd::Poison, updated))) return -EFAULT;
  if (long error = check_range(wanted.range.start, wanted.range.len); error < 0) return error;
  if (wanted.mode & ~uffd::kPoisonModeDontWake) return -EINVAL;
  return fill(result, wanted.range.start, wanted.range.len, wanted.mode == 0, [&](AddressSpace& mm) {
    return mm.userfault_fill(*context_, AddressSpace::Fill::kPoison, wanted.range.start, wanted.range.len, 0,
                             false);
  });
}

long UserfaultfdFile::move(uint64_t argument) {
  uint64_t result = argument + offsetof(uffd::Move, move);
  if (context_->mmap_changing()) return put_user(result, -static_cast<int64_t>(EAGAIN)) ? -EAGAIN : -EFAULT;
  uffd::Move wanted = {};
  if (!copy_from_user(&wanted, argument, offsetof(uffd::Move, move))) return -EFAULT;
  if (!context_->belongs_to(*current().mm)) return -EINVAL;
  if (long error = check_range(wanted.dst, wanted.len); error < 0) return error;
  if (long error = check_range(wanted.src, wanted.len); error < 0) return error;
  if (wanted.mode & ~(uffd::kMoveModeAllowHoles | uffd::kMoveModeDontWake)) return -EINVAL;
  return fill(result, wanted.dst, wanted.len, !(wanted.mode & uffd::kMoveModeDontWake),
              [&](AddressSpace& mm) {
                return mm.userfault_move(*context_, wanted.dst, wanted.src, wanted.len,
                                         wanted.mode & uffd::kMoveModeAllowHoles);
              });
}

class UserfaultfdDevice final : public Inode {
 public:
  UserfaultfdDevice() : Inode(S_IFCHR | 0600) { device = kUserfaultfdDevice; }
  bool stays_at_start() const override { return true; }
  long ioctl(File&, unsigned command, uint64_t flags) override {
    return command == uffd::kIoctlNew ? new_userfaultfd(static_cast<unsigned>(flags)) : -EINVAL;
  }
};

}  // namespace

long install_userfaultfd(const Ref<Userfaultfd>& context, unsigned access) {
  Ref<Inode> inode = Ref<Inode>(make<UserfaultfdFile>(context));
  if (!inode) return -ENOMEM;
  unsigned nonblock = context->flags() & O_NONBLOCK;
  Result<Ref<File>> file = open_nameless(inode, "anon_inode:[userfaultfd]", access | nonblock);
  if (!file.ok()) return file.error();
  Task& task = current();
  if (!task.files) return -EINVAL;  // a ring's thread, which has nowhere to put it
  Result<int> fd = task.files->install(*file, context->flags() & O_CLOEXEC, 0, task.descriptor_limit());
  return fd.ok() ? *fd : fd.error();
}

long new_userfaultfd(unsigned flags) {
  if (flags & ~(kSharedFlags | UFFD_USER_MODE_ONLY)) return -EINVAL;
  Ref<Userfaultfd> context = make<Userfaultfd>(*current().mm, flags);
  if (!context) return -ENOMEM;
  return install_userfaultfd(context, O_RDONLY);
}

Ref<Inode> make_userfaultfd_device() { return make<UserfaultfdDevice>(); }

}  // namespace mk
