// SPDX-License-Identifier: GPL-2.0-or-later
#include "matrix/tap_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace mmuscope::matrix {
namespace {

constexpr size_t kLongestLine = 400;

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Fit to be shown: a guest can write what it likes.
std::string printable(std::string_view line) {
  std::string text(line.substr(0, kLongestLine));
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return text;
}

class Parser {
 public:
  Expected<void> line(std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (take(text, kBailOut))
      return fail(ErrorKind::kData, "it gave up:" + (text.empty() ? " no reason told" : printable(text)));
    if (take(text, "# verdict: ")) return verdict(text);
    if (take(text, "# copies: ")) return copies(text);
    if (take(text, "1..")) return plan(text);
    if (text.starts_with("not ok ")) report_.failed.push_back(printable(text));
    if (text.starts_with("not ok ") || text.starts_with("ok ")) ++tests_;
    return {};
  }

  Expected<TapReport> finish() {
    if (!verdict_seen_) return fail(ErrorKind::kData, "no verdict told");
    const std::string& verdict = report_.outcome.verdict;
    const std::string planned = plan_ ? std::to_string(*plan_) : "none";
    // Of a program that hangs no more is known.
    if (verdict != "HANG" && plan_.value_or(tests_ + 1) != tests_)
      return contradiction("{} expectations announced, {} told", planned, tests_);
    if (verdict == "ok" && !report_.failed.empty())
      return contradiction("verdict ok, but: {}", report_.failed[0]);
    if (verdict == "ok" && tests_ == 0) return contradiction("verdict ok, but nothing was expected");
    if (verdict == kSkip && tests_ != 0) return contradiction("skipped after {} expectations", tests_);
    if (verdict != "ok" && verdict != kSkip && report_.failed.empty())
      return contradiction("verdict {}, but all is well", verdict);
    return std::move(report_);
  }

 private:
  static bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
  }

  template <typename... Values>
  static std::unexpected<Error> contradiction(fmt::format_string<const Values&...> format,
                                              const Values&... values) {
    return fail(ErrorKind::kData, "the report contradicts itself: " + fmt::format(format, values...));
  }

  Expected<void> verdict(std::string_view text) {
    if (verdict_seen_) return contradiction("two verdicts");
    verdict_seen_ = true;
    if (text == kSkip || text.starts_with("skip ")) {
      report_.outcome.verdict = kSkip;
      report_.outcome.reason = printable(text.substr(std::min(text.size(), kSkip.size() + 1)));
      return {};
    }
    if (!is_verdict(text)) return fail(ErrorKind::kData, "unknown verdict: " + printable(text));
    report_.outcome.verdict = text;
    return {};
  }

  Expected<void> copies(std::string_view text) {
    if (text == "not counted here") return {};
    report_.outcome.copies = number(text);
    if (!report_.outcome.copies) return fail(ErrorKind::kData, "no number of copies: " + printable(text));
    return {};
  }

  Expected<void> plan(std::string_view text) {
    if (plan_) return contradiction("two plans");
    plan_ = number(text.substr(0, text.find(" #")));
    if (!plan_) return fail(ErrorKind::kData, "no plan: 1.." + printable(text));
    return {};
  }

  TapReport report_;
  std::optional<uint64_t> plan_;
  uint64_t tests_ = 0;
  bool verdict_seen_ = false;
};

}  // namespace

Expected<TapReport> parse_tap(std::string_view text) {
  Parser parser;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto good = parser.line(text.substr(0, end)); !good) return std::unexpected(good.error());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.finish();
}

}  // namespace mmuscope::matrix
