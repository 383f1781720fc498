// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/kernel_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "x86/paging_entry.h"

namespace mmuscope::debug {
namespace {

constexpr size_t kLongestName = 256;  // NAME_MAX and the NUL
constexpr int kDeepestPath = 64;
// Of a level-1 entry that is not present: it keeps its frame all the same (minikernel/arch/x86_64/pte.h,
// kProtNone).
constexpr uint64_t kProtNone = x86::pte::kGlobal;
constexpr x86::LinearAddress kLowerHalfEnd = 0x00ff'ffff'ffff'ffff;  // of either width

bool holds_frame(const Leaf& leaf) {
  return leaf.maps() || (leaf.level == 1 && !leaf.present() && (leaf.entry & kProtNone));
}

}  // namespace

const char* task_state_name(TaskState state) {
  switch (state) {
    case TaskState::kRunning:
      return "running";
    case TaskState::kRunnable:
      return "runnable";
    case TaskState::kSleeping:
      return "sleeping";
    case TaskState::kStopped:
      return "stopped";
    case TaskState::kDead:
      return "dead";
    case TaskState::kZombie:
      return "zombie";
  }
  return "?";
}

// Reads that depend on each other: the first that fails is kept, and all after it give zeroes.
class KernelView::Reading {
 public:
  explicit Reading(const KernelView& view) : view_(view) {}

  bool failed() const { return error_.has_value(); }
  std::unexpected<Error> error() const { return std::unexpected(*error_); }

  // The member `path` of the `type` at `object`.
  uint64_t number(const std::string& type, uint64_t object, std::string_view path) {
    const auto field = known(view_.types_.field(type, path));
    return field ? value(object + field->offset, field->type) : 0;
  }
  std::string text(const std::string& type, uint64_t object, std::string_view path) {
    const auto field = known(view_.types_.field(type, path));
    return field ? text_at(object + field->offset, std::min<uint64_t>(field->type.size, kLongestName)) : "";
  }
  uint64_t global(const std::string& name) {
    const auto variable = known(view_.types_.variable(name));
    return variable ? value(variable->address, variable->type) : 0;
  }
  // Element `index` of the array that the global `name` points to: its address and type size.
  struct Element {
    uint64_t address = 0;
    uint64_t bytes = 0;
  };
  Element element(const std::string& name, uint64_t index) {
    const auto variable = known(view_.types_.variable(name));
    if (!variable) return {};
    const uint64_t bytes = variable->type.element_size;
    const uint64_t first = value(variable->address, variable->type);
    return first == 0 ? Element{} : Element{first + index * bytes, bytes};
  }

  uint64_t value(uint64_t address, const KernelType& type) {
    if (type.size == 0 || type.size > sizeof(uint64_t)) {
      give_up(fmt::format("the kernel's debug information calls what is at 0x{:x} {} bytes long: no number",
                          address, type.size));
      return 0;
    }
    uint64_t result = 0;
    if (!bytes(address, {reinterpret_cast<uint8_t*>(&result), type.size})) return 0;
    const unsigned unused = 64 - 8 * static_cast<unsigned>(type.size);
    return type.is_signed ? static_cast<uint64_t>(static_cast<int64_t>(result << unused) >> unused) : result;
  }

  // Up to a NUL; what does not print becomes '?'.
  std::string text_at(uint64_t address, uint64_t most) {
    std::string result(most, 0);
    if (!bytes(address, {reinterpret_cast<uint8_t*>(result.data()), result.size()}, true)) return "";
    result.resize(std::min(result.find('\0'), result.size()));
    for (char& c : result)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    return result;
  }

 private:
  template <typename T>
  std::optional<T> known(Expected<T> found) {
    if (failed()) return {};
    if (found) return *found;
    error_ = found.error();
    return {};
  }

  void give_up(std::string why) {
    if (!failed()) error_ = Error{ErrorKind::kData, std::move(why)};
  }

