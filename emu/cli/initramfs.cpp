// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/initramfs.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "cli/files.h"

namespace mmuscope::cli {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

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
  append_entry(out, 0, 0, "TRAILER!!!", {});
  return out;
}

}  // namespace mmuscope::cli
