// SPDX-License-Identifier: GPL-2.0-or-later
//
// Builds the initial file system for the guest: a cpio archive in "newc" format (Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst). Names are sorted, times 0, everything belongs
// to root: equal contents give equal bytes, whenever and by whomever they are packed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace mmuscope::cli {

class Initramfs {
 public:
  // What pack() made, from bytes that may be anything. kData.
  static Expected<Initramfs> unpack(std::span<const uint8_t> archive);

  // Paths are absolute in the guest. Directories above a file are made; what was there before is replaced.
  void add_file(const std::string& path, std::vector<uint8_t> contents, uint32_t permissions = 0644);
  // Everything below a host folder: files, folders, symbolic links as they are. kUsage for what cannot be
  // read, and for anything else than those three, by name.
  Expected<void> add_tree(const std::filesystem::path& folder);

  // The contents of a regular file; nullptr when there is none.
  const std::vector<uint8_t>* find(const std::string& path) const;
  std::vector<uint8_t> pack() const;

 private:
  struct Entry {
    uint32_t mode = 0;  // type and permissions, as in stat
    std::vector<uint8_t> contents;
  };
  void add_parents(const std::string& path);

  std::map<std::string, Entry> entries_;  // without the leading slash
};

}  // namespace mmuscope::cli