  // All CPUs see the kernel at the same place, those that are that far: the one whose turn it is goes first.
  bool bytes(uint64_t address, std::span<uint8_t> into, bool part_is_enough = false) {
    if (failed()) return false;
    if (static_cast<int64_t>(address) >= 0) {  // there would be the program's memory
      give_up(fmt::format("the kernel points to 0x{:x}, which is no kernel memory", address));
      return false;
    }
    Target& target = view_.target_;
    const unsigned first = target.current_cpu(), cpus = target.cpu_count();
    for (unsigned i = 0; i < cpus; ++i) {
      const size_t read = target.read((first + i) % cpus, address, into);
      if (read == into.size() || (read > 0 && part_is_enough)) return true;
    }
    give_up(fmt::format("kernel memory at 0x{:x} cannot be read", address));
    return false;
  }

  const KernelView& view_;
  std::optional<Error> error_;
};

// While the kernel runs, its GS base is its PerCpu, whose first business is to point to itself; while a
// program runs, SWAPGS has put it away; around SWAPGS in entry.S the kernel runs with the program's. So:
// whichever points to itself.
Expected<std::optional<uint64_t>> KernelView::per_cpu(unsigned cpu) const {
  const auto self = types_.field("mk::PerCpu", "self");
  if (!self) return std::unexpected(self.error());
  const x86::CpuState state = target_.state(cpu);
  const uint64_t gs = state.segment(x86::SegmentName::kGs).base;
  for (const uint64_t base :
       {state.cpl == 3 ? state.kernel_gs_base : gs, state.cpl == 3 ? gs : state.kernel_gs_base}) {
    Reading reading(*this);
    const bool upper_half =
        static_cast<int64_t>(base) < 0;  // a program may point its own GS to anything below
    if (upper_half && reading.number("mk::PerCpu", base, "self") == base && !reading.failed()) return base;
  }
  return std::nullopt;
}

TaskView KernelView::read_task(Reading& reading, uint64_t address) const {
  TaskView task{.address = address};
  task.pid = static_cast<int32_t>(reading.number("mk::Task", address, "pid"));
  task.tgid = static_cast<int32_t>(reading.number("mk::Task", address, "tgid"));
  task.name = reading.text("mk::Task", address, "name");
  task.mm = reading.number("mk::Task", address, "mm.object_");
  task.process = reading.number("mk::Task", address, "process.object_");
  task.minor_faults = reading.number("mk::Task", address, "minor_faults");
  task.cpu = static_cast<unsigned>(
      std::min<uint64_t>(reading.number("mk::Task", address, "cpu"), target_.cpu_count() - 1));
  bool stopped = false;
  if (task.process != 0) {
    stopped = reading.number("mk::Process", task.process, "stopped") != 0;
    if (const uint64_t parent = reading.number("mk::Process", task.process, "parent"); parent != 0)
      task.parent = static_cast<int32_t>(reading.number("mk::Process", parent, "tgid"));
  }
  // minikernel/proc/scheduler.h, RunState; that it runs is told by its CPU.
  constexpr uint64_t kRunnable = 0, kSleeping = 1;
  const uint64_t state = reading.number("mk::Task", address, "state");
  task.state = state == kRunnable   ? TaskState::kRunnable
               : state != kSleeping ? TaskState::kDead
               : stopped            ? TaskState::kStopped
                                    : TaskState::kSleeping;
  return task;
}

Expected<std::optional<TaskView>> KernelView::current_task(unsigned cpu) const {
  const auto here = per_cpu(cpu);
  if (!here) return std::unexpected(here.error());
  if (!*here) return std::nullopt;
  Reading reading(*this);
  const uint64_t current = reading.number("mk::PerCpu", **here, "current");
  const uint64_t idle = reading.number("mk::PerCpu", **here, "idle");
  if (reading.failed()) return reading.error();
  if (current == 0 || current == idle) return std::nullopt;
  TaskView task = read_task(reading, current);
  if (reading.failed()) return reading.error();
  // It may be about to sleep, or dead and in its last schedule(): it runs all the same.
  task.state = TaskState::kRunning;
  task.cpu = cpu;
  return task;
}

// Appends what is not there yet.
void KernelView::read_list(Reading& reading, std::vector<TaskView>& found) const {
  std::set<uint64_t> seen;  // processes and tasks: a list that is damaged may lead back
  for (const TaskView& task : found) seen.insert(task.address);
  uint64_t process = reading.global("mk::first_process");
  while (process != 0 && found.size() < kMostTasks && !reading.failed() && seen.insert(process).second) {
    uint64_t thread = reading.number("mk::Process", process, "threads");
    if (thread == 0 && reading.number("mk::Process", process, "zombie") != 0) {
      TaskView zombie{.process = process, .state = TaskState::kZombie};
      zombie.pid = zombie.tgid = static_cast<int32_t>(reading.number("mk::Process", process, "tgid"));
      if (const uint64_t parent = reading.number("mk::Process", process, "parent"); parent != 0)
        zombie.parent = static_cast<int32_t>(reading.number("mk::Process", parent, "tgid"));
      if (!reading.failed()) found.push_back(std::move(zombie));
    }
    for (size_t left = kMostTasks; thread != 0 && left > 0 && !reading.failed(); --left) {
      if (seen.insert(thread).second) {
        TaskView task = read_task(reading, thread);
        if (!reading.failed()) found.push_back(std::move(task));
      }
      thread = reading.number("mk::Task", thread, "next_thread");
    }
    process = reading.number("mk::Process", process, "next");
  }
}

Expected<TaskList> KernelView::tasks() const {
  TaskList list;
  bool booted = false;  // before, there is no list, and perhaps no memory where it will be
  for (unsigned cpu = 0; cpu < target_.cpu_count(); ++cpu) {
    const auto here = per_cpu(cpu);
    booted |= here && *here;
    const auto task = current_task(cpu);
    if (!task)
      list.problem = task.error().message;
    else if (*task)
      list.tasks.push_back(**task);
  }
  Reading reading(*this);
  if (booted) read_list(reading, list.tasks);
  if (reading.failed()) list.problem = reading.error().error().message;
  if (list.tasks.empty() && !list.problem.empty()) return fail(ErrorKind::kData, list.problem);
  std::ranges::sort(list.tasks, {},
                    [](const TaskView& task) { return std::tuple(task.pid, task.cpu, task.address); });
  return list;
}

Expected<TaskView> KernelView::task(int32_t pid) const {
  const auto all = tasks();
  if (!all) return std::unexpected(all.error());
  const auto found = std::ranges::find(all->tasks, pid, &TaskView::pid);
  if (found == all->tasks.end()) return fail(ErrorKind::kUsage, fmt::format("no task has the PID {}", pid));
  return *found;
}

// The frame of the program's registers is the first thing on a kernel stack (arch/x86_64/entry.S).
Expected<ProgramPlace> KernelView::place(const TaskView& task) const {
  constexpr uint64_t kSyscallVector = 256;  // arch/x86_64/trap_frame.h
  const auto frame_bytes = types_.size_of("mk::TrapFrame");
  if (!frame_bytes) return std::unexpected(frame_bytes.error());
  Reading reading(*this);
  const uint64_t stack = task.mm != 0 ? reading.number("mk::Task", task.address, "kernel_stack") : 0;
  if (!reading.failed() && stack == 0)
    return fail(ErrorKind::kUsage, fmt::format("task {} runs no program", task.pid));
  const uint64_t frame = stack - *frame_bytes;
  ProgramPlace place{.rip = reading.number("mk::TrapFrame", frame, "rip"), .system_call = {}};
  if (reading.number("mk::TrapFrame", frame, "vector") == kSyscallVector)
    place.system_call = reading.number("mk::TrapFrame", frame, "error_code");
  if (reading.failed()) return reading.error();
  return place;
}

std::string KernelView::path_of(Reading& reading, uint64_t dentry) const {
  std::string path;
  for (int depth = 0; dentry != 0 && depth < kDeepestPath && !reading.failed(); ++depth) {
    const uint64_t name = reading.number("mk::Dentry", dentry, "name_");
    const uint64_t length = reading.number("mk::Dentry", dentry, "name_length_");
    if (name == 0) break;
    path.insert(0, "/" + reading.text_at(name, std::min<uint64_t>(length, kLongestName)));
    dentry = reading.number("mk::Dentry", dentry, "parent_.object_");
  }
  return path.empty() ? "(no name)" : path;
}

AreaView KernelView::read_area(Reading& reading, uint64_t address) const {
  AreaView area;
  area.start = reading.number("mk::Vma", address, "start");
  area.end = reading.number("mk::Vma", address, "end");
  area.flags = reading.number("mk::Vma", address, "flags");
  area.offset = reading.number("mk::Vma", address, "offset");
  area.file = reading.number("mk::Vma", address, "file.object_");
  if (area.file == 0) return area;
  const uint64_t dentry = reading.number("mk::File", area.file, "dentry_.object_");
  const uint64_t inode = reading.number("mk::Dentry", dentry, "inode_.object_");
  area.file_bytes = reading.number("mk::Inode", inode, "size");
  area.path = path_of(reading, dentry);
  return area;
}

Expected<SpaceView> KernelView::space(const TaskView& task) const {
  if (task.mm == 0) return fail(ErrorKind::kUsage, fmt::format("task {} has no address space", task.pid));
  Reading reading(*this);
  SpaceView space;
  space.root = reading.number("mk::AddressSpace", task.mm, "page_table_.root_") * x86::kPageSize;
  space.total_pages = reading.number("mk::AddressSpace", task.mm, "total_pages_");
  space.data_pages = reading.number("mk::AddressSpace", task.mm, "data_pages_");
  if (const uint64_t group = reading.number("mk::AddressSpace", task.mm, "share_group"); group != 0)
    space.group = reading.number("mk::ShareGroup", group, "live");
  uint64_t area = reading.number("mk::AddressSpace", task.mm, "vmas_.first_");
  while (area != 0) {
    space.areas.push_back(read_area(reading, area));
    const AreaView& last = space.areas.back();
    area = reading.number("mk::Vma", area, "next");
    if (reading.failed()) return reading.error();
    const bool in_order = last.start < last.end &&
                          (space.areas.size() == 1 || space.areas[space.areas.size() - 2].end <= last.start);
    if (!in_order || space.areas.size() > kMostAreas)
      return fail(ErrorKind::kData,
                  fmt::format("task {}'s areas are out of order at 0x{:x}-0x{:x}: damaged, or changing now",
                              task.pid, last.start, last.end));
  }
  if (reading.failed()) return reading.error();
  return space;
}

Expected<uint64_t> KernelView::limit(const TaskView& task, unsigned resource) const {
  const auto limits = types_.field("mk::Process", "limits");
  if (!limits) return std::unexpected(limits.error());
  if ((resource + 1) * limits->type.element_size > limits->type.size)
    return fail(ErrorKind::kData, fmt::format("the kernel has no limit {}", resource));
  if (task.process == 0)
    return fail(ErrorKind::kUsage, fmt::format("task {} has left its process", task.pid));
  Reading reading(*this);
  const uint64_t value = reading.number(
      limits->type.name, task.process + limits->offset + resource * limits->type.element_size, "soft");
  if (reading.failed()) return reading.error();
  return value;
}

Expected<uint64_t> KernelView::zero_page() const {
  const auto zeros = types_.variable("mk::zeros");
  if (!zeros) return std::unexpected(zeros.error());
  for (unsigned cpu = 0; cpu < target_.cpu_count(); ++cpu) {
    const auto context = inspector_.context(cpu);
    if (!context.paging) continue;
    const WalkReport walk = inspector_.walk(context, zeros->address);
    if (walk.page) return walk.page->physical(zeros->address) / x86::kPageSize;
  }
  return fail(ErrorKind::kData, "the kernel's zero page is not mapped");
}

Expected<std::string> KernelView::cow_policy() const {
  static constexpr std::pair<const char*, const char*> kPolicies[] = {
      {"mk::cow_mapcount", "mapcount"},
      {"mk::cow_page_count", "page-count"},
      {"mk::cow_unshare_mapcount", "unshare-mapcount"},
      {"mk::cow_anon_exclusive", "anon-exclusive"},
      {"mk::cow_pte", "pte"},
      {"mk::cow_pte_group", "pte-group"}};
  Reading reading(*this);
  const uint64_t chosen = reading.global("mk::chosen");
  for (const auto& [variable, name] : kPolicies) {
    const auto policy = types_.variable(variable);  // a reference, which is kept as a pointer
    if (!policy) return std::unexpected(policy.error());
    const uint64_t object = reading.value(policy->address, {.kind = KernelType::Kind::kPointer, .size = 8});
    if (reading.failed()) return reading.error();
    if (chosen != 0 && object == chosen) return name;
  }
  return "";
}

Expected<uint64_t> KernelView::frame_count(uint64_t pfn) const {
  Reading reading(*this);
  const uint64_t end = reading.global("mk::end_of_frames");
  if (reading.failed()) return reading.error();
  if (pfn >= end)
    return fail(ErrorKind::kUsage, fmt::format("frame 0x{:x} is beyond the last one, 0x{:x}", pfn, end));
  const bool in_descriptors = reading.global("mk::in_descriptors") != 0;
  const auto [address, bytes] = reading.element(in_descriptors ? "mk::descriptors" : "mk::counts", pfn);
  const uint64_t count = address == 0 ? 0
                         : in_descriptors
                             ? reading.number("mk::FrameDescriptor", address, "references")
                             : reading.value(address, {.kind = KernelType::Kind::kNumber, .size = bytes});
  if (reading.failed()) return reading.error();
  return count;
}

x86::PagingContext KernelView::context(unsigned cpu, const SpaceView& space) const {
  x86::PagingContext context = inspector_.context(cpu);
  context.cr3 = space.root;
  return context;
}

Expected<FrameView> KernelView::descriptor(uint64_t pfn) const {
  FrameView view{.pfn = pfn};
  Reading reading(*this);
  const uint64_t counted = reading.global("mk::end_of_frames");
  const uint64_t described = reading.global("mk::descriptors_end");
  if (reading.failed()) return reading.error();
  if (pfn < counted) {
    const auto count = frame_count(pfn);
    if (!count) return std::unexpected(count.error());
    view.count = *count;
  }
  if (pfn < described) {
    view.descriptor = reading.element("mk::descriptors", pfn).address;
    if (view.descriptor != 0)
      view.descriptor_flags = reading.number("mk::FrameDescriptor", view.descriptor, "flags");
    const auto flag = [&](const char* name) {
      const auto bit = types_.constant(name);
      return bit && (view.descriptor_flags & *bit) != 0;
    };
    view.reserved = flag("mk::FrameDescriptor::kReserved");
    view.in_descriptor = view.descriptor != 0 && reading.global("mk::in_descriptors") != 0;
    if (view.in_descriptor) {
      view.mapcount = reading.number("mk::FrameDescriptor", view.descriptor, "mapped");
      view.anonymous = flag("mk::FrameDescriptor::kAnon");
      view.exclusive = flag("mk::FrameDescriptor::kExclusive");
    }
    if (reading.failed()) return reading.error();
  }
  return view;
}

Expected<FrameView> KernelView::frame(uint64_t pfn) const {
  auto found = descriptor(pfn);
  if (!found) return found;
  FrameView& view = *found;
  const auto zero = zero_page();
  view.zero_page = zero && *zero == pfn;
  const auto tasks = this->tasks();
  if (!tasks) return std::unexpected(tasks.error());
  view.complete = tasks->problem.empty();
  find_mappings(view, tasks->tasks);
  return view;
}

void KernelView::find_mappings(FrameView& view, const std::vector<TaskView>& tasks) const {
  std::set<uint64_t> seen;  // threads share their address space: it is named once, by the lowest PID
  for (const TaskView& task : tasks) {
    if (task.mm == 0 || !seen.insert(task.mm).second) continue;
    Reading reading(*this);
    const uint64_t root = reading.number("mk::AddressSpace", task.mm, "page_table_.root_");
    if (reading.failed()) {
      view.complete = false;
      continue;
    }
    const auto stopped = inspector_.for_each_leaf(
        context(task.cpu, {.root = root * x86::kPageSize}), 0, kLowerHalfEnd, [&](const Leaf& leaf) {
          const uint64_t first = (leaf.entry & x86::pte::kAddressMask52) / x86::kPageSize;
          const uint64_t frames = leaf.bytes() / x86::kPageSize;
          if (!holds_frame(leaf) || (first & ~(frames - 1)) != (view.pfn & ~(frames - 1))) return true;
          view.mappings.push_back({task.pid, leaf});
          return view.mappings.size() < kMostMappings;
        });
    if (stopped) view.complete = false;
  }
}

}  // namespace mmuscope::debug
