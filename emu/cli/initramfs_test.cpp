// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/initramfs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace mmuscope::cli {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/initramfs_test.XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
  }
  fs::path path;
};

// What cpio itself makes of an archive: "MODE NAME" lines.
std::string listing(const std::vector<uint8_t>& archive) {
  Folder folder;
  std::ofstream(folder.path / "a", std::ios::binary)
      .write(reinterpret_cast<const char*>(archive.data()), static_cast<long>(archive.size()));
  const std::string command = "cpio -itv --numeric-uid-gid --quiet < " + (folder.path / "a").string() +
                              " 2>&1 | awk '{print $1, $5, $9, $10, $11}'";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  char part[256];
  while (::fgets(part, sizeof part, pipe) != nullptr) text += part;
  ::pclose(pipe);
  return text;
}

std::vector<uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

TEST(Initramfs, CpioReadsWhatIsPacked) {
  Initramfs archive;
  archive.add_file("/bin/program", bytes("hello"), 0755);
  archive.add_file("/etc/init.argv", bytes("abc"));
  EXPECT_EQ(
      listing(archive.pack()),
      "drwxr-xr-x 0 bin  \n-rwxr-xr-x 5 bin/program  \ndrwxr-xr-x 0 etc  \n-rw-r--r-- 3 etc/init.argv  \n");
}

TEST(Initramfs, TheOrderOfAddingDoesNotMatter) {
  Initramfs one, other;
  one.add_file("/b", bytes("1"));
  one.add_file("/a/c", bytes("2"));
  other.add_file("/a/c", bytes("2"));
  other.add_file("/b", bytes("1"));
  EXPECT_EQ(one.pack(), other.pack());
}

TEST(Initramfs, ATreeGoesInAsItIs) {
  Folder folder;
  folder.write("data/file", "text");
  fs::create_symlink("file", folder.path / "data/link");
  Initramfs archive;
  ASSERT_TRUE(archive.add_tree(folder.path).has_value());
  EXPECT_EQ(*archive.find("/data/file"), bytes("text"));
  EXPECT_EQ(archive.find("/data/link"), nullptr);
  EXPECT_NE(listing(archive.pack()).find("data/link -> file"), std::string::npos);
}

TEST(Initramfs, WhatHasNoPlaceInTheGuestIsRefusedByName) {
  Folder folder;
  ASSERT_EQ(::mkfifo((folder.path / "pipe").c_str(), 0600), 0);
  Initramfs archive;
  const auto added = archive.add_tree(folder.path);
  ASSERT_FALSE(added.has_value());
  EXPECT_NE(added.error().message.find("pipe: neither file"), std::string::npos);
  EXPECT_FALSE(archive.add_tree("/no/such/folder").has_value());
}

Initramfs two_files() {
  Initramfs archive;
  archive.add_file("/bin/program", bytes("hello"), 0755);
  archive.add_file("/etc/init.argv", bytes("abcd"));
  return archive;
}

TEST(Initramfs, WhatIsPackedIsUnpacked) {
  Folder folder;
  folder.write("data/file", "text");
  fs::create_symlink("file", folder.path / "data/link");
  Initramfs archive = two_files();
  ASSERT_TRUE(archive.add_tree(folder.path).has_value());
  const auto again = Initramfs::unpack(archive.pack());
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->pack(), archive.pack());
  EXPECT_EQ(*again->find("/bin/program"), bytes("hello"));
  EXPECT_EQ(*again->find("/data/file"), bytes("text"));
  EXPECT_EQ(again->find("/data"), nullptr);
  EXPECT_EQ(again->find("/data/link"), nullptr);
}

TEST(Initramfs, AnArchiveThatIsCutOffIsRefused) {
  const std::vector<uint8_t> archive = two_files().pack();
  const size_t end = archive.size() - 3;  // the last name is padded
  for (size_t size = 0; size <= archive.size(); ++size) {
    // A vector of its own, so that a sanitizer sees what is read beyond it.
    std::vector<uint8_t> part = archive;
    part.resize(size);
    part.shrink_to_fit();
    const auto cut = Initramfs::unpack(part);
    EXPECT_EQ(cut.has_value(), size >= end) << size;
    if (!cut) {
      EXPECT_EQ(cut.error().kind, ErrorKind::kData);
    }
  }
}

TEST(Initramfs, ADamagedArchiveIsRefusedOrHasOtherContents) {
  const std::vector<uint8_t> archive = two_files().pack();
  for (size_t at = 0; at < archive.size(); ++at)
    for (const uint8_t byte : {0x00, 0x30, 0x46, 0x7f, 0xff}) {
      std::vector<uint8_t> damaged = archive;
      damaged[at] = byte;
      const auto unpacked = Initramfs::unpack(damaged);
      if (!unpacked) {
        EXPECT_EQ(unpacked.error().kind, ErrorKind::kData);
      }
    }
}

TEST(Initramfs, SizesBeyondTheArchiveAreRefused) {
  const std::vector<uint8_t> archive = two_files().pack();
  for (const size_t field : {6u, 11u}) {  // of the file, of its name
    std::vector<uint8_t> damaged = archive;
    std::fill_n(damaged.begin() + 6 + 8 * static_cast<long>(field), 8, uint8_t{'F'});
    EXPECT_FALSE(Initramfs::unpack(damaged).has_value());
  }
}

}  // namespace
}  // namespace mmuscope::cli
