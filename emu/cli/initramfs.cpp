// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/initramfs.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "cli/files.h"

namespace mmuscope::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrailer = "TRAILER!!!";  // the name that ends an archive

std::string without_slash(const std::string& path) {
  return path.substr(std::min(path.find_first_not_of('/'), path.size()));
}

void pad(std::vector<uint8_t>& bytes) {
  while (bytes.size() % 4 != 0) bytes.push_back(0);
}

void append_entry(std::vector<uint8_t>& out, uint32_t inode, uint32_t mode, const std::string& name,
                  const std::vector<uint8_t>& contents) {
  // inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name size, checksum
  const std::string header =
      fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
                  inode, mode, 0, 0, 1, 0, contents.size(), 0, 0, 0, 0, name.size() + 1, 0);
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), name.begin(), name.end());
  out.push_back(0);
  pad(out);
  out.insert(out.end(), contents.begin(), contents.end());
  pad(out);
}

// Reads one after the other what append_entry() writes. Nothing it is given makes it read outside.
class ArchiveReader {
 public:
  struct Entry {
    uint32_t mode = 0;
    std::string name;
    std::span<const uint8_t> contents;
  };

  explicit ArchiveReader(std::span<const uint8_t> archive) : archive_(archive) {}

  Expected<Entry> next() {
    const size_t began = at_;
    const auto damaged = [&](const char* what) {
      return fail(ErrorKind::kData, fmt::format("the initramfs is damaged: {} at byte {}", what, began));
    };
    const auto header = take(kHeaderBytes);
    if (!header || std::memcmp(header->data(), "070701", 6) != 0) return damaged("no header");
    const auto mode = field(*header, 1), size = field(*header, 6), name_size = field(*header, 11);
    if (!mode || !size || !name_size || *name_size == 0) return damaged("a bad header");
    const auto name = take(*name_size);
    if (!name || name->back() != 0) return damaged("a bad name");
    align();
    const auto contents = take(*size);
    if (!contents) return damaged("a file that is cut off");
    align();
    return Entry{*mode, {name->begin(), name->end() - 1}, *contents};
  }

 private:
  static constexpr size_t kHeaderBytes = 110;

  std::optional<std::span<const uint8_t>> take(size_t size) {
    if (size > archive_.size() - at_) return std::nullopt;
    const auto taken = archive_.subspan(at_, size);
    at_ += size;
    return taken;
  }
  void align() { at_ = std::min(archive_.size(), (at_ + 3) / 4 * 4); }
  // Eight hexadecimal digits.
  static std::optional<uint32_t> field(std::span<const uint8_t> header, size_t index) {
    const char* first = reinterpret_cast<const char*>(header.data()) + 6 + 8 * index;
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(first, first + 8, value, 16);
    return error == std::errc() && end == first + 8 ? std::optional(value) : std::nullopt;
  }

  std::span<const uint8_t> archive_;
  size_t at_ = 0;
};

}  // namespace

Expected<Initramfs> Initramfs::unpack(std::span<const uint8_t> archive) {
  Initramfs result;
  ArchiveReader reader(archive);
  while (true) {
    const auto entry = reader.next();
    if (!entry) return std::unexpected(entry.error());
    if (entry->name == kTrailer) return result;
    result.entries_[without_slash(entry->name)] = {
        .mode = entry->mode, .contents = {entry->contents.begin(), entry->contents.end()}};
  }
}

void Initramfs::add_parents(const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    Entry& parent = entries_[path.substr(0, slash)];
    if (!S_ISDIR(parent.mode)) parent = {.mode = S_IFDIR | 0755, .contents = {}};
  }
}

void Initramfs::add_file(const std::string& absolute, std::vector<uint8_t> contents, uint32_t permissions) {
  const std::string path = without_slash(absolute);
  add_parents(path);
  entries_[path] = {.mode = S_IFREG | permissions, .contents = std::move(contents)};
}

Expected<void> Initramfs::add_tree(const fs::path& folder) {
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error), end;
  if (error) return fail(ErrorKind::kUsage, folder.string() + ": " + error.message());
  while (at != end) {
    const fs::path& host = at->path();
    const std::string path = host.lexically_relative(folder).string();
    struct stat status;
    if (::lstat(host.c_str(), &status) != 0)
      return fail(ErrorKind::kUsage, host.string() + ": cannot be read");
    const uint32_t permissions = status.st_mode & 07777;
    if (S_ISDIR(status.st_mode)) {
      entries_[path] = {.mode = S_IFDIR | permissions, .contents = {}};
    } else if (S_ISLNK(status.st_mode)) {
      const std::string target = fs::read_symlink(host, error).string();
      if (error) return fail(ErrorKind::kUsage, host.string() + ": " + error.message());
      entries_[path] = {.mode = S_IFLNK | 0777, .contents = {target.begin(), target.end()}};
    } else if (S_ISREG(status.st_mode)) {
      auto contents = read_file(host);
      if (!contents) return std::unexpected(contents.error());
      entries_[path] = {.mode = S_IFREG | permissions, .contents = std::move(*contents)};
    } else {
      return fail(
          ErrorKind::kUsage,
          host.string() + ": neither file, folder nor symbolic link: cannot go into the guest's file system");
    }
    at.increment(error);
    if (error) return fail(ErrorKind::kUsage, folder.string() + ": " + error.message());
  }
  return {};
}

const std::vector<uint8_t>* Initramfs::find(const std::string& path) const {
  const auto found = entries_.find(without_slash(path));
  return found != entries_.end() && S_ISREG(found->second.mode) ? &found->second.contents : nullptr;
}

std::vector<uint8_t> Initramfs::pack() const {
  std::vector<uint8_t> out;
  uint32_t inode = 1;
  for (const auto& [path, entry] : entries_) append_entry(out, inode++, entry.mode, path, entry.contents);
  append_entry(out, 0, 0, kTrailer, {});
  return out;
}

}  // namespace mmuscope::cli
