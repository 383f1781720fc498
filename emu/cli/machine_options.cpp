// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/machine_options.h"

#include "cli/files.h"
#include "cli/option_values.h"

namespace mmuscope::cli {

void MachineOptions::add_to(CLI::App& command) {
  command.add_option("--cpus", machine.cpus, "Processors [1]")->type_name("N")->transform(whole_number(1, 8));
  command.add_option("--memory", machine.memory_bytes, "RAM, with K, M or G [256M]")
      ->type_name("SIZE")
      ->transform(memory_size());
  command.add_flag("--la57", machine.la57, "Offer five-level paging, which minikernel then uses");
  command
      .add_option("--quantum", machine.quantum,
                  "Instructions a processor runs before the next one's turn [10000]")
      ->type_name("N")
      ->transform(whole_number(1, uint64_t{1} << 32));
  command.add_option("--kernel", kernel, "Another kernel: ELF64 with a PVH note")
      ->type_name("FILE")
      ->check(not_empty());
}

Expected<KernelFile> read_kernel(const MachineOptions& options) {
  KernelFile file{.path = options.kernel, .bytes = {}};
  if (file.path.empty()) {
    const auto found = find_kernel();
    if (!found) return std::unexpected(found.error());
    file.path = found->string();
  }
  auto bytes = read_file(file.path);
  if (!bytes) return std::unexpected(bytes.error());
  file.bytes = std::move(*bytes);
  return file;
}

Expected<std::unique_ptr<Machine>> make_machine(const MachineOptions& options, const KernelFile& kernel,
                                                const BootImage& image, ConsoleSink& sink,
                                                ConsoleSource& source, DebugConsole::LineSink kernel_log) {
  auto machine = Machine::create(options.machine, image, sink, source, std::move(kernel_log));
  // Of what a machine is given, only the kernel can be bad data.
  if (!machine && machine.error().kind == ErrorKind::kData)
    return fail(ErrorKind::kData, kernel.path + ": " + machine.error().message);
  return machine;
}

}  // namespace mmuscope::cli
