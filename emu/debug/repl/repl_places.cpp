// SPDX-License-Identifier: GPL-2.0-or-later
//
// The part of Repl that turns locations into addresses, and keeps breakpoints and watchpoints.
#include <fmt/format.h>

#include <algorithm>

#include "debug/repl/repl.h"
#include "debug/words.h"

namespace mmuscope::debug {

Expected<uint64_t> Repl::function_address(const std::string& name) const {
  if (const auto known = names_.find(name); known != names_.end()) return known->second;
  return inspection_.symbols().find(name, inspection_.types());
}

// FUNCTION, FILE:LINE, LINE, *ADDRESS; nothing: where the selected frame stands.
Expected<Repl::Place> Repl::place(const Words& words) const {
  const x86::CpuState state = target_.state(cpu());
  const uint64_t here = selected_ < frames_.size() ? frames_[selected_].pc : state.rip;
  if (words.empty()) return Place{{here}};
  if (std::ranges::count(words, "if") > 0)
    return fail(ErrorKind::kUsage, "breakpoints with conditions are not there yet");
  const std::string text = join_words(words);
  if (text.starts_with('*')) {
    const auto address = parse_address(trim(std::string_view(text).substr(1)), state, inspection_.symbols(),
                                       inspection_.types());
    if (!address) return std::unexpected(address.error());
    return Place{{*address}};
  }
  const size_t colon = text.rfind(':');
  const auto line = parse_number(colon == std::string::npos ? text : text.substr(colon + 1));
  if (!line) {
    const auto function = function_address(text);
    if (!function) return std::unexpected(function.error());
    const auto symbol = inspection_.symbols().at(*function);
    if (!symbol) return fail(ErrorKind::kUsage, fmt::format("{} is no function", text));
    return Place{{lines_.after_prologue(*function, *function + symbol->size)}};
  }
  std::string file = colon == std::string::npos ? "" : text.substr(0, colon);
  if (const SourceLines::Row* row = lines_.find(here); row != nullptr && file.empty())
    file = lines_.file(*row);
  if (file.empty())
    return fail(ErrorKind::kUsage,
                fmt::format("no source file is known here: write FILE:{}, or *{}", text, text));
  const auto found = lines_.addresses(file, static_cast<uint32_t>(std::min<uint64_t>(*line, UINT32_MAX)));
  if (!found) return std::unexpected(found.error());

  // Once a function is enough, where the compiler did not move and copy lines.
  Place place;
  uint64_t last_function = 0;
  for (uint64_t address : *found) {
    const auto symbol = inspection_.symbols().at(address);
    const SourceLines::Row* row = lines_.find(address);
    const bool optimized = row != nullptr && row->optimized;
    if (symbol && symbol->address == last_function && !optimized) continue;
    const SourceLines::Row* before = lines_.find(address - 1);
    const bool goes_on = optimized && row != nullptr && before != nullptr && before->same_line(*row);
    if (goes_on && symbol && symbol->address != address) continue;
    if (symbol) last_function = symbol->address;
    if (symbol && symbol->address == address)
      address = lines_.after_prologue(address, address + symbol->size);
    place.addresses.push_back(address);
  }
  return place;
}

Repl::Done Repl::make_breakpoint(const Words& words, bool temporary) {
  const auto at = place(words);
  if (!at) return std::unexpected(at.error());
  const std::string what = words.empty() ? fmt::format("*{:#x}", at->addresses[0]) : join_words(words);
  const Stop& stop = stops_.add_breakpoint(what, at->addresses, temporary);
  const std::string more =
      stop.places.size() > 1 ? fmt::format(", and {} more places", stop.places.size() - 1) : "";
  say(fmt::format("{} {} at {:#x}: {}{}", temporary ? "Temporary breakpoint" : "Breakpoint", stop.number,
                  stop.places[0], describe_place(stop.places[0], stop.places[0]), more));
  return {};
}

Repl::Done Repl::break_at(const Words& words) { return make_breakpoint(words, false); }
Repl::Done Repl::tbreak(const Words& words) { return make_breakpoint(words, true); }

Repl::Done Repl::make_watch(const Words& given, bool reads, bool writes) {
  Words words = given;
  const bool physical = !words.empty() && (words[0] == "-p" || words[0] == "-physical");
  const bool location = !words.empty() && (words[0] == "-l" || words[0] == "-location");
  if (physical || location) words.erase(words.begin());
  if (words.empty()) return usage("watch");
  const auto value = values_.evaluate(join_words(words), frame_state());
  if (!value) return std::unexpected(value.error());
  Watch watch{.address = value->address.value_or(value->number),
              .bytes = value->type.size == 0 ? 8 : value->type.size,
              .reads = reads,
              .writes = writes,
              .physical = physical};
  if (!value->address && !physical)
    return fail(ErrorKind::kUsage, fmt::format("{} is a number: write *(long *){} to watch what is there",
                                               join_words(words), join_words(words)));
  if (!watch.possible())
    return fail(ErrorKind::kUsage,
                fmt::format("{} bytes at {:#x} cannot be watched", watch.bytes, watch.address));
  const Stop& stop = stops_.add_watch((physical ? "physical " : "") + join_words(words), watch, value->type);
  say(fmt::format("{} {}: {} ({} bytes at {:#x})",
                  !reads   ? "Watchpoint"
                  : writes ? "Access watchpoint"
                           : "Read watchpoint",
                  stop.number, stop.what, watch.bytes, watch.address));
  return {};
}

Repl::Done Repl::watch(const Words& words) { return make_watch(words, false, true); }
Repl::Done Repl::rwatch(const Words& words) { return make_watch(words, true, false); }
Repl::Done Repl::awatch(const Words& words) { return make_watch(words, true, true); }

Repl::Done Repl::remove(const Words& words) {
  if (words.empty())
    while (!stops_.all().empty()) stops_.remove(stops_.all().begin()->first);
  for (const std::string& word : words) {
    const auto number = parse_number(word);
    if (!number || *number > UINT32_MAX || !stops_.remove(static_cast<unsigned>(*number)))
      return fail(ErrorKind::kUsage, fmt::format("there is no breakpoint number {}", word));
  }
  return {};
}

Repl::Done Repl::enable_or_disable(const Words& words, bool enabled) {
  if (words.empty())
    for (const auto& [number, stop] : stops_.all()) stops_.enable(number, enabled);
  for (const std::string& word : words) {
    const auto number = parse_number(word);
    if (!number || *number > UINT32_MAX || !stops_.enable(static_cast<unsigned>(*number), enabled))
      return fail(ErrorKind::kUsage, fmt::format("there is no breakpoint number {}", word));
  }
  return {};
}

Repl::Done Repl::enable(const Words& words) { return enable_or_disable(words, true); }
Repl::Done Repl::disable(const Words& words) { return enable_or_disable(words, false); }

Repl::Done Repl::clear(const Words& words) {
  const auto at = place(words);
  if (!at) return std::unexpected(at.error());
  std::vector<unsigned> there;
  for (const auto& [number, stop] : stops_.all())
    if (std::ranges::find_first_of(stop.places, at->addresses) != stop.places.end()) there.push_back(number);
  if (there.empty()) return fail(ErrorKind::kUsage, "there is no breakpoint");
  for (const unsigned number : there) stops_.remove(number);
  say(fmt::format("Deleted breakpoint{} {}", there.size() > 1 ? "s" : "", fmt::join(there, " ")));
  return {};
}

std::string Repl::stop_list() const {
  std::string text = "Num  Kind         On  Hits  What\n";
  for (const auto& [number, stop] : stops_.all()) {
    const char* kind = !stop.watch          ? stop.temporary ? "tbreak" : "breakpoint"
                       : !stop.watch->reads ? "watchpoint"
                       : stop.watch->writes ? "awatch"
                                            : "rwatch";
    const auto row = [&](const std::string& what) {
      text += fmt::format("{:<4} {:<12} {:<3} {:>4}  {}\n", number, kind, stop.enabled ? "y" : "n", stop.hits,
                          what);
    };
    if (stop.watch)
      row(fmt::format("{} ({} bytes at {:#x})", stop.what, stop.watch->bytes, stop.watch->address));
    for (const uint64_t place : stop.places)
      row(fmt::format("{:#018x} {}", place, describe_place(place, place)));
  }
  return text;
}

}  // namespace mmuscope::debug
