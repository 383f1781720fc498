// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "debug/gdb/hex.h"
#include "debug/gdb/replies.h"

namespace mmuscope::debug::gdb {

Session::Session(Target& target, Transport& transport, SessionOptions options)
    : target_(target),
      transport_(transport),
      options_(std::move(options)),
      link_([this](std::string_view bytes) { transport_.send(bytes); }),
      general_cpu_(target.current_cpu()),
      last_stop_(fmt::format("T05thread:{:x};", general_cpu_ + 1)) {}

Session::~Session() { remove_all_stops(); }

void Session::receive(std::string_view bytes) {
  link_.feed(bytes);
  while (state_ == State::kOpen) {
    const auto packet = link_.next();
    if (!packet) return;
    answer(*packet);
  }
}

void Session::answer(std::string_view packet) {
  std::optional<Reply> reply = kUnsupported;
  if (packet == "vMustReplyEmpty" || packet.empty()) {
    reply = kUnsupported;
  } else if (packet == "vCont?") {
    reply = "vCont;c;C;s;S;r";
  } else if (take(packet, "vCont;")) {
    reply = answer_vcont(packet);
  } else if (packet.starts_with("vKill;")) {
    state_ = State::kKilled;
    reply = kOk;
  } else if (packet[0] == 'q') {
    reply = answer_query(packet);
  } else if (packet[0] == 'Q') {
    reply = answer_setting(packet);
  } else {
    reply = answer_letter(packet[0], packet.substr(1));
  }
  if (reply) link_.send(*reply);
  if (packet == "QStartNoAckMode") link_.stop_acknowledging();
}

// Nothing: no answer is expected.
std::optional<Session::Reply> Session::answer_letter(char letter, std::string_view rest) {
  switch (letter) {
    case '?':
      return last_stop_;
    case 'b':
      if (rest == "c") return run(Motion::kContinueBack, 0);
      if (rest == "s") return run(Motion::kStepBack, continue_cpu_.value_or(general_cpu_));
      return kUnsupported;
    case 'c':
    case 'C':
      return answer_resume(rest, Motion::kContinue, letter == 'C');
    case 's':
    case 'S':
      return answer_resume(rest, Motion::kStep, letter == 'S');
    case 'D':
      remove_all_stops();
      state_ = State::kDetached;
      return kOk;
    case 'g':
      return encode_registers(registers());
    case 'G':
      return write_all_registers(rest);
    case 'H':
      return select_thread(rest);
    case 'k':
      state_ = State::kKilled;
      return std::nullopt;
    case 'm':
      return read_memory(rest);
    case 'M':
      return write_memory(rest, true);
    case 'X':
      return write_memory(rest, false);
    case 'p':
      return read_register(rest);
    case 'P':
      return write_register(rest);
    case 'T':
      return thread_alive(rest);
    case 'Z':
    case 'z':
      return change_stop(rest, letter == 'Z');
    default:
      return kUnsupported;
  }
}

std::optional<Session::ThreadId> Session::take_thread(std::string_view& text) const {
  if (take(text, "-1")) return ThreadId{ThreadId::Kind::kAll, 0};
  const auto number = take_hex(text);
  if (!number || *number > target_.cpu_count()) return std::nullopt;
  if (*number == 0) return ThreadId{ThreadId::Kind::kAny, 0};
  return ThreadId{ThreadId::Kind::kOne, static_cast<unsigned>(*number - 1)};
}

Session::Reply Session::select_thread(std::string_view rest) {
  const bool general = take(rest, "g");
  if (!general && !take(rest, "c")) return kMalformed;
  const auto thread = take_thread(rest);
  if (!thread || !rest.empty()) return kNoSuchThread;
  const bool one = thread->kind == ThreadId::Kind::kOne;
  if (!general) {
    continue_cpu_ = one ? std::optional(thread->cpu) : std::nullopt;
  } else if (one) {
    general_cpu_ = thread->cpu;
  }
  return kOk;
}

Session::Reply Session::thread_alive(std::string_view rest) {
  const auto thread = take_thread(rest);
  return thread && rest.empty() && thread->kind == ThreadId::Kind::kOne ? kOk : kNoSuchThread;
}

RegisterFile Session::registers() { return {target_.state(general_cpu_), target_.fpu(general_cpu_)}; }

Session::Reply Session::store(const RegisterFile& before, const RegisterFile& after) {
  if (before.state != after.state) {
    if (const auto done = target_.set_state(general_cpu_, after.state); !done)
      return error_text(done.error());
  }
  if (before.fpu != after.fpu) {
    if (const auto done = target_.set_fpu(general_cpu_, after.fpu); !done) return error_text(done.error());
  }
  return kOk;
}

Session::Reply Session::write_all_registers(std::string_view digits) {
  const RegisterFile before = registers();
  RegisterFile after = before;
  return decode_registers(digits, after) ? store(before, after) : kMalformed;
}

Session::Reply Session::read_register(std::string_view rest) {
  const auto number = take_hex(rest);
  if (!number || !rest.empty()) return kMalformed;
  return encode_register(*number, registers()).value_or(kMalformed);
}

Session::Reply Session::write_register(std::string_view rest) {
  const auto number = take_hex(rest);
  if (!number || !take(rest, "=")) return kMalformed;
  const RegisterFile before = registers();
  RegisterFile after = before;
  return decode_register(*number, rest, after) ? store(before, after) : kMalformed;
}

size_t Session::read_bytes(uint64_t address, std::span<uint8_t> bytes) {
  return physical_ ? target_.read_physical(address, bytes) : target_.read(general_cpu_, address, bytes);
}

// `ADDRESS,LENGTH`. Fewer bytes than asked for are an answer, none is an error.
Session::Reply Session::read_memory(std::string_view rest) {
  const auto address = take_hex(rest);
  if (!address || !take(rest, ",")) return kMalformed;
  const auto length = take_hex(rest);
  if (!length || !rest.empty()) return kMalformed;
  // Not beyond what fits into a reply, nor beyond the last address.
  const uint64_t above = ~*address;
  const uint64_t wanted =
      std::min<uint64_t>({*length, kPacketSize / 2, above == ~uint64_t{0} ? above : above + 1});
  std::vector<uint8_t> bytes(wanted);
  bytes.resize(std::min(read_bytes(*address, bytes), bytes.size()));
  if (bytes.empty() && wanted != 0) return kBadAddress;
  return to_hex(bytes);
}

// `ADDRESS,LENGTH:DATA`
Session::Reply Session::write_memory(std::string_view rest, bool hex) {
  const auto address = take_hex(rest);
  if (!address || !take(rest, ",")) return kMalformed;
  const auto length = take_hex(rest);
  if (!length || !take(rest, ":")) return kMalformed;
  const auto data = hex ? from_hex(rest) : std::string(rest);
  if (!data || data->size() != *length) return kMalformed;
  if (data->empty()) return kOk;  // gdb asks so whether X is known
  if (*length - 1 > ~*address) return kBadAddress;
  const std::span bytes(reinterpret_cast<const uint8_t*>(data->data()), data->size());
  std::vector<uint8_t> before(bytes.size());
  if (read_bytes(*address, before) == before.size() && std::ranges::equal(before, bytes)) return kOk;
  const auto done =
      physical_ ? target_.write_physical(*address, bytes) : target_.write(general_cpu_, *address, bytes);
  return done ? kOk : kBadAddress;
}

// `TYPE,ADDRESS,KIND`: KIND is the length of a watchpoint, and says nothing about a breakpoint.
Session::Reply Session::change_stop(std::string_view rest, bool insert) {
  if (rest.empty() || rest[0] < '0' || rest[0] > '4') return kUnsupported;
  const char type = rest[0];
  rest.remove_prefix(1);
  if (!take(rest, ",")) return kMalformed;
  const auto address = take_hex(rest);
  if (!address || !take(rest, ",")) return kMalformed;
  const auto kind = take_hex(rest);
  if (!kind || !rest.empty()) return kMalformed;
  if (type <= '1') return change_breakpoint(*address, type == '1', insert);
  return change_watch(type, *address, *kind, insert);
}

// gdb may have both kinds at one address; the target has one that stays until neither is left.
Session::Reply Session::change_breakpoint(uint64_t address, bool hardware, bool insert) {
  const unsigned bit = hardware ? 2 : 1;
  if (insert) {
    breakpoints_[address] |= bit;
    target_.add_breakpoint(address);
    return kOk;
  }
  const auto found = breakpoints_.find(address);
  if (found == breakpoints_.end()) return kOk;
  found->second &= ~bit;
  if (found->second == 0) {
    breakpoints_.erase(found);
    target_.remove_breakpoint(address);
  }
  return kOk;
}

Session::Reply Session::change_watch(char type, uint64_t address, uint64_t bytes, bool insert) {
  const Watch wanted{
      .address = address, .bytes = bytes, .reads = type != '2', .writes = type != '3', .physical = physical_};
  if (!wanted.possible()) return kMalformed;
  if (insert) {
    if (std::ranges::find(watches_, wanted) == watches_.end()) watches_.push_back(wanted);
    target_.add_watch(wanted);
    return kOk;
  }
  // The mode may have changed since it was inserted: a watchpoint is removed as what it is.
  std::erase_if(watches_, [&](const Watch& watch) {
    Watch same = watch;
    same.physical = wanted.physical;
    if (same != wanted) return false;
    target_.remove_watch(watch);
    return true;
  });
  return kOk;
}

void Session::remove_all_stops() {
  for (const auto& [address, kinds] : breakpoints_) target_.remove_breakpoint(address);
  for (const Watch& watch : watches_) target_.remove_watch(watch);
  breakpoints_.clear();
  watches_.clear();
}

}  // namespace mmuscope::debug::gdb
