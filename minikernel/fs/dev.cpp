// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/dev.h"

#include "arch/x86_64/random.h"
#include "fs/aperture.h"
#include "fs/console.h"
#include "fs/file.h"
#include "fs/symlink.h"
#include "fs/userfaultfd.h"
#include "fs/vfs.h"
#include "lib/assert.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

long clear(void* to, size_t bytes) {
  memset(to, 0, bytes);
  return static_cast<long>(bytes);
}

// What a program adds to the pool of random bytes is looked at, and changes nothing: runs repeat.
long stir(UserBuffer buffer) {
  size_t done = 0;
  while (done < buffer.size) {
    uint8_t block[256];
    size_t part = min(sizeof(block), buffer.size - done);
    long copied = copy_in_some(block, buffer.address + done, part);
    if (copied < 0) return done > 0 ? static_cast<long>(done) : copied;
    done += static_cast<size_t>(copied);
    if (static_cast<size_t>(copied) < part) break;
  }
  return static_cast<long>(done);
}

class MemoryDevice : public Inode {
 public:
  explicit MemoryDevice(uint32_t minor) : Inode(S_IFCHR | 0666) { device = make_device(1, minor); }
  bool seekable() const override { return true; }
  bool stays_at_start() const override { return true; }
};

// Transfers of the kernel itself (sendfile, splice, io_uring) meet what a program's do.
class Null final : public MemoryDevice {
 public:
  Null() : MemoryDevice(3) {}
  long read(File&, uint64_t, UserBuffer) override { return 0; }
  long read_kernel(uint64_t, void*, size_t) override { return 0; }
  long write(File&, uint64_t, UserBuffer buffer) override { return static_cast<long>(buffer.size); }
  long write_kernel(File&, uint64_t, const void*, size_t bytes) override { return static_cast<long>(bytes); }
  bool splices_to() const override { return true; }
};

class Zero final : public MemoryDevice {
 public:
  Zero() : MemoryDevice(5) {}
  long read(File&, uint64_t, UserBuffer buffer) override { return clear_some(buffer.address, buffer.size); }
  long read_kernel(uint64_t, void* to, size_t bytes) override { return clear(to, bytes); }
  long write(File&, uint64_t, UserBuffer buffer) override { return static_cast<long>(buffer.size); }
  long write_kernel(File&, uint64_t, const void*, size_t bytes) override { return static_cast<long>(bytes); }
  bool maps_as_anonymous() const override { return true; }
  bool splices_from() const override { return true; }
  bool splices_to() const override { return true; }
};

class Full final : public MemoryDevice {
 public:
  Full() : MemoryDevice(7) {}
  long read(File&, uint64_t, UserBuffer buffer) override { return clear_some(buffer.address, buffer.size); }
  long read_kernel(uint64_t, void* to, size_t bytes) override { return clear(to, bytes); }
  long write(File&, uint64_t, UserBuffer) override { return -ENOSPC; }
  long write_kernel(File&, uint64_t, const void*, size_t) override { return -ENOSPC; }
  bool splices_from() const override { return true; }
};

class Random final : public MemoryDevice {
 public:
  explicit Random(uint32_t minor) : MemoryDevice(minor) {}
  long read(File&, uint64_t, UserBuffer buffer) override { return random_to_user(buffer); }
  long read_kernel(uint64_t, void* to, size_t bytes) override {
    random_bytes(static_cast<uint8_t*>(to), bytes);
    return static_cast<long>(bytes);
  }
  long write(File&, uint64_t, UserBuffer buffer) override { return stir(buffer); }
  long write_kernel(File&, uint64_t, const void*, size_t bytes) override { return static_cast<long>(bytes); }
  bool can_poll() override { return device == make_device(1, 8); }
  bool splices_from() const override { return true; }
  bool splices_to() const override { return true; }
  bool can_signal() const override { return true; }
};

// What is written is a line of the kernel's log, without the "<priority>" that may stand in front. Nothing is
// kept to be read.
class KernelLog final : public MemoryDevice {
 public:
  KernelLog() : MemoryDevice(11) { mode = S_IFCHR | 0600; }
  bool seekable() const override { return false; }
  bool stays_at_start() const override { return false; }
  bool can_poll() override { return true; }
  long write(File&, uint64_t, UserBuffer buffer) override {
    char text[400];
    if (buffer.size >= sizeof(text)) return -EINVAL;
    if (!copy_from_user(text, buffer.address, buffer.size)) return -EFAULT;
    size_t length = buffer.size;
    while (length > 0 && text[length - 1] == '\n') --length;
    text[length] = 0;
    const char* line = text;
    if (*line == '<')
      if (const char* end = strchr(line, '>'); end != nullptr) line = end + 1;
    log("%s", line);
    return static_cast<long>(buffer.size);
  }
};

struct KnownDevice {
  const char* path;
  uint64_t device;
};
constexpr KnownDevice kDevices[] = {
    {"/dev/null", make_device(1, 3)},         {"/dev/zero", make_device(1, 5)},
    {"/dev/full", make_device(1, 7)},         {"/dev/random", make_device(1, 8)},
    {"/dev/urandom", make_device(1, 9)},      {"/dev/kmsg", make_device(1, 11)},
    {"/dev/tty", make_device(5, 0)},          {"/dev/console", make_device(5, 1)},
    {"/dev/userfaultfd", kUserfaultfdDevice}, {"/dev/aperture", kApertureDevice},
};

struct Link {
  const char* path;
  const char* target;
};
constexpr Link kLinks[] = {{"/dev/fd", "/proc/self/fd"},
                           {"/dev/stdin", "/proc/self/fd/0"},
                           {"/dev/stdout", "/proc/self/fd/1"},
                           {"/dev/stderr", "/proc/self/fd/2"}};

}  // namespace

bool is_known_device(uint64_t device) {
  for (const KnownDevice& known : kDevices)
    if (known.device == device) return true;
  return false;
}

Ref<Inode> make_device_file(uint64_t device) {
  switch (device) {
    case make_device(1, 3):
      return make<Null>();
    case make_device(1, 5):
      return make<Zero>();
    case make_device(1, 7):
      return make<Full>();
    case make_device(1, 8):
      return make<Random>(8u);
    case make_device(1, 9):
      return make<Random>(9u);
    case make_device(1, 11):
      return make<KernelLog>();
    case kApertureDevice:
      return make_aperture_device();
    case kUserfaultfdDevice:
      return make_userfaultfd_device();
  }
  return make_console(device);
}

long random_to_user(UserBuffer buffer) {
  size_t done = 0;
  while (done < buffer.size) {
    uint8_t bytes[256];
    size_t part = min(sizeof(bytes), buffer.size - done);
    random_bytes(bytes, part);
    long copied = copy_out_some(buffer.address + done, bytes, part);
    if (copied < 0) return done > 0 ? static_cast<long>(done) : copied;
    done += static_cast<size_t>(copied);
    if (static_cast<size_t>(copied) < part) break;
  }
  return static_cast<long>(done);
}

void dev_init() {
  long error = place_directory("/dev/shm", 01777);
  for (const KnownDevice& known : kDevices) error |= place(known.path, make_device_file(known.device));
  for (const Link& link : kLinks) error |= place(link.path, make_symlink(link.target, strlen(link.target)));
  // An initramfs can make these fail only by having a file named /dev.
  if (error != 0) panic("cannot make the device files: is /dev of the initramfs a folder?");
}

}  // namespace mk
