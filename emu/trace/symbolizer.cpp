// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/symbolizer.h"

#include <asm/unistd_64.h>

#include <cstring>

namespace mmuscope::trace {
namespace {

using trace_abi::TraceType;

bool makes_task(uint64_t number) {
  return number == __NR_clone || number == __NR_fork || number == __NR_vfork || number == __NR_clone3;
}

}  // namespace

void Symbolizer::see(const Event& event) {
  const Tracepoint* point = event.as<Tracepoint>();
  if (point == nullptr) return;
  const auto& args = point->record.args;
  const uint32_t pid = event.moment.pid;
  switch (point->type()) {
    case TraceType::kExec: {
      const char* text = point->record.text;
      const auto task = static_cast<uint32_t>(args[0]);
      if (pid != 0 && pid != task) {  // a thread, which has become its process's leader
        programs_.erase(pid);
        forking_.erase(pid);
      }
      programs_[task] = {std::string(text, strnlen(text, sizeof point->record.text)), args[1]};
      guessed_.erase(task);
      break;
    }
    case TraceType::kSyscallEnter:
      if (makes_task(args[0])) forking_.insert(pid);
      break;
    case TraceType::kSyscallExit:
      if (!makes_task(args[0])) break;
      forking_.erase(pid);
      if (static_cast<int64_t>(args[1]) > 0) {
        const auto child = static_cast<uint32_t>(args[1]);
        if (guessed_.erase(child) != 0) programs_.erase(child);
        inherit(child, pid);
      }
      break;
    case TraceType::kTaskSwitch: {
      // A task nobody has heard of: a thread, or a child that runs before its parent's system call has
      // returned.
      const auto task = static_cast<uint32_t>(args[0]), group = static_cast<uint32_t>(args[1]);
      if (task == 0) break;
      if (group != task) inherit(task, group);
      if (!programs_.contains(task) && !forking_.empty()) guess(task, pid);
      break;
    }
    case TraceType::kTaskExit:
      forking_.erase(static_cast<uint32_t>(args[0]));
      guessed_.erase(static_cast<uint32_t>(args[0]));
      programs_.erase(static_cast<uint32_t>(args[0]));
      break;
    default:
      break;
  }
}

void Symbolizer::inherit(uint32_t child, uint32_t parent) {
  if (programs_.contains(child)) return;
  if (const auto program = programs_.find(parent); program != programs_.end())
    programs_[child] = program->second;
}

// Right when one task forks at a time; else the parent's system call, when it returns, says better.
void Symbolizer::guess(uint32_t child, uint32_t running) {
  inherit(child, forking_.contains(running) ? running : *forking_.rbegin());
  guessed_.insert(child);
}

std::string Symbolizer::describe(uint32_t pid, uint64_t rip) const {
  const bool kernel = rip >> 63 != 0;
  const auto program = programs_.find(pid);
  if (!kernel && program == programs_.end()) return {};
  const auto image = images_->find(kernel ? kKernelImage : program->second.path);
  if (image == images_->end()) return {};
  return image->second.describe(kernel ? rip : rip - program->second.bias);
}

}  // namespace mmuscope::trace
