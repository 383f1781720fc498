// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "cpu/unicorn/factory.h"
#include "devices/debug_exit.h"
#include "devices/local_apic.h"
#include "devices/trace_port.h"
#include "machine/boot.h"
#include "machine/machine_core.h"
#include "machine/vcpu.h"

namespace mmuscope {

namespace {

class MachineImpl final : public Machine, public ApicBus {
 public:
  MachineImpl(const MachineConfig& config, Ram ram, ConsoleSink& sink, ConsoleSource& source,
              DebugConsole::LineSink kernel_log);

  Expected<void> make_engines();
  void boot(const x86::CpuState& state);

  void add_observer(MachineObserver& observer) override { core_.observers.push_back(&observer); }
  void remove_observer(MachineObserver& observer) override { std::erase(core_.observers, &observer); }
  RunResult run(uint64_t limit) override;
  uint64_t icount() const override { return core_.icount; }
  unsigned cpu_count() const override { return static_cast<unsigned>(vcpus_.size()); }
  x86::CpuState cpu_state(unsigned cpu) override { return vcpus_[cpu]->state(); }
  std::string describe() override;
  DebugControl& debug_control() override { return core_.debug; }
  void watches_changed() override { forget_pages(); }
  Position position() const override { return core_.position(); }
  unsigned current_cpu() const override { return current_; }
  uint32_t pid(unsigned cpu) const override { return vcpus_[cpu]->pid(); }
  Moment moment(unsigned cpu) override { return vcpus_[cpu]->moment(); }
  const MachineConfig& config() const override { return core_.config; }
  const Ram& ram() const override { return core_.ram; }
  const x86::Tlb& tlb(unsigned cpu) const override { return vcpus_[cpu]->tlb(); }
  x86::PagingContext paging_context(unsigned cpu) override { return vcpus_[cpu]->paging_context(); }
  CpuEngine::FxsaveImage fpu(unsigned cpu) override { return vcpus_[cpu]->engine().fpu(); }
  void set_fpu(unsigned cpu, const CpuEngine::FxsaveImage& image) override {
    vcpus_[cpu]->engine().set_fpu(image);
  }
  void set_cpu_state(unsigned cpu, const x86::CpuState& state) override { vcpus_[cpu]->reset_to(state); }
  void write_ram(x86::PhysicalAddress address, std::span<const uint8_t> bytes) override;
  void flush_tlb(unsigned cpu) override { vcpus_[cpu]->flush_tlb(x86::TlbCause::kDebugger); }
  void save(StateWriter& writer) override { save(writer, MachineCore::WithRam::kYes); }
  Expected<void> restore(std::span<const uint8_t> state) override {
    return restore(state, MachineCore::WithRam::kYes);
  }
  void save_without_ram(StateWriter& writer) override { save(writer, MachineCore::WithRam::kNo); }
  Expected<void> restore_without_ram(std::span<const uint8_t> state) override {
    return restore(state, MachineCore::WithRam::kNo);
  }
  std::vector<uint64_t> take_dirty_pages() override;
  void set_ram_page(uint64_t index, std::span<const uint8_t> bytes) override;

 private:
  // ApicBus
  GuestTime now() const override { return core_.now(); }
  void send_ipi(unsigned from, uint64_t targets, IpiKind kind, uint8_t vector) override;
  uint32_t logical_destination(unsigned cpu) const override { return apics_[cpu]->read(0xd0); }

  void expire_timers();
  GuestTime next_expiry() const;
  bool choose();
  bool others_can_run() const;
  uint64_t turn_left() const {
    return core_.config.quantum - std::min(core_.config.quantum, core_.icount - turn_began_);
  }
  void step(uint64_t limit);
  void save(StateWriter& writer, MachineCore::WithRam with_ram);
  Expected<void> restore(std::span<const uint8_t> state, MachineCore::WithRam with_ram);
  void forget_pages();
  void idle();
  void on_record(unsigned cpu, const trace_abi::TraceRecord& record);
  std::vector<Device*> devices();

