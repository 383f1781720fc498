// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/dev.h"

#include "arch/x86_64/random.h"
#include "fs/console.h"
#include "fs/file.h"
#include "fs/vfs.h"
#include "lib/assert.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

class MemoryDevice : public Inode {
 public:
  explicit MemoryDevice(uint32_t minor) : Inode(S_IFCHR | 0666) { device = make_device(1, minor); }
  // Linux's null_lseek: the position stays where it is, and asking is no error.
  bool seekable() const override { return true; }
};

class Null final : public MemoryDevice {
 public:
  Null() : MemoryDevice(3) {}
  long read(File&, uint64_t, UserBuffer) override { return 0; }
  long write(File&, uint64_t, UserBuffer buffer) override { return static_cast<long>(buffer.size); }
};

class Zero final : public MemoryDevice {
 public:
  Zero() : MemoryDevice(5) {}
  long read(File&, uint64_t, UserBuffer buffer) override { return clear_some(buffer.address, buffer.size); }
  long write(File&, uint64_t, UserBuffer buffer) override { return static_cast<long>(buffer.size); }
  bool maps_as_anonymous() const override { return true; }
};

class Full final : public MemoryDevice {
 public:
  Full() : MemoryDevice(7) {}
  long read(File&, uint64_t, UserBuffer buffer) override { return clear_some(buffer.address, buffer.size); }
  long write(File&, uint64_t, UserBuffer) override { return -ENOSPC; }
};

class Random final : public MemoryDevice {
 public:
  explicit Random(uint32_t minor) : MemoryDevice(minor) {}
  long read(File&, uint64_t, UserBuffer buffer) override { return random_to_user(buffer); }
  long write(File&, uint64_t, UserBuffer buffer) override { return static_cast<long>(buffer.size); }
};

}  // namespace

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
  long error = 0;
  error |= place("/dev/null", Ref<Inode>(make<Null>()));
  error |= place("/dev/zero", Ref<Inode>(make<Zero>()));
  error |= place("/dev/full", Ref<Inode>(make<Full>()));
  error |= place("/dev/random", Ref<Inode>(make<Random>(8u)));
  error |= place("/dev/urandom", Ref<Inode>(make<Random>(9u)));
  error |= place("/dev/tty", make_console(make_device(5, 0)));
  error |= place("/dev/console", make_console(make_device(5, 1)));
  // An initramfs can make these fail only by having a file named /dev.
  if (error != 0) panic("cannot make the device files: is /dev of the initramfs a folder?");
}

}  // namespace mk
