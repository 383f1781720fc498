// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/trace_output.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace mmuscope::cli {
namespace {

namespace fs = std::filesystem;

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

Expected<void> check_trace_output(const std::string& trace, const std::string& program,
                                  const std::string& kernel, const std::string& root) {
  if (trace == "-")  // elsewhere a stream; here the guest's output would be in the midst of it
    return fail(ErrorKind::kUsage,
                "--trace -: standard output is the guest's; name a file, or ./- for one of that name");
  struct stat target{}, other{};
  // Of devices and pipes nothing is lost: `--trace /dev/null < /dev/null` is as good as any.
  if (::stat(trace.c_str(), &target) != 0 || !S_ISREG(target.st_mode)) return {};
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorKind::kUsage, "--trace " + trace + ": is " + what + ", which it would overwrite");
  };
  const auto is = [&](const std::string& path) {
    return ::stat(path.c_str(), &other) == 0 && same_file(target, other);
  };
  if (is(program)) return refuse("the program");
  if (is(kernel)) return refuse("the kernel");
  static constexpr const char* kStandard[] = {"standard input", "standard output", "standard error"};
  for (int fd = 0; fd <= 2; ++fd)
    if (::fstat(fd, &other) == 0 && same_file(target, other)) return refuse(kStandard[fd]);
  if (root.empty()) return {};
  std::error_code error;  // what cannot be read is refused by whoever packs the folder
  for (fs::recursive_directory_iterator at(root, error), end; !error && at != end; at.increment(error))
    if (at->is_regular_file(error) && is(at->path().string())) return refuse("a file of --root");
  return {};
}

}  // namespace mmuscope::cli
