// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace mmuscope::cli {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> refuse(const fs::path& path, int error) {
  return fail(ErrorKind::kUsage, path.string() + ": " + std::strerror(error != 0 ? error : EIO));
}

}  // namespace

Expected<std::vector<uint8_t>> read_file(const fs::path& path, std::string_view magic) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return refuse(path, EISDIR);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return refuse(path, errno);
  std::vector<uint8_t> bytes;
  char part[65536];
  while (file.read(part, sizeof part), file.gcount() > 0) {
    bytes.insert(bytes.end(), part, part + file.gcount());
    if (!std::equal(magic.begin(), magic.end(), bytes.begin(),
                    bytes.begin() + static_cast<ptrdiff_t>(std::min(magic.size(), bytes.size()))))
      break;
  }
  if (file.bad()) return refuse(path, errno);
  return bytes;
}

Expected<void> write_file(const fs::path& path, std::span<const uint8_t> bytes) {
  const fs::path beside = path.string() + ".part";
  errno = 0;
  std::ofstream file(beside, std::ios::binary | std::ios::trunc);
  if (!file) return refuse(path, errno);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  std::error_code error;
  if (!file)
    error = std::error_code(errno != 0 ? errno : EIO, std::generic_category());
  else
    fs::rename(beside, path, error);
  if (!error) return {};
  std::error_code ignored;
  fs::remove(beside, ignored);
  return refuse(path, error.value());
}

Expected<void> write_file(const fs::path& path, const std::string& text) {
  return write_file(path, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

namespace {

// What belongs to this program: beside it (build folder), or below ../share/mmuscope (installed).
Expected<fs::path> find_own(const char* built, const char* installed, const std::string& advice) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return fail(ErrorKind::kUsage, "cannot tell where this program lies: " + advice);
  const fs::path places[] = {program.parent_path() / built,
                             program.parent_path().parent_path() / "share" / "mmuscope" / installed};
  for (const fs::path& place : places)
    if (fs::exists(place, error)) return place;
  return fail(ErrorKind::kUsage, places[0].string() + " is missing: " + advice);
}

}  // namespace

Expected<fs::path> find_kernel() {
  return find_own("minikernel.elf", "minikernel.elf",
                  "build the target minikernel.elf, or name a kernel with --kernel");
}

Expected<fs::path> find_scenarios() {
  return find_own("guest-tests/scenarios", "scenarios",
                  "build the target guest_tests, or name a folder with --programs");
}

}  // namespace mmuscope::cli
