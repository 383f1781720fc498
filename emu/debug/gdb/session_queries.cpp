// SPDX-License-Identifier: GPL-2.0-or-later
//
// The part of Session that answers q and Q packets.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "debug/gdb/hex.h"
#include "debug/gdb/replies.h"
#include "debug/gdb/session.h"
#include "debug/words.h"

namespace mmuscope::debug::gdb {
namespace {

// Two halves, because no length of 64 bits says all. gdb takes what is outside the map for not there, so it
// must have all linear addresses: which of them are mapped changes with every CR3, and only a read tells.
constexpr std::string_view kMemoryMap =
    "<?xml version=\"1.0\"?>\n"
    "<!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD GDB Memory Map V1.0//EN\" "
    "\"http://sourceware.org/gdb/gdb-memory-map.dtd\">\n"
    "<memory-map>\n"
    "<memory type=\"ram\" start=\"0x0\" length=\"0x8000000000000000\"/>\n"
    "<memory type=\"ram\" start=\"0x8000000000000000\" length=\"0x8000000000000000\"/>\n"
    "</memory-map>\n";

// `NAME [on|off]` sets, or leaves, `value`. Nothing: `text` is about something else; false: it has another
// argument.
std::optional<bool> switched(std::string_view name, std::string_view text, bool& value) {
  if (!text.starts_with(name) || (text.size() > name.size() && text[name.size()] != ' ')) return {};
  const std::string_view argument = trim(text.substr(name.size()));
  if (argument == "on" || argument == "off") value = argument == "on";
  return argument.empty() || argument == "on" || argument == "off";
}

}  // namespace

std::optional<Session::Reply> Session::answer_query(std::string_view packet) {
  if (packet == "qSupported") return answer_supported({});
  if (take(packet, "qSupported:")) return answer_supported(packet);
  if (take(packet, "qXfer:")) return answer_transfer(packet);
  if (take(packet, "qRcmd,")) return answer_monitor(packet);
  if (packet == "qC") return fmt::format("QC{:x}", general_cpu_ + 1);
  if (packet == "qfThreadInfo") return thread_list();
  if (packet == "qsThreadInfo") return "l";
  // Attached, not started: so gdb's `quit` detaches instead of killing.
  if (packet == "qAttached" || packet.starts_with("qAttached:")) return "1";
  if (packet == "qSymbol::") return kOk;  // no symbol is wanted
  if (packet == "qqemu.PhyMemMode") return physical_ ? "1" : "0";
  if (take(packet, "qThreadExtraInfo,")) {
    const auto thread = take_thread(packet);
    if (!thread || !packet.empty() || thread->kind != ThreadId::Kind::kOne) return kNoSuchThread;
    return to_hex(describe_thread(thread->cpu));
  }
  // qOffsets among them: programs are where their symbols say.
  return kUnsupported;
}

std::optional<Session::Reply> Session::answer_setting(std::string_view packet) {
  if (packet == "QStartNoAckMode") return kOk;
  if (packet == "Qqemu.PhyMemMode:1" || packet == "Qqemu.PhyMemMode:0") {
    physical_ = packet.ends_with('1');
    return kOk;
  }
  return kUnsupported;
}

Session::Reply Session::answer_supported(std::string_view features) {
  while (!features.empty()) {
    const std::string_view feature = features.substr(0, features.find(';'));
    if (feature == "swbreak+") client_knows_swbreak_ = true;
    if (feature == "hwbreak+") client_knows_hwbreak_ = true;
    features.remove_prefix(std::min(features.size(), feature.size() + 1));
  }
  return fmt::format(
      "PacketSize={:x};QStartNoAckMode+;multiprocess-;vContSupported+;swbreak+;hwbreak+;ReverseStep+;"
      "ReverseContinue+;"
      "qXfer:features:read+;qXfer:threads:read+;qXfer:memory-map:read+{}",
      kPacketSize, options_.exec_file.empty() ? "" : ";qXfer:exec-file:read+");
}

// `OBJECT:read:ANNEX:OFFSET,LENGTH`
Session::Reply Session::answer_transfer(std::string_view rest) {
  const size_t colon = rest.find(':');
  if (colon == rest.npos) return kUnsupported;
  const std::string_view object = rest.substr(0, colon);
  rest.remove_prefix(colon);
  if (!take(rest, ":read:")) return kUnsupported;
  const size_t annex_end = rest.find(':');
  if (annex_end == rest.npos) return kMalformed;
  const std::string_view annex = rest.substr(0, annex_end);
  rest.remove_prefix(annex_end + 1);
  const auto offset = take_hex(rest);
  if (!offset || !take(rest, ",")) return kMalformed;
  const auto length = take_hex(rest);
  if (!length || !rest.empty()) return kMalformed;

  const bool known = object == "features" || object == "threads" || object == "memory-map" ||
                     (object == "exec-file" && !options_.exec_file.empty());
  if (!known) return kUnsupported;
  const auto text = document(object, annex);
  if (!text) return "E00";  // what the manual asks for where the annex is unknown
  if (*offset > text->size()) return kMalformed;
  // Every byte may need an escape.
  const std::string part = text->substr(*offset, std::min<uint64_t>(*length, (kPacketSize - 1) / 2));
  return (*offset + part.size() < text->size() ? "m" : "l") + part;
}

std::optional<std::string> Session::document(std::string_view object, std::string_view annex) {
  if (object == "features") return annex == "target.xml" ? std::optional(target_description()) : std::nullopt;
  if (object == "exec-file") return options_.exec_file;  // the annex is a process id: there is one program
  if (!annex.empty()) return std::nullopt;
  return object == "threads" ? thread_list_xml() : std::string(kMemoryMap);
}

std::string Session::describe_thread(unsigned cpu) {
  const x86::CpuState state = target_.state(cpu);
  const char* more = state.wait_for_sipi ? ", waits for SIPI" : state.halted ? ", halted" : "";
  return fmt::format("CPU {} (CPL {}{})", cpu, state.cpl, more);
}

std::string Session::thread_list_xml() {
  std::string xml = "<?xml version=\"1.0\"?>\n<threads>\n";
  for (unsigned cpu = 0; cpu < target_.cpu_count(); cpu++) {
    fmt::format_to(std::back_inserter(xml), "<thread id=\"{:x}\" core=\"{}\">{}</thread>\n", cpu + 1, cpu,
                   describe_thread(cpu));
  }
  return xml + "</threads>\n";
}

Session::Reply Session::thread_list() const {
  std::string list;
  for (unsigned cpu = 0; cpu < target_.cpu_count(); cpu++) {
    fmt::format_to(std::back_inserter(list), "{}{:x}", cpu == 0 ? "m" : ",", cpu + 1);
  }
  return list;
}

// `monitor TEXT`: what there is to say goes ahead as console output, so that its length does not matter.
Session::Reply Session::answer_monitor(std::string_view digits) {
  const auto text = from_hex(digits);
  if (!text) return kMalformed;
  std::string_view argument = trim(*text);
  std::string said;
  if (const auto physical = switched("physical", argument, physical_)) {
    said = !*physical ? "physical on|off" : physical_ ? "addresses are physical" : "addresses are linear";
  } else if (const auto steps = switched("kernel-steps", argument, kernel_steps_)) {
    said = !*steps         ? "kernel-steps on|off"
           : kernel_steps_ ? "steps of a program go into the kernel"
                           : "steps of a program go over the kernel";
  } else if (options_.monitor) {
    link_.take_interrupts();
    transport_.run_watched([&] { said = options_.monitor(argument); }, [this] { target_.interrupt(); });
  } else {
    said =
        "physical on|off: memory packets and new watchpoints take physical addresses; no other command is "
        "known";
  }
  if (!said.empty()) print(said);
  return kOk;
}

}  // namespace mmuscope::debug::gdb
