// SPDX-License-Identifier: GPL-2.0-or-later
//
// What --from does with any bytes. The first byte selects: a whole file as it is; a good file that is
// changed, by patches of four bytes (where, in 24 bits, and what), its checksums made right afterwards; or an
// initramfs.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cli/initramfs.h"
#include "devices/host_console.h"
#include "timeline/snapshot_file.h"

namespace mmuscope {
namespace {

using Bytes = std::vector<uint8_t>;

// The smallest kernel that boots: an ELF header, one program header, the PVH note.
Bytes tiny_kernel() {
  Bytes elf(64 + 56 + 20);
  const auto put = [&](size_t at, auto value) { std::memcpy(&elf[at], &value, sizeof value); };
  std::memcpy(elf.data(),
              "\x7f"
              "ELF\2\1\1",
              7);
  put(16, uint16_t{2});                                                  // ET_EXEC
  put(18, uint16_t{62});                                                 // x86-64
  put(32, uint64_t{64});                                                 // program headers
  put(54, uint16_t{56}), put(56, uint16_t{1});                           // their size and number
  put(64, uint32_t{4}), put(72, uint64_t{120}), put(96, uint64_t{20});   // PT_NOTE
  put(120, uint32_t{4}), put(124, uint32_t{4}), put(128, uint32_t{18});  // of Xen, PHYS32_ENTRY
  std::memcpy(&elf[132], "Xen", 4);
  put(136, uint32_t{0x100000});
  return elf;
}

struct Guest {
  Guest() {
    const MachineConfig config{.memory_bytes = 16u << 20, .count_watched_ranges = true};
    BootImage image{.kernel = tiny_kernel(), .command_line = "x", .initramfs = {1}};
    auto made = Machine::create(config, image, sink, source, [](const std::string&) {});
    if (!made) std::abort();
    machine = std::move(*made);
    machine->run(3);
    good = timeline::take_snapshot(*machine, std::move(image), {});
  }
  StringConsoleSink sink;
  StringConsoleSource source;
  std::unique_ptr<Machine> machine;
  timeline::Snapshot good;
};

void read_file(std::span<const uint8_t> file) {
  const auto snapshot = timeline::decode_snapshot(file);
  if (snapshot && !std::ranges::equal(timeline::encode_snapshot(*snapshot), file)) std::abort();
}

// Restored into a machine that is there already: making one takes longer than all the rest.
void read_changed(std::span<const uint8_t> patches) {
  static Guest guest;
  timeline::Snapshot changed = guest.good;
  for (; patches.size() >= 4; patches = patches.subspan(4)) {
    const size_t at = patches[0] | size_t{patches[1]} << 8 | size_t{patches[2]} << 16;
    changed.state[at % changed.state.size()] = patches[3];
  }
  if (!patches.empty()) changed.state.resize(changed.state.size() * patches[0] / 256);
  const auto read = timeline::decode_snapshot(timeline::encode_snapshot(changed));
  if (!read || read->state != changed.state) std::abort();
  if (!guest.machine->restore(read->state)) return;
  StateWriter again;
  guest.machine->save(again);
}

void read_initramfs(std::span<const uint8_t> archive) {
  const auto files = cli::Initramfs::unpack(archive);
  if (!files) return;
  (void)files->find("/bin/program");
  if (!cli::Initramfs::unpack(files->pack())) std::abort();
}

}  // namespace
}  // namespace mmuscope

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      mmuscope::read_file(rest);
      break;
    case 1:
      mmuscope::read_changed(rest);
      break;
    case 2:
      mmuscope::read_initramfs(rest);
      break;
  }
  return 0;
}