  MachineCore core_;
  std::vector<std::unique_ptr<LocalApic>> apics_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  std::unique_ptr<ApicWindow> apic_window_;
  Uart16550 uart_;
  DebugExit debug_exit_;
  DebugConsole debug_console_;
  TracePort trace_port_;
  unsigned current_ = 0;     // whose turn it is
  uint64_t turn_began_ = 0;  // icount
};

MachineImpl::MachineImpl(const MachineConfig& config, Ram ram, ConsoleSink& sink, ConsoleSource& source,
                         DebugConsole::LineSink kernel_log)
    : core_(config, std::move(ram)),
      uart_(sink, source),
      debug_console_(std::move(kernel_log)),
      trace_port_(core_.ram,
                  [this](unsigned cpu, const trace_abi::TraceRecord& record) { on_record(cpu, record); }) {
  for (unsigned cpu = 0; cpu < config.cpus; ++cpu) {
    apics_.push_back(std::make_unique<LocalApic>(cpu, *this));
    core_.apics.push_back(apics_.back().get());
    vcpus_.push_back(std::make_unique<Vcpu>(cpu, core_, *apics_.back()));
    core_.vcpus.push_back(vcpus_.back().get());
  }
  apic_window_ = std::make_unique<ApicWindow>(core_.apics);
  core_.bus.map(LocalApic::kPhysicalBase, x86::kPageSize, *apic_window_);
  core_.ports = {&trace_port_, &uart_, &debug_console_, &debug_exit_};
  core_.debug_exit = &debug_exit_;
}

Expected<void> MachineImpl::make_engines() {
  for (const auto& vcpu : vcpus_) {
    auto engine = make_unicorn_engine(core_.ram, *vcpu);
    if (!engine) return std::unexpected(engine.error());
    vcpu->attach(std::move(*engine));
  }
  return {};
}

void MachineImpl::boot(const x86::CpuState& state) {
  for (const auto& vcpu : vcpus_) vcpu->init();
  vcpus_[0]->reset_to(state);
}

// ---- time and turns

void MachineImpl::expire_timers() {
  const GuestTime time = core_.now();
  for (const auto& apic : apics_)
    if (apic->next_expiry() <= time) apic->expire(time);
}

GuestTime MachineImpl::next_expiry() const {
  GuestTime next = kNever;
  for (const auto& apic : apics_) next = std::min(next, apic->next_expiry());
  return next;
}

bool MachineImpl::others_can_run() const {
  return std::any_of(vcpus_.begin(), vcpus_.end(),
                     [&](const auto& vcpu) { return vcpu->index() != current_ && vcpu->runnable(); });
}

// Whose turn it is: the same CPU until it halts, or its quantum is over and another one can run; then the
// next that can.
bool MachineImpl::choose() {
  if (vcpus_[current_]->runnable() && (turn_left() != 0 || !others_can_run())) return true;
  for (unsigned i = 1; i <= vcpus_.size(); ++i) {
    const unsigned cpu = (current_ + i) % static_cast<unsigned>(vcpus_.size());
    if (!vcpus_[cpu]->runnable()) continue;
    current_ = cpu;
    turn_began_ = core_.icount;
    return true;
  }
  return false;
}

// Nobody can run: time passes until the next timer.
void MachineImpl::idle() {
  GuestTime next = kNever;
  for (const auto& vcpu : vcpus_) {
    const LocalApic& apic = *apics_[vcpu->index()];
    if (vcpu->accepts_interrupts() && apic.timer_can_interrupt()) next = std::min(next, apic.next_expiry());
  }
  if (next == kNever)
    return core_.end(EndReason::kDeadlock,
                     "every CPU is halted and no timer is going to wake one\n" + describe());
  core_.idle += next - core_.now();
}

void MachineImpl::step(uint64_t limit) {
  expire_timers();
  if (!choose()) return idle();
  // A CPU that is alone runs on: what could wake another one is a timer, or an access of its own that ends
  // the run.
  const uint64_t turn = others_can_run() ? turn_left() : ~uint64_t{0};
  const uint64_t until_timer = next_expiry() - core_.now();
  vcpus_[current_]->run(std::min({turn, limit - core_.icount, until_timer}));
  if (const auto value = debug_exit_.value()) core_.end(EndReason::kExit, "", *value);
}

RunResult MachineImpl::run(uint64_t limit) {
  core_.debug.stop = false;
  core_.debug.hit.reset();
  while (!core_.is_ended() && core_.icount < limit && !core_.stops_here()) step(limit);
  return core_.ended;
}

// ---- what CPUs and devices say to each other

void MachineImpl::send_ipi(unsigned, uint64_t targets, IpiKind kind, uint8_t vector) {
  for (unsigned cpu = 0; cpu < vcpus_.size(); ++cpu) {
    if (!((targets >> cpu) & 1)) continue;
    switch (kind) {
      case IpiKind::kFixed:
        apics_[cpu]->accept(vector);
        break;
      case IpiKind::kNmi:
        vcpus_[cpu]->nmi();
        break;
      case IpiKind::kInit:
        if (cpu != current_) vcpus_[cpu]->init();
        break;
      case IpiKind::kStartup:
        vcpus_[cpu]->start(vector);
        break;
    }
  }
}

void MachineImpl::on_record(unsigned cpu, const trace_abi::TraceRecord& record) {
  using trace_abi::TraceType;
  Vcpu& vcpu = *vcpus_[cpu];
  const auto type = static_cast<TraceType>(record.type);
  const Moment now = vcpu.moment();
  const auto pid = static_cast<uint32_t>(record.args[0]);  // of those that tell one
  const WindowOwner owner = MachineCore::owner(now.pid, cpu);
  using Window = MachineCore::WindowKind;
  if (type == TraceType::kFaultOutcome) core_.close_window(now, Window::kFault);
  if (type == TraceType::kSyscallExit) core_.close_window(now, Window::kCall);
  if (type == TraceType::kTaskExit) core_.close_windows_of_ended(now, MachineCore::owner(pid, cpu));
  if (type == TraceType::kVmStat) core_.tell_totals(now);
  core_.tell([&](MachineObserver& o) { o.on_tracepoint(now, record); });
  if (type == TraceType::kSyscallEnter) core_.open_window(owner, Window::kCall, true);
  if (type == TraceType::kTaskSwitch) vcpu.set_pid(pid);
  if (type == TraceType::kExec && now.pid != 0 && pid != now.pid) {
    // A thread that executes has become its process's leader.
    core_.change_owner(owner, MachineCore::owner(pid, cpu));
    vcpu.set_pid(pid);
  }
  if (type == TraceType::kWatchRange) {
    const std::string name(record.text, strnlen(record.text, sizeof record.text));
    if (core_.ram.contains(record.args[1], record.args[2]))
      core_.watch(WatchedRange(name, record.args[1], record.args[2]));
  }
}

// ---- inspection and state

std::string MachineImpl::describe() {
  std::string text;
  for (const auto& vcpu : vcpus_) text += vcpu->describe();
  return text;
}

std::vector<Device*> MachineImpl::devices() { return {&uart_, &debug_exit_, &debug_console_, &trace_port_}; }

void MachineImpl::forget_pages() {
  for (const auto& vcpu : vcpus_) vcpu->engine().forget_all();
}

void MachineImpl::write_ram(x86::PhysicalAddress address, std::span<const uint8_t> bytes) {
  EMU_CHECK(core_.ram.contains(address, bytes.size()) &&
                ((address ^ (address + bytes.size() - 1)) & x86::kPageMask) == 0,
            "a write within one page of RAM");
  core_.wrote(address);
  std::memcpy(core_.ram.host(address), bytes.data(), bytes.size());
}

// Engines keep pages they were handed as writable, and write them unseen: they must ask for them again.
std::vector<uint64_t> MachineImpl::take_dirty_pages() {
  forget_pages();
  return core_.ram.take_dirty();
}

void MachineImpl::set_ram_page(uint64_t index, std::span<const uint8_t> bytes) {
  const x86::PhysicalAddress address = core_.ram.page_address(index);
  EMU_CHECK(bytes.size() == x86::kPageSize, "a whole page");
  core_.forget_code_of(address);
  std::memcpy(core_.ram.host(address), bytes.data(), bytes.size());
}

void MachineImpl::save(StateWriter& writer, MachineCore::WithRam with_ram) {
  writer.tag("mach");
  writer.put(static_cast<uint64_t>(vcpus_.size()));
  core_.save(writer, with_ram);
  for (const auto& vcpu : vcpus_) vcpu->save(writer);
  for (const auto& apic : apics_) apic->save(writer);
  for (Device* device : devices()) device->save(writer);
  writer.put(current_);
  writer.put(turn_began_);
}

Expected<void> MachineImpl::restore(std::span<const uint8_t> state, MachineCore::WithRam with_ram) {
  StateReader reader(state);
  reader.expect_tag("mach");
  if (reader.get<uint64_t>() != vcpus_.size()) reader.fail("the snapshot has another number of CPUs");
  core_.restore(reader, with_ram);
  for (const auto& vcpu : vcpus_) vcpu->restore(reader);
  for (const auto& apic : apics_) apic->restore(reader);
  for (Device* device : devices()) device->restore(reader);
  reader.get(current_);
  reader.get(turn_began_);
  if (reader.ok() && !reader.at_end()) reader.fail("the snapshot is longer than the machine's state");
  if (reader.ok() && current_ >= vcpus_.size()) reader.fail("the snapshot is damaged: no such CPU");
  if (!reader.ok()) {
    core_.end(EndReason::kInternal, "restoring failed: " + reader.problem());
    return fail(ErrorKind::kData, reader.problem());
  }
  return {};
}

}  // namespace

Expected<std::unique_ptr<Machine>> Machine::create(const MachineConfig& config, const BootImage& image,
                                                   ConsoleSink& sink, ConsoleSource& source,
                                                   DebugConsole::LineSink kernel_log) {
  if (config.cpus < 1 || config.cpus > 8)
    return fail(ErrorKind::kUsage, fmt::format("{} CPUs: give 1 to 8", config.cpus));
  if (config.quantum == 0) return fail(ErrorKind::kUsage, "a quantum of 0 instructions: give 1 or more");
  auto ram = Ram::create(config.memory_bytes);
  if (!ram) return std::unexpected(ram.error());
  const auto entry = load_boot_image(image, config, *ram);
  if (!entry) return std::unexpected(entry.error());
  auto machine = std::make_unique<MachineImpl>(config, std::move(*ram), sink, source, std::move(kernel_log));
  if (const auto made = machine->make_engines(); !made) return std::unexpected(made.error());
  machine->boot(*entry);
  return machine;
}

}  // namespace mmuscope
