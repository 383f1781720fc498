// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "x86/paging_entry.h"

namespace mmuscope::debug {
namespace {

using trace_abi::FaultOutcome;
using x86::AccessType;

// minikernel/mm/address_space.h, as Linux has them.
constexpr uint64_t kStackGuardGap = 256 * x86::kPageSize;
constexpr uint64_t kMmapMinAddress = 0x10000;
// <asm/resource.h>
constexpr unsigned kLimitData = 2, kLimitStack = 3, kLimitAddressSpace = 9;
// minikernel/arch/x86_64/pte.h
constexpr uint64_t kSpecial = 1u << 9, kUffdWp = 1u << 10;

constexpr uint64_t page_down(uint64_t address) { return address & x86::kPageMask; }
constexpr uint64_t page_up(uint64_t address) { return page_down(address + x86::kPageSize - 1); }

Forecast fault(AccessType type, std::optional<FaultOutcome> outcome, std::string text) {
  return {.type = type, .faults = true, .outcome = outcome, .text = std::move(text)};
}

std::string area_name(const AreaView& area) { return fmt::format("0x{:x}-0x{:x}", area.start, area.end); }

bool is_private(const AreaView& area) { return !(area.flags & vm::kShared); }
bool is_data(const AreaView& area) {
  return (area.flags & (vm::kWrite | vm::kShared | vm::kGrowsDown)) == vm::kWrite;
}

// The last-level entry; 0 where there is no table for it (AddressSpace::handle_mm_fault makes one).
uint64_t last_entry(const WalkReport& walk) {
  return walk.trace.count > 0 && walk.trace.last().level == 1 ? walk.trace.last().entry_before : 0;
}

// Why AddressSpace::expand_stack would refuse; "" if it would not.
std::string no_growth(const FaultSetting& setting, size_t index, uint64_t address) {
  const AreaView& area = setting.areas[index];
  const uint64_t start = page_down(address);
  if (start < kMmapMinAddress) return "it would begin below the lowest address that may be mapped";
  if (index > 0) {
    const AreaView& below = setting.areas[index - 1];
    if (!(below.flags & vm::kGrowsDown) && (below.flags & vm::kAccess) && start - below.end < kStackGuardGap)
      return "it would come closer than 1 MiB to the area " + area_name(below);
  }
  if (area.end - start > setting.stack_limit) return "it would be larger than RLIMIT_STACK";
  const uint64_t pages = (area.start - start) / x86::kPageSize;
  if (setting.total_pages + pages > setting.memory_limit / x86::kPageSize) return "RLIMIT_AS is reached";
  if (is_data(area) && setting.data_pages + pages > setting.data_limit / x86::kPageSize)
    return "RLIMIT_DATA is reached";
  return "";
}

// Linux's access_error(): why the area refuses; "" if it does not.
std::string refusal(const AreaView& area, AccessType type, bool protection) {
  if (type == AccessType::kWrite)
    return area.flags & vm::kWrite ? "" : "the area may not be written (no VM_WRITE)";
  if (type == AccessType::kFetch && protection)
    return area.flags & vm::kExec ? "" : "the area may not be executed (no VM_EXEC)";
  return area.flags & vm::kAccess ? "" : "the area allows nothing (PROT_NONE)";
}

// A fetch of a page that is not there yet is not refused before the page is there.
std::string then_refused(const AreaView& area, AccessType type) {
  if (type != AccessType::kFetch || (area.flags & vm::kExec)) return "";
  return " Then the fetch faults again, and as the area has no VM_EXEC, the program gets SIGSEGV "
         "(SEGV_ACCERR).";
}

// Policies that look at entries alone mark them; the others keep that in descriptors.
bool counts_by_entry(const FaultSetting& setting) {
  return setting.policy == "pte" || setting.policy == "pte-group";
}
std::string own(const FaultSetting& setting) {
  return counts_by_entry(setting) ? "EXCL and writable" : "writable";
}

Forecast empty_entry(const FaultSetting& setting, const AreaView& area, AccessType type, uint64_t address) {
  const std::string faults = "faults: the entry is empty, nothing was touched here yet. ";
  const bool write = type == AccessType::kWrite;
  const std::string after = then_refused(area, type);
  if (area.file == 0) {
    if (write)
      return fault(type, FaultOutcome::kAnonZero,
                   faults + "Demand-zero: a new zeroed frame is mapped, " + own(setting) + ".");
    return fault(
        type, FaultOutcome::kZeroPage,
        faults + "Anonymous memory: the shared zero page is mapped, SPECIAL and not writable." + after);
  }
  const uint64_t offset = area.offset + (page_down(address) - area.start);
  if (offset >= page_up(area.file_bytes))
    return fault(
        type, FaultOutcome::kSigbus,
        faults +
            fmt::format("The page lies at 0x{:x} of the file, beyond its end at 0x{:x}: the program gets "
                        "SIGBUS (BUS_ADRERR).",
                        offset, area.file_bytes));
  const std::string page = fmt::format("page 0x{:x} of {}", offset / x86::kPageSize, area.path);
  if (write && is_private(area))
    return fault(type, FaultOutcome::kCopy,
                 faults + "The area is private: a copy of " + page + " is mapped, " + own(setting) + ".");
  return fault(type, FaultOutcome::kFilePage,
               faults + "The frame that caches " + page + " is mapped" +
                   (write                        ? ", writable because the area is shared."
                    : !(area.flags & vm::kWrite) ? "."
                    : is_private(area)           ? ", not writable because the area is private."
                                                 : ", writable because the area is shared.") +
                   after);
}

// What a copy-on-write policy makes of a page that may not be written yet, and why (CowPolicy::may_reuse).
struct Verdict {
  bool reuse = false;
  std::string why;
};

Verdict by_entry(const FaultSetting& setting, const AreaView& area, uint64_t entry) {
  if (entry & kExclusiveBit) return {true, "The entry is EXCL: the frame is this address space's own"};
  if (setting.policy == "pte-group" && area.file == 0 && setting.group <= 1)
    return {true,
            "The entry is not EXCL, but of those that forked from one another this address space is the "
            "last"};
  return {false, fmt::format("the entry is not EXCL: others may see frame 0x{:x}", setting.frame.pfn)};
}

Verdict by_descriptor(const FaultSetting& setting) {
  const FrameView& frame = setting.frame;
  const std::string says = fmt::format("the descriptor of frame 0x{:x} says: ", frame.pfn);
  if (!frame.anonymous) return {false, says + "it is a file's page"};
  const uint64_t count = frame.count.value_or(0);
  const std::string mapped = fmt::format("mapcount {}", frame.mapcount);
  const std::string counted = fmt::format("{} reference{}", count, count == 1 ? "" : "s");
  if (setting.policy == "page-count")
    return {frame.mapcount == 1 && count == 1, says + mapped + ", " + counted};
  if (setting.policy == "anon-exclusive")
    return {frame.exclusive || count == 1,
            says + (frame.exclusive ? "it is exclusive" : "not exclusive, " + counted)};
  return {frame.mapcount == 1, says + mapped};
}

// AddressSpace::do_wp_page.
Forecast write_protected(const FaultSetting& setting, const AreaView& area, uint64_t entry) {
  constexpr AccessType kType = AccessType::kWrite;
  const bool entries = counts_by_entry(setting);
  Verdict verdict;
  if (!is_private(area))
    verdict = {true, "The area is shared: the frame is meant to be written by all that map it"};
  else if (!(entry & kSpecial))
    verdict = entries ? by_entry(setting, area, entry) : by_descriptor(setting);
  if (verdict.reuse) {
    const std::string withheld =
        entry & kUffdWp ? "faults: W is withheld by UFFD_WP, which this kernel's handler does not heed. "
                        : "faults: W is withheld, for write protection that is gone or for tracking. ";
    verdict.why[0] = static_cast<char>(std::toupper(verdict.why[0]));
    return fault(kType, FaultOutcome::kReuse, withheld + verdict.why + ", so it is made writable in place.");
  }
  if (entry & kSpecial)
    return fault(kType, FaultOutcome::kAnonZero,
                 "faults: the entry maps the zero page (SPECIAL), not writable. A new zeroed frame takes its "
                 "place, " +
                     own(setting) + ".");
  return fault(kType, FaultOutcome::kCopy,
               "faults: W is withheld, and " + verdict.why +
                   ". Its contents are copied to a new frame, which takes its place, " + own(setting) + ".");
}

// AddressSpace::fault_locked and handle_mm_fault.
Forecast in_area(const FaultSetting& setting, const AreaView& area, const WalkReport& walk,
                 const x86::PageFault& page_fault) {
  const AccessType type = page_fault.access.type;
  const bool protection = (page_fault.error_code() & x86::pf::kProtection) != 0;
  if (const std::string why = refusal(area, type, protection); !why.empty())
    return fault(type, FaultOutcome::kSigsegv,
                 "faults: " + why + ". The program gets SIGSEGV (SEGV_ACCERR).");
  const uint64_t entry = last_entry(walk);
  if (entry == 0) return empty_entry(setting, area, type, walk.linear);
  if (!(entry & x86::pte::kPresent))
    return fault(type, {},
                 "faults: the entry is not present though the area allows the access. The kernel takes that "
                 "for its own mistake and panics.");
  if (type == AccessType::kWrite && !(entry & x86::pte::kWritable))
    return write_protected(setting, area, entry);
  return fault(
      type, FaultOutcome::kSpurious,
      fmt::format("faults ({} at {}), and the kernel finds nothing to do: it takes the fault for a stale TLB "
                  "entry's, and the access would fault again and again.",
                  fault_reason_name(page_fault.reason), x86::pte::level_name(page_fault.level)));
}

}  // namespace

// AddressSpace::handle_page_fault.
Forecast forecast(const FaultSetting& setting, const WalkReport& walk, AccessType type) {
  const uint64_t address = walk.linear;
  if (!walk.canonical)
    return fault(
        type, {},
        "raises #GP (#SS if the stack pointer is the base): the address is not canonical. The program "
        "gets a signal, and no table is looked at.");
  const WalkReport::Verdict& verdict = walk.verdict(true, type);
  if (!verdict.fault)
    return {.type = type,
            .text = fmt::format("goes through, to physical 0x{:x}: no fault.",
                                walk.page ? walk.page->physical(address) : 0)};
  if (address >= kUserEnd)
    return fault(
        type, FaultOutcome::kSigsegv,
        fmt::format("faults: user space ends at 0x{:x}. The program gets SIGSEGV (SEGV_MAPERR).", kUserEnd));
  const auto found = std::find_if(setting.areas.begin(), setting.areas.end(),
                                  [&](const AreaView& area) { return area.end > address; });
  if (found == setting.areas.end())
    return fault(type, FaultOutcome::kSigsegv,
                 "faults: there is no area here or above. The program gets SIGSEGV (SEGV_MAPERR).");
  if (found->start <= address) return in_area(setting, *found, walk, *verdict.fault);
  const std::string above =
      fmt::format("faults: there is no area here, and the next one above, {}, ", area_name(*found));
  if (!(found->flags & vm::kGrowsDown))
    return fault(type, FaultOutcome::kSigsegv,
                 above + "does not grow down. The program gets SIGSEGV (SEGV_MAPERR).");
  const size_t index = static_cast<size_t>(found - setting.areas.begin());
  if (const std::string why = no_growth(setting, index, address); !why.empty())
    return fault(type, FaultOutcome::kSigsegv,
                 above + "cannot grow down to it: " + why + ". The program gets SIGSEGV (SEGV_MAPERR).");
  AreaView grown = *found;
  grown.start = page_down(address);
  Forecast result = in_area(setting, grown, walk, *verdict.fault);
  if (result.outcome != FaultOutcome::kSigsegv) result.outcome = FaultOutcome::kStackGrowth;
  constexpr std::string_view kFaults = "faults: ";
  result.text = above + "is a stack: it grows down to it. Then: " + result.text.substr(kFaults.size());
  return result;
}

Expected<Explanation> explain(const KernelView& kernel, const Inspector& inspector, unsigned cpu,
                              x86::LinearAddress address) {
  Explanation result;
  const auto task = kernel.current_task(cpu);
  if (!task) return std::unexpected(task.error());
  result.task = *task;
  FaultSetting setting;
  x86::PagingContext context = inspector.context(cpu);
  if (result.task && result.task->mm != 0) {
    const auto space = kernel.space(*result.task);
    if (!space) return std::unexpected(space.error());
    context = kernel.context(cpu, *space);
    setting.areas = space->areas;
    setting.group = space->group;
    setting.total_pages = space->total_pages;
    setting.data_pages = space->data_pages;
    const auto policy = kernel.cow_policy();
    if (!policy) return std::unexpected(policy.error());
    if (!policy->empty()) setting.policy = *policy;
    for (const auto& [limit, resource] : {std::pair{&setting.stack_limit, kLimitStack},
                                          {&setting.memory_limit, kLimitAddressSpace},
                                          {&setting.data_limit, kLimitData}}) {
      const auto value = kernel.limit(*result.task, resource);
      if (!value) return std::unexpected(value.error());
      *limit = *value;
    }
  }
  result.walk = inspector.walk(context, address);
  for (const AreaView& area : setting.areas)
    if (area.contains(address)) result.area = area;
  if (result.walk.page) {
    const uint64_t pfn = result.walk.page->physical(address) / x86::kPageSize;
    if (const auto count = kernel.frame_count(pfn)) result.frame_count = *count;
    const auto zero = kernel.zero_page();
    result.zero_page = zero && *zero == pfn;
  }
  if (const uint64_t entry = last_entry(result.walk); entry & x86::pte::kPresent) {
    setting.frame.pfn = (entry & x86::pte::kAddressMask52) / x86::kPageSize;
    if (!counts_by_entry(setting)) {
      const auto frame = kernel.descriptor(setting.frame.pfn);
      if (!frame) return std::unexpected(frame.error());
      setting.frame = *frame;
    }
  }
  for (size_t i = 0; i < result.forecasts.size(); ++i)
    result.forecasts[i] = forecast(setting, result.walk, static_cast<AccessType>(i));
  return result;
}

}  // namespace mmuscope::debug
