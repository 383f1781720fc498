// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/repl/stops.h"

#include <algorithm>

namespace mmuscope::debug {

Stop& Stops::add(Stop stop) {
  stop.number = ++last_;
  insert(stop);
  return stops_[stop.number] = std::move(stop);
}

const Stop& Stops::add_breakpoint(std::string what, std::vector<uint64_t> places, bool temporary) {
  Stop stop;
  stop.what = std::move(what);
  stop.places = std::move(places);
  stop.temporary = temporary;
  return add(std::move(stop));
}

const Stop& Stops::add_watch(std::string what, const Watch& watch, const KernelType& type) {
  Stop stop;
  stop.what = std::move(what);
  stop.watch = watch;
  stop.type = type;
  stop.value = read(watch);
  return add(std::move(stop));
}

std::vector<uint8_t> Stops::read(const Watch& watch) {
  std::vector<uint8_t> bytes(watch.bytes);
  bytes.resize(watch.physical ? target_.read_physical(watch.address, bytes)
                              : target_.read(target_.current_cpu(), watch.address, bytes));
  return bytes;
}

void Stops::insert(const Stop& stop) {
  for (const uint64_t place : stop.places) target_.add_breakpoint(place);
  if (stop.watch) target_.add_watch(*stop.watch);
}

void Stops::withdraw(const Stop& stop) {
  const auto wanted = [&](auto wants) {
    return std::ranges::any_of(stops_, [&](const auto& entry) {
      return entry.first != stop.number && entry.second.enabled && wants(entry.second);
    });
  };
  for (const uint64_t place : stop.places)
    if (!wanted([&](const Stop& other) { return std::ranges::count(other.places, place) > 0; }))
      target_.remove_breakpoint(place);
  if (stop.watch && !wanted([&](const Stop& other) { return other.watch == stop.watch; }))
    target_.remove_watch(*stop.watch);
}

bool Stops::remove(unsigned number) {
  const auto found = stops_.find(number);
  if (found == stops_.end()) return false;
  if (found->second.enabled) withdraw(found->second);
  stops_.erase(found);
  return true;
}

bool Stops::enable(unsigned number, bool enabled) {
  const auto found = stops_.find(number);
  if (found == stops_.end()) return false;
  if (found->second.enabled == enabled) return true;
  found->second.enabled = enabled;
  if (enabled) {
    insert(found->second);
  } else {
    withdraw(found->second);
  }
  return true;
}

bool Stops::has_breakpoint(uint64_t address) const {
  return std::ranges::any_of(stops_, [&](const auto& entry) {
    return entry.second.enabled && std::ranges::count(entry.second.places, address) > 0;
  });
}

std::optional<Stop> Stops::hit_breakpoint(uint64_t address) {
  std::optional<Stop> first;
  std::vector<unsigned> spent;
  for (auto& [number, stop] : stops_) {
    if (!stop.enabled || std::ranges::count(stop.places, address) == 0) continue;
    ++stop.hits;
    if (!first) first = stop;
    if (stop.temporary) spent.push_back(number);
  }
  for (const unsigned number : spent) remove(number);
  return first;
}

std::optional<Stop> Stops::hit_watch(const Watch& watch) {
  for (auto& [number, stop] : stops_) {
    if (!stop.enabled || stop.watch != watch) continue;
    ++stop.hits;
    Stop before = stop;
    stop.value = read(watch);
    return before;
  }
  return {};
}

const Stop* Stops::find(unsigned number) const {
  const auto found = stops_.find(number);
  return found == stops_.end() ? nullptr : &found->second;
}

void Stops::refresh() {
  for (auto& [number, stop] : stops_)
    if (stop.watch) stop.value = read(*stop.watch);
}

}  // namespace mmuscope::debug
