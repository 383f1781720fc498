// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/kernel_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <charconv>

namespace mmuscope::cli {
namespace {

// "[cpu0] hello[1]: text": without the first word, which matters to nobody but kernel developers.
std::string without_cpu(const std::string& line) {
  const size_t end = line.starts_with("[cpu") ? line.find("] ") : std::string::npos;
  return end == std::string::npos ? line : line.substr(end + 2);
}

constexpr std::string_view kKilled = "]: killed by ";

// The number in front; 0 when there is none.
uint32_t killed_task(const std::string& line) {
  const size_t end = line.find(kKilled), begin = line.rfind('[', end);
  uint32_t pid = 0;
  if (begin != std::string::npos) std::from_chars(line.data() + begin + 1, line.data() + end, pid);
  return pid;
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
  if (const auto text = refusal(line))
    spdlog::error("{}", *text);
  else if (const auto text = warning(line))
    spdlog::warn("{}", *text);
  else
    spdlog::info("{}", line);
}

// Longer than a task's name may be, with which other lines begin.
std::optional<std::string> KernelLog::refusal(const std::string& line) {
  static constexpr std::string_view kMark = "no first program: ";
  const std::string text = without_cpu(line);
  if (!text.starts_with(kMark)) return std::nullopt;
  return "the kernel: " + text.substr(kMark.size());
}

std::optional<std::string> KernelLog::warning(const std::string& line) const {
  if (line.find("unimplemented system call") != std::string::npos) return without_cpu(line);
  if (line.ends_with(": out of memory: killed"))
    return without_cpu(line) + "; --memory gives the machine more";
  if (line.find(kKilled) == std::string::npos) return std::nullopt;
  std::string text = without_cpu(line);
  const auto rip = address_at_end(line);
  if (const std::string symbol = rip ? describe(killed_task(line), *rip) : ""; !symbol.empty())
    text += fmt::format(" ({})", symbol);
  return text;
}

std::string KernelLog::describe(uint32_t pid, uint64_t address) const {
  const auto program = programs_.programs().find(pid);
  if (!symbols_ || program == programs_.programs().end()) return {};
  const auto& [path, bias] = program->second;
  return symbols_(path).describe(address - bias);
}

void KernelLog::on_tracepoint(const Moment& moment, const trace_abi::TraceRecord& record) {
  event_.moment = moment;
  event_.payload.emplace<trace::Tracepoint>(record);
  programs_.see(event_);
}

}  // namespace mmuscope::cli
