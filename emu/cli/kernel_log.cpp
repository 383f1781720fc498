// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/kernel_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <cstring>

namespace mmuscope::cli {
namespace {

// "[cpu0] hello[1]: text": without the first word, which matters to nobody but kernel developers.
std::string without_cpu(const std::string& line) {
  const size_t end = line.starts_with("[cpu") ? line.find("] ") : std::string::npos;
  return end == std::string::npos ? line : line.substr(end + 2);
}

std::optional<uint64_t> address_at_end(const std::string& line) {
  static constexpr std::string_view kBefore = " at 0x";
  const size_t before = line.rfind(kBefore);
  if (before == std::string::npos) return std::nullopt;
  uint64_t address = 0;
  const char* end = line.data() + line.size();
  const auto result = std::from_chars(line.data() + before + kBefore.size(), end, address, 16);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return address;
}

}  // namespace

void KernelLog::put(const std::string& line) const {
  if (const auto text = warning(line))
    spdlog::warn("{}", *text);
  else
    spdlog::info("{}", line);
}

std::optional<std::string> KernelLog::warning(const std::string& line) const {
  if (line.find("unimplemented system call") != std::string::npos) return without_cpu(line);
  if (line.ends_with(": out of memory: killed"))
    return without_cpu(line) + "; --memory gives the machine more";
  if (line.find(": killed by ") == std::string::npos) return std::nullopt;
  std::string text = without_cpu(line);
  if (const auto rip = address_at_end(line); rip && symbols_)
    if (const std::string symbol = symbols_(program_).describe(*rip - bias_); !symbol.empty())
      text += fmt::format(" ({})", symbol);
  return text;
}

void KernelLog::on_tracepoint(const Moment&, const trace_abi::TraceRecord& record) {
  if (static_cast<trace_abi::TraceType>(record.type) != trace_abi::TraceType::kExec) return;
  program_.assign(record.text, ::strnlen(record.text, sizeof record.text));
  bias_ = record.args[1];
}

}  // namespace mmuscope::cli
