// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/boot.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <vector>

#include "devices/local_apic.h"

namespace mmuscope {

namespace {

constexpr uint64_t kStartInfo = 0x90000, kModules = 0x90100, kMemoryMap = 0x90200, kCommandLine = 0x91000;
constexpr uint64_t kCommandLineLimit = 0xf000;
constexpr uint64_t kRsdp = 0xe0000, kXsdt = 0xe0040, kMadt = 0xe0100, kAcpiEnd = 0x100000;
constexpr uint32_t kPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY

class Blob {
 public:
  template <typename T>
  Blob& put(T value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
    return *this;
  }
  Blob& text(const char* characters, size_t size) {
    bytes_.insert(bytes_.end(), characters, characters + size);
    return *this;
  }
  size_t size() const { return bytes_.size(); }
  uint8_t& operator[](size_t i) { return bytes_[i]; }
  // ACPI: all bytes add up to 0.
  void checksum(size_t at, size_t first, size_t count) {
    uint8_t sum = 0;
    for (size_t i = first; i < first + count; ++i) sum = static_cast<uint8_t>(sum + bytes_[i]);
    bytes_[at] = static_cast<uint8_t>(bytes_[at] - sum);
  }
  void place(Ram& ram, uint64_t address) const { ram.write(address, bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

Error bad_kernel(const std::string& why) { return {ErrorKind::kData, "the kernel " + why}; }

template <typename T>
std::optional<T> at(const std::vector<uint8_t>& file, uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

// The entry point that the Xen note in a PT_NOTE segment names.
std::optional<uint32_t> find_entry(const std::vector<uint8_t>& file, const Elf64_Phdr& notes) {
  const uint64_t align = notes.p_align == 8 ? 8 : 4;
  const auto padded = [&](uint64_t size) { return (size + align - 1) & ~(align - 1); };
  for (uint64_t offset = 0; offset + sizeof(Elf64_Nhdr) <= notes.p_filesz;) {
    const auto note = at<Elf64_Nhdr>(file, notes.p_offset + offset);
    if (!note) return std::nullopt;
    const uint64_t name = notes.p_offset + offset + sizeof *note;
    const uint64_t value = name + padded(note->n_namesz);
    const auto xen = at<std::array<char, 4>>(file, name);
    if (note->n_type == kPhys32Entry && note->n_namesz == 4 && xen && std::memcmp(xen->data(), "Xen", 4) == 0)
      return at<uint32_t>(file, value);
    offset += sizeof *note + padded(note->n_namesz) + padded(note->n_descsz);
  }
  return std::nullopt;
}

// Loads the segments; returns the PVH entry.
Expected<uint32_t> load_kernel(const std::vector<uint8_t>& file, Ram& ram) {
  const auto header = at<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
    return std::unexpected(bad_kernel("is not an ELF file"));
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
    return std::unexpected(bad_kernel("is not for x86-64"));
  std::optional<uint32_t> entry;
  std::vector<Elf64_Phdr> loaded;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto segment = at<Elf64_Phdr>(file, header->e_phoff + uint64_t{i} * sizeof(Elf64_Phdr));
    if (!segment) return std::unexpected(bad_kernel("is truncated: its program headers end beyond the file"));
    if (segment->p_type != PT_LOAD && segment->p_type != PT_NOTE) continue;
    if (segment->p_offset > file.size() || segment->p_filesz > file.size() - segment->p_offset)
      return std::unexpected(bad_kernel("is truncated: a segment ends beyond the file"));
    if (segment->p_type == PT_NOTE && !entry) entry = find_entry(file, *segment);
    if (segment->p_type == PT_LOAD && segment->p_memsz != 0) loaded.push_back(*segment);
  }
  if (!entry)
    return std::unexpected(
        bad_kernel("has no PVH entry note (Xen note 18): not a kernel this machine boots"));
  for (const Elf64_Phdr& segment : loaded) {
    if (segment.p_filesz > segment.p_memsz || segment.p_paddr < kAcpiEnd ||
        !ram.contains(segment.p_paddr, segment.p_memsz))
      return std::unexpected(bad_kernel(fmt::format(
          "does not fit: a segment of 0x{:x} bytes at physical 0x{:x}", segment.p_memsz, segment.p_paddr)));
    ram.write(segment.p_paddr, std::span(file).subspan(segment.p_offset, segment.p_filesz));
  }
  return *entry;
}

// ACPI 6.4, 5.2.5 (RSDP), 5.2.8 (XSDT), 5.2.12 (MADT).
void acpi_header(Blob& blob, const char* signature, uint32_t length) {
  blob.text(signature, 4).put(length).put(uint8_t{1}).put(uint8_t{0});
  blob.text("MMUSCO", 6).text("MMUSCOPE", 8).put(uint32_t{1}).text("MMUS", 4).put(uint32_t{1});
}

void write_acpi(unsigned cpus, Ram& ram) {
  Blob rsdp;
  rsdp.text("RSD PTR ", 8)
      .put(uint8_t{0})
      .text("MMUSCO", 6)
      .put(uint8_t{2})
      .put(uint32_t{0})
      .put(uint32_t{36});
  rsdp.put(kXsdt).put(uint8_t{0}).put(uint8_t{0}).put(uint16_t{0});
  rsdp.checksum(8, 0, 20);
  rsdp.checksum(32, 0, 36);
  rsdp.place(ram, kRsdp);

  Blob xsdt;
  acpi_header(xsdt, "XSDT", 36 + 8);
  xsdt.put(kMadt);
  xsdt.checksum(9, 0, xsdt.size());
  xsdt.place(ram, kXsdt);

  Blob madt;
  acpi_header(madt, "APIC", 36 + 8 + 8 * cpus);
  madt.put(static_cast<uint32_t>(LocalApic::kPhysicalBase)).put(uint32_t{0});
  for (unsigned cpu = 0; cpu < cpus; ++cpu)
    madt.put(uint8_t{0})
        .put(uint8_t{8})
        .put(static_cast<uint8_t>(cpu))
        .put(static_cast<uint8_t>(cpu))
        .put(uint32_t{1});
  madt.checksum(9, 0, madt.size());
  madt.place(ram, kMadt);
}

void memory_map_entry(Blob& map, uint64_t start, uint64_t bytes, uint32_t type) {
  map.put(start).put(bytes).put(type).put(uint32_t{0});
}

x86::CpuState entry_state(uint32_t entry) {
  using x86::SegmentName;
  x86::CpuState state;
  state.cr0 = x86::cr0::kPe | x86::cr0::kEt;
  state.rip = entry;
  state.reg(x86::Gpr::kRbx) = kStartInfo;
  for (x86::Segment& segment : state.segments)
    segment = {.base = 0, .limit = 0xffffffff, .selector = 0x10, .attributes = 0xc093};
  state.segment(SegmentName::kCs) = {.base = 0, .limit = 0xffffffff, .selector = 0x08, .attributes = 0xc09b};
  state.ldtr.attributes = 0x82;
  state.tr = {.base = 0, .limit = 0x67, .selector = 0, .attributes = 0x8b};
  return state;
}

}  // namespace

Expected<x86::CpuState> load_boot_image(const BootImage& image, const MachineConfig& config, Ram& ram) {
  const auto entry = load_kernel(image.kernel, ram);
  if (!entry) return std::unexpected(entry.error());
  if (image.command_line.size() + 1 > kCommandLineLimit)
    return fail(ErrorKind::kUsage,
                fmt::format("the kernel command line is longer than {} bytes", kCommandLineLimit - 1));

  const uint64_t low = ram.regions()[0].bytes;
  const uint64_t initramfs_bytes = (image.initramfs.size() + x86::kPageSize - 1) & x86::kPageMask;
  if (initramfs_bytes + (8u << 20) > low)
    return fail(ErrorKind::kUsage, fmt::format("an initramfs of {} MiB does not fit: give more --memory",
                                               initramfs_bytes >> 20));
  const uint64_t initramfs = low - initramfs_bytes;
  if (!image.initramfs.empty()) ram.write(initramfs, image.initramfs);
  ram.write(kCommandLine,
            {reinterpret_cast<const uint8_t*>(image.command_line.c_str()), image.command_line.size() + 1});
  write_acpi(config.cpus, ram);

  Blob modules;
  modules.put(initramfs).put(uint64_t{image.initramfs.size()}).put(uint64_t{0}).put(uint64_t{0});
  modules.place(ram, kModules);

  Blob map;
  unsigned entries = 3;
  memory_map_entry(map, 0, 0xa0000, 1);
  memory_map_entry(map, kRsdp, kAcpiEnd - kRsdp, 3);
  memory_map_entry(map, kAcpiEnd, low - kAcpiEnd, 1);
  if (ram.regions().size() > 1) {
    memory_map_entry(map, ram.regions()[1].start, ram.regions()[1].bytes, 1);
    ++entries;
  }
  map.place(ram, kMemoryMap);

  Blob start_info;
  start_info.put(uint32_t{0x336ec578}).put(uint32_t{1}).put(uint32_t{0});
  start_info.put(image.initramfs.empty() ? uint32_t{0} : uint32_t{1})
      .put(kModules)
      .put(kCommandLine)
      .put(kRsdp);
  start_info.put(kMemoryMap).put(uint32_t{entries}).put(uint32_t{0});
  start_info.place(ram, kStartInfo);
  return entry_state(*entry);
}

}  // namespace mmuscope
