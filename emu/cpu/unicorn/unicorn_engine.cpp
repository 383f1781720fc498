// SPDX-License-Identifier: GPL-2.0-or-later
#include "cpu/unicorn/unicorn_engine.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/check.h"

namespace mmuscope {
namespace {

using x86::Gpr;

// Physical address space as the engine is told of it: RAM where it is, every physical address once more as
// trapped I/O, and one page for the stub. Far above any MAXPHYADDR that is offered to a guest (40 bits).
constexpr uint64_t kTrappedBase = uint64_t{1} << 44;
constexpr uint64_t kTrappedBytes = uint64_t{1} << 41;
constexpr uint64_t kStubPhysical = uint64_t{1} << 46;
constexpr uint64_t kPageSize = x86::kPageSize;

// Linear addresses that only maintenance uses: non-canonical, so no guest page can be there.
constexpr uint64_t kStubLinear = uint64_t{0x4000} << 48;
constexpr uint64_t kScratchLinear = uint64_t{0x4001} << 48;

template <typename F>
void* callback(F* function) {
  return reinterpret_cast<void*>(function);
}

x86::AccessType access_type(uc_mem_type type) {
  switch (type) {
    case UC_MEM_FETCH:
      return x86::AccessType::kFetch;
    case UC_MEM_WRITE:
      return x86::AccessType::kWrite;
    default:
      return x86::AccessType::kRead;
  }
}

}  // namespace

UnicornEngine::UnicornEngine(Ram& ram, EngineClient& client) : ram_(ram), client_(client), blocks_(client) {}

UnicornEngine::~UnicornEngine() {
  if (kept_ != nullptr) uc_context_free(kept_);
  if (context_ != nullptr) uc_context_free(context_);
  if (uc_ != nullptr) uc_close(uc_);
  if (stub_ != nullptr) munmap(stub_, kPageSize);
}

Expected<std::unique_ptr<UnicornEngine>> UnicornEngine::create(Ram& ram, EngineClient& client) {
  std::unique_ptr<UnicornEngine> engine(new UnicornEngine(ram, client));
  if (auto opened = engine->open(); !opened) return std::unexpected(opened.error());
  return engine;
}

Expected<void> UnicornEngine::open() {
  uc_err error = UC_ERR_OK;
  auto must = [&error](uc_err result) {
    if (error == UC_ERR_OK) error = result;
  };
  must(uc_open(UC_ARCH_X86, UC_MODE_64, &uc_));
  if (error != UC_ERR_OK)
    return fail(ErrorKind::kHost, std::string("Unicorn does not open: ") + uc_strerror(error));
  // Broadwell has SMEP, SMAP and FSGSBASE, without which QEMU takes STAC, CLAC and RDFSBASE for invalid.
  must(uc_ctl_set_cpu_model(uc_, UC_CPU_X86_BROADWELL));
  must(uc_ctl_tlb_mode(uc_, UC_TLB_VIRTUAL));
  must(uc_ctl_exits_enable(uc_));
  if (error != UC_ERR_OK)
    return fail(ErrorKind::kHost, std::string("Unicorn is too old: ") + uc_strerror(error));
  auto layout = ContextLayout::find(uc_);
  if (!layout) return std::unexpected(layout.error());
  layout_ = *layout;

  must(uc_context_alloc(uc_, &context_));
  must(uc_context_alloc(uc_, &kept_));
  // Unicorn leaves the last bytes as malloc gave them; snapshots hold the whole block.
  for (uc_context* context : {context_, kept_})
    std::memset(reinterpret_cast<uint8_t*>(context) + layout_.base, 0, layout_.size - layout_.base);
  for (const Ram::Region& region : ram_.regions())
    must(uc_mem_map_ptr(uc_, region.start, region.bytes, UC_PROT_ALL, region.host));
  stub_ = static_cast<uint8_t*>(
      mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (stub_ == MAP_FAILED) {
    stub_ = nullptr;
    return fail(ErrorKind::kHost, "no memory for an engine");
  }
  const uint8_t invlpg_rax[] = {0x0f, 0x01, 0x38, 0x90};
  std::memcpy(stub_, invlpg_rax, sizeof invlpg_rax);
  must(uc_mem_map_ptr(uc_, kStubPhysical, kPageSize, UC_PROT_ALL, stub_));
  must(uc_mmio_map(uc_, kTrappedBase, kTrappedBytes, on_trapped_read, this, on_trapped_write, this));
  uc_hook hook = 0;
  must(uc_hook_add(uc_, &hook, UC_HOOK_TLB_FILL, callback(on_fill), this, 1, 0));
  must(uc_hook_add(uc_, &hook, UC_HOOK_BLOCK, callback(on_block), this, 1, 0));
  must(uc_hook_add(uc_, &hook, UC_HOOK_INTR, callback(on_interrupt), this, 1, 0));
  if (error != UC_ERR_OK)
    return fail(ErrorKind::kHost, std::string("Unicorn refuses the set-up: ") + uc_strerror(error));
  write_state(x86::CpuState{});
  return {};
}

// ---- callbacks

bool UnicornEngine::on_fill(uc_engine*, uint64_t linear, uc_mem_type type, uc_tlb_entry* result, void* self) {
  return static_cast<UnicornEngine*>(self)->fill(linear, type, result);
}

bool UnicornEngine::fill(uint64_t linear, uc_mem_type type, uc_tlb_entry* result) {
  if (scratch_fetch_) {
    result->paddr = *scratch_fetch_;
    result->perms = UC_PROT_EXEC;
    return true;
  }
  const x86::Access access{.linear = linear, .type = access_type(type), .user = cpl() == 3};
  const Fill answer = client_.fill(access);
  const bool trapped = answer.kind == Fill::Kind::kTrapped;
  if (answer.kind == Fill::Kind::kDenied || (trapped && !trapping_)) {
    denied_ = true;
    denied_trap_ = trapped;
    denied_access_ = access;
    return false;
  }
  result->paddr = (trapped ? kTrappedBase : 0) + answer.page;
  // A page is never handed out for data and for fetches at once: Unicorn 2.1.4 is slow with such entries.
  if (access.type == x86::AccessType::kFetch)
    result->perms = UC_PROT_EXEC;
  else if (trapped || answer.writable)
    result->perms = static_cast<uc_prot>(UC_PROT_READ | UC_PROT_WRITE);
  else
    result->perms = UC_PROT_READ;
  if (trapped) trapped_pages_.push_back(linear);
  return true;
}

// Called for every block that runs. Most are plain and fit the budget; whatever else there is to decide is
// enter_block()'s.
void UnicornEngine::on_block(uc_engine*, uint64_t address, uint32_t size, void* raw) {
  auto* self = static_cast<UnicornEngine*>(raw);
  if (self->plain_run_) [[likely]] {
    const BlockInfo* info = self->blocks_.find(address, size, CodeSize::k64);
    if (info->plain && info->count <= self->budget_) [[likely]]
      return self->count_block(info, address, info->count);
  }
  self->enter_block(address, size);
}

void UnicornEngine::count_block(const BlockInfo* info, uint64_t address, uint32_t instructions) {
  previous_ = block_;
  block_ = info;
  block_linear_ = address;
  block_counted_ = instructions;
  budget_ -= instructions;
  last_rep_ = info->last_is_rep ? address + info->offsets[info->count - 1] : kNoAddress;
}

// A block is about to run. Either it is counted and runs, or the run ends in front of it.
void UnicornEngine::enter_block(uint64_t address, uint32_t size) {
  if (halt_ != Halt::kNone) return;
  if (scratch_fetch_) {
    if (block_counted_++ != 0) halt(Halt::kBlockEdge, address);
    return;
  }
  if (single_ && block_ != nullptr) return halt(Halt::kBlockEdge, address);
  if (breakpoints_ != nullptr && last_rep_ != address)
    if (const Halt why = breakpoint_in(address, size); why != Halt::kNone) return halt(why, address);
  if (code_size_ != CodeSize::k64) refresh_mode();
  const BlockInfo* info = blocks_.find(address, size, code_size_);
  if (!info->system.empty() && needs_arming(*info, address, size)) {
    arm_linear_ = address;
    arm_size_ = size;
    return halt(Halt::kArm, address);
  }
  if (!info->first_is_rep) repeating_ = kNoAddress;
  const bool phantom = info->first_is_rep && phantom_repetition(*info, address);
  const bool shadow = block_ != nullptr ? block_->last_shadows : shadow_;
  if (!phantom) {
    if (want_window_ && interruptible(shadow)) return halt(Halt::kWindow, address);
    if (info->count > budget_) return halt(Halt::kBlockEdge, address);
  }
  count_block(info, address, phantom ? 0 : info->count);
}

// Stops in front of a breakpoint. A block that has one further inside is executed instruction by instruction.
UnicornEngine::Halt UnicornEngine::breakpoint_in(uint64_t address, uint32_t size) const {
  auto next = breakpoints_->lower_bound(address);
  if (next != breakpoints_->end() && *next == address) {
    if (address != leaving_ || executed() != began_) return Halt::kBreakpoint;
    ++next;
  }
  const bool inside = next != breakpoints_->end() && *next - address < size;
  return inside && !single_ ? Halt::kBlockEdge : Halt::kNone;
}

// QEMU re-enters a REP instruction for each iteration, and once more to find its count zero: that is no
// instruction of the guest. The count is read once and followed from there, because reading a register costs
// more than an iteration.
bool UnicornEngine::phantom_repetition(const BlockInfo& info, uint64_t address) {
  if (last_rep_ != address) {
    repeating_ = kNoAddress;
    return false;
  }
  if (repeating_ == address) return --repetitions_left_ == 0;
  const uint64_t count = reg(Gpr::kRcx);
  repeating_ = address;
  repetitions_left_ = info.rep_counts_ecx ? count & 0xffffffff : count;
  return repetitions_left_ == 0;
}

void UnicornEngine::on_code(uc_engine*, uint64_t address, uint32_t, void* raw) {
  auto* self = static_cast<UnicornEngine*>(raw);
  if (self->halt_ != Halt::kNone || self->block_ == nullptr || self->scratch_fetch_) return;
  if (self->block_->system_at(address - self->block_linear_) != nullptr) self->halt(Halt::kSystem, address);
}

void UnicornEngine::on_interrupt(uc_engine* uc, uint32_t vector, void* raw) {
  auto* self = static_cast<UnicornEngine*>(raw);
  self->interrupt_ = vector;
  self->halt_ = Halt::kInterrupt;
  self->plain_run_ = false;
  uc_emu_stop(uc);
}

uint64_t UnicornEngine::on_trapped_read(uc_engine*, uint64_t offset, unsigned size, void* self) {
  return static_cast<UnicornEngine*>(self)->client_.trapped_read(offset, size);
}

void UnicornEngine::on_trapped_write(uc_engine*, uint64_t offset, unsigned size, uint64_t value, void* self) {
  static_cast<UnicornEngine*>(self)->client_.trapped_write(offset, size, value);
}

void UnicornEngine::halt(Halt why, uint64_t linear) {
  halt_ = why;
  plain_run_ = false;
  rip_ = linear - cs_base_;
  uc_emu_stop(uc_);
}

// ---- running

Stop UnicornEngine::run(const RunRequest& request) {
  budget_end_ = executed() + request.instructions;
  budget_ = request.instructions;
  want_window_ = request.stop_when_interruptible;
  const bool any_breakpoints = request.breakpoints != nullptr && !request.breakpoints->empty();
  breakpoints_ = any_breakpoints ? request.breakpoints : nullptr;
  leaving_ = request.leaving ? rip_ + cs_base_ : kNoAddress;
  began_ = executed();
  if (want_window_ && interruptible(shadow_)) return {.reason = StopReason::kInterruptWindow};
  bool single = false;
  unsigned careful = 0;  // single steps left after a fetch beyond the page of RIP was denied
  while (budget_ > 0) {
    const uc_err error = enter(single);
    const bool fetch_denied = error == UC_ERR_EXCEPTION && denied_ && !denied_trap_ &&
                              denied_access_.type == x86::AccessType::kFetch;
    const bool beyond =
        fetch_denied && !single && ((denied_access_.linear ^ (rip_ + cs_base_)) & x86::kPageMask) != 0;
    // The one instruction is done; it was the block after it, not yet wanted, that reaches the page.
    const bool after_step = fetch_denied && single && block_ != nullptr;
    if (fetch_denied && budget_ == 0) break;  // what comes next is not wanted yet
    if (beyond) {
      careful = 1;
      while ((((rip_ + cs_base_) + careful * 15) & x86::kPageMask) == ((rip_ + cs_base_) & x86::kPageMask))
        ++careful;
    } else if (!after_step) {
      if (auto stop = settle(error)) return *stop;
    }
    if (!beyond && careful > 0) --careful;
    single = careful > 0 || (halt_ == Halt::kBlockEdge && !single_);
    if (single_ && halt_ == Halt::kBlockEdge && careful == 0) single = budget_ < 16;
  }
  skip_phantom();
  return {};
}

// One uc_emu_start. Afterwards rip_, executed() and shadow_ are exact.
uc_err UnicornEngine::enter(bool single) {
  if (single) set_single_block_flag();
  single_ = single;
  halt_ = Halt::kNone;
  block_ = previous_ = nullptr;
  denied_ = denied_trap_ = false;
  repeating_ = kNoAddress;
  plain_run_ = !single && !want_window_ && breakpoints_ == nullptr && code_size_ == CodeSize::k64;
  const uc_err error = uc_emu_start(uc_, rip_, 0, 0, 0);
  plain_run_ = false;
  if (code_size_ != CodeSize::k64) refresh_mode();
  if (halt_ == Halt::kNone || halt_ == Halt::kInterrupt) {
    uc_reg_read(uc_, UC_X86_REG_RIP, &rip_);
  }
  const bool between_blocks = halt_ == Halt::kBlockEdge || halt_ == Halt::kWindow || halt_ == Halt::kArm ||
                              halt_ == Halt::kBreakpoint ||
                              (denied_ && denied_access_.type == x86::AccessType::kFetch);
  if (block_ == nullptr) return error;
  if (between_blocks)
    shadow_ = block_->last_shadows;
  else
    leave_block_at(rip_ + cs_base_);
  return error;
}

// The run ended inside the current block: what lies at and after `linear` was not executed.
void UnicornEngine::leave_block_at(uint64_t linear) {
  const uint64_t offset = linear - block_linear_;
  const uint32_t done = offset <= block_->offsets.back() ? block_->index_of(offset) : block_->count;
  if (block_counted_ != 0 && done < block_->count) {
    budget_ += block_counted_ - done;
    last_rep_ = kNoAddress;
  }
  const bool shadow_before = previous_ != nullptr ? previous_->last_shadows : shadow_;
  shadow_ = done == 0 ? shadow_before : done == block_->count && block_->last_shadows;
}

std::optional<Stop> UnicornEngine::settle(uc_err error) {
  if (halt_ == Halt::kArm) {
    arm(arm_linear_, arm_size_);
    return std::nullopt;
  }
  if (halt_ == Halt::kSystem) {
    const BlockInfo::System* found = block_->system_at(rip_ + cs_base_ - block_linear_);
    return Stop{.reason = StopReason::kSystemInstruction, .instruction = found->instruction};
  }
  if (halt_ == Halt::kBreakpoint) return Stop{.reason = StopReason::kBreakpoint};
  if (halt_ == Halt::kWindow) return Stop{.reason = StopReason::kInterruptWindow};
  if (halt_ == Halt::kBlockEdge) return std::nullopt;
  if (halt_ == Halt::kInterrupt) return settle_interrupt();
  if (denied_ && error == UC_ERR_EXCEPTION) return settle_denied();
  if (error == UC_ERR_INSN_INVALID) return settle_invalid();
  if (error == UC_ERR_OK) return std::nullopt;
  return failed(error);
}

std::optional<Stop> UnicornEngine::settle_denied() {
  if (budget_ == 0) return std::nullopt;  // the next instruction's fetch, not asked for
  if (denied_trap_) return trapped_step();
  return denied_stop(denied_access_);
}

std::optional<Stop> UnicornEngine::settle_interrupt() {
  Stop stop{.reason = StopReason::kException, .vector = static_cast<uint8_t>(interrupt_)};
  const bool past_block = block_ != nullptr && rip_ + cs_base_ == block_linear_ + block_->offsets.back();
  if (past_block && block_->last_is_int) {
    stop.reason = StopReason::kSoftwareInterrupt;
    stop.instruction_rip = block_linear_ + block_->offsets[block_->count - 1] - cs_base_;
    return stop;
  }
  uc_context_save(uc_, context_);
  stop.error_code = ContextBytes(context_).get<uint32_t>(layout_.error_code);
  return stop;
}

// What QEMU does not decode is #UD, unless the processor we are has it (INVPCID, RDPKRU, ...).
std::optional<Stop> UnicornEngine::settle_invalid() {
  const auto instruction = current_instruction();
  if (instruction && stops_the_run(*instruction))
    return Stop{.reason = StopReason::kSystemInstruction, .instruction = *instruction};
  return Stop{.reason = StopReason::kException, .vector = 6};
}

// The instruction at RIP touches a trapped page: run it alone, with those pages open, and close them again.
Stop UnicornEngine::trapped_step() {
  trapping_ = true;
  trapped_pages_.clear();
  const uc_err error = enter(true);
  trapping_ = false;
  const std::vector<uint64_t> pages = std::exchange(trapped_pages_, {});
  const bool finished = halt_ == Halt::kBlockEdge || error == UC_ERR_OK ||
                        (denied_ && denied_access_.type == x86::AccessType::kFetch && block_ != nullptr);
  std::optional<Stop> other;
  if (halt_ == Halt::kArm || !(finished && halt_ != Halt::kSystem && halt_ != Halt::kInterrupt))
    other = settle(error);
  for (const uint64_t page : pages) forget_page(page);
  if (other) return *other;
  return {.reason = StopReason::kTrapped};
}

void UnicornEngine::skip_phantom() {
  if (last_rep_ == kNoAddress || last_rep_ != rip_ + cs_base_) return;
  const auto instruction = blocks_.decode_at(last_rep_, code_size_);
  if (!instruction || !instruction->rep_string) return;
  const uint64_t count = reg(Gpr::kRcx);
  if ((instruction->address_bytes == 4 ? count & 0xffffffff : count) == 0) rip_ += instruction->length;
  last_rep_ = kNoAddress;
}

bool UnicornEngine::needs_arming(const BlockInfo& info, uint64_t linear, uint32_t size) {
  x86::PhysicalAddress page = 0;
  client_.code(linear, &page);
  const uint64_t key = (linear * 0x9e3779b97f4a7c15ull) ^ (page << 16) ^ size;
  if (armed_.contains(key)) {
    return std::any_of(info.system.begin(), info.system.end(),
                       [&](const BlockInfo::System& one) { return !hooked_.contains(linear + one.offset); });
  }
  armed_.insert(key);
  return true;
}

// Hooks on the block's system instructions, and its translation made anew so that it has them.
void UnicornEngine::arm(uint64_t linear, uint32_t size) {
  const BlockInfo* info = blocks_.find(linear, size, code_size_);
  for (const BlockInfo::System& one : info->system) {
    const uint64_t at = linear + one.offset;
    if (!hooked_.insert(at).second) continue;
    uc_hook hook = 0;
    const uc_err error = uc_hook_add(uc_, &hook, UC_HOOK_CODE, callback(on_code), this, at, at);
    EMU_CHECK(error == UC_ERR_OK, "no hook on a system instruction");
  }
  x86::PhysicalAddress page = 0;
  client_.code(linear, &page);
  forget_code(page & x86::kPageMask);
}

std::optional<Instruction> UnicornEngine::current_instruction() {
  return blocks_.decode_at(rip_ + cs_base_, code_size_);
}

bool UnicornEngine::interruptible(bool shadow) { return !shadow && (rflags() & (1u << 9)) != 0; }

Stop UnicornEngine::failed(uc_err error) {
  return {.reason = StopReason::kFailed,
          .message = std::string("Unicorn stopped with: ") + uc_strerror(error) +
                     (denied_ ? " after a denied page" : "")};
}

// ---- forgetting

void UnicornEngine::forget_all() {
  uc_ctl_flush_tlb(uc_);
  blocks_.forget_translations();
}

// Unicorn has no call for one page, but its INVLPG does it: executed from a page of our own.
void UnicornEngine::forget_page(x86::LinearAddress linear) {
  if (code_size_ != CodeSize::k64) return forget_all();
  run_stub(linear);
  blocks_.forget_translations_of(linear);
}

void UnicornEngine::run_stub(uint64_t operand) {
  const uint64_t rip = rip_;
  uc_context_save(uc_, kept_);
  uc_context_save(uc_, context_);
  ContextBytes bytes(context_);
  bytes.put<uint64_t>(layout_.regs(), operand);
  bytes.put<uint32_t>(layout_.hflags(),
                      bytes.get<uint32_t>(layout_.hflags()) & ~(hflags::kCplMask | hflags::kInhibitIrq));
  bytes.put<uint64_t>(layout_.rflags(), 2);
  uc_context_restore(uc_, context_);
  scratch_fetch_ = kStubPhysical;
  halt_ = Halt::kNone;
  block_counted_ = 0;
  const uc_err error = uc_emu_start(uc_, kStubLinear, 0, 0, 0);
  scratch_fetch_.reset();
  EMU_CHECK(error == UC_ERR_OK, "the INVLPG stub failed");
  uc_context_restore(uc_, kept_);
  rip_ = rip;  // halt() moved it
}

void UnicornEngine::forget_code(x86::PhysicalAddress page) {
  scratch_fetch_ = page;
  uc_ctl_remove_cache(uc_, kScratchLinear + page, kScratchLinear + page + kPageSize);
  scratch_fetch_.reset();
  blocks_.forget_code(page);
  block_ = nullptr;
}

}  // namespace mmuscope
