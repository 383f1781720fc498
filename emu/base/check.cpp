// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/check.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace mmuscope {
namespace {

std::function<std::string()>& context() {
  static std::function<std::string()> describe;  // process-wide by nature: who prints when the process dies
  return describe;
}

}  // namespace

void set_check_context(std::function<std::string()> describe) { context() = std::move(describe); }

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "mmuscope: internal error: %s:%d: %s (%s)\n", file, line, message.c_str(), condition);
  if (context()) std::fprintf(stderr, "%s\n", context()().c_str());
  std::fflush(nullptr);
  std::abort();
}

}  // namespace mmuscope
