// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/elf_loader.h"

#include <linux/elf.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

constexpr size_t kMaxProgramHeaders = kPageSize / sizeof(Elf64_Phdr);

class Loader {
 public:
  Loader(AddressSpace& mm, const Ref<File>& file, const char* path) : mm_(mm), file_(file), path_(path) {}
  ~Loader() { kfree(headers_); }

  Result<LoadedProgram> run() {
    long error = read_headers();
    if (error == 0) error = check_segments();
    if (error == 0) error = map_segments();
    if (error < 0) return Errno{static_cast<int>(-error)};
    program_.entry = header_.e_entry + program_.load_bias;
    if (program_.entry >= kUserEnd) return Errno{EINVAL};
    program_.program_header_count = header_.e_phnum;
    return program_;
  }

 private:
  long refuse(const char* why) {
    log("exec %s: %s", path_, why);
    return -ENOEXEC;
  }

  bool read(uint64_t offset, void* out, size_t bytes) {
    return file_->inode().read_kernel(offset, out, bytes) == static_cast<long>(bytes);
  }

  long read_headers() {
    if (!read(0, &header_, sizeof(header_)) || memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0)
      return refuse("not an ELF file");
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_machine != EM_X86_64)
      return refuse("not a program for x86-64");
    if (header_.e_type != ET_EXEC && header_.e_type != ET_DYN) return refuse("not an executable");
    if (header_.e_phentsize != sizeof(Elf64_Phdr) || header_.e_phnum == 0 ||
        header_.e_phnum > kMaxProgramHeaders)
      return refuse("unusable program headers");
    headers_ = static_cast<Elf64_Phdr*>(kmalloc(kPageSize));
    if (headers_ == nullptr) return -ENOMEM;
    if (!read(header_.e_phoff, headers_, header_.e_phnum * sizeof(Elf64_Phdr)))
      return refuse("program headers beyond the end of the file");
    return 0;
  }

  // Everything that can be wrong with a segment, before the first is mapped.
  long check_segments() {
    uint64_t lowest = UINT64_MAX;
    uint64_t alignment = kPageSize;
    for (unsigned i = 0; i < header_.e_phnum; ++i) {
      const Elf64_Phdr& segment = headers_[i];
      if (segment.p_type == PT_INTERP) return refuse("needs a dynamic linker: build it with -static");
      if (segment.p_type == PT_GNU_STACK) program_.executable_stack = segment.p_flags & PF_X;
      if (segment.p_type != PT_LOAD) continue;
      if (segment.p_filesz > segment.p_memsz) return refuse("a segment is larger in the file than in memory");
      if (segment.p_memsz == 0) continue;
      if (segment.p_vaddr >= kUserEnd || segment.p_memsz > kUserEnd - segment.p_vaddr)
        return refuse("a segment lies outside user space");
      if (segment.p_offset % kPageSize != segment.p_vaddr % kPageSize)
        return refuse("a segment is not page-aligned");
      if (segment.p_offset + segment.p_filesz < segment.p_offset)
        return refuse("a segment lies outside the file");
      lowest = min(lowest, page_align_down(segment.p_vaddr));
      bool power_of_two = (segment.p_align & (segment.p_align - 1)) == 0;
      if (power_of_two && segment.p_align > alignment) alignment = segment.p_align;
    }
    if (lowest == UINT64_MAX) return refuse("nothing to load");
    if (header_.e_type == ET_DYN) program_.load_bias = ((kPieBase - lowest) & ~(alignment - 1));
    return 0;
  }

  long map_segments() {
    for (unsigned i = 0; i < header_.e_phnum; ++i) {
      if (headers_[i].p_type != PT_LOAD || headers_[i].p_memsz == 0) continue;
      long error = map_segment(headers_[i]);
      if (error < 0) return error;
    }
    return 0;
  }

  long map_segment(const Elf64_Phdr& segment) {
    uint64_t start = segment.p_vaddr + program_.load_bias;
    uint64_t file_end = start + segment.p_filesz;
    uint64_t end = start + segment.p_memsz;
    if (start >= kUserEnd || end > kUserEnd || end < start) return -EINVAL;
    if (page_align_down(start) < kMmapMinAddress) return -EPERM;
    uint64_t flags = (segment.p_flags & PF_R ? kVmRead : 0) | (segment.p_flags & PF_W ? kVmWrite : 0) |
                     (segment.p_flags & PF_X ? kVmExec : 0);
    uint64_t first_page = page_align_down(start);
    uint64_t zero_page = segment.p_filesz == 0 ? first_page : page_align_up(file_end);
    if (segment.p_filesz > 0) {
      long error = mm_.map_area(first_page, zero_page, flags, file_, page_align_down(segment.p_offset));
      if (error < 0) return error;
      // The rest of the file's last page is the start of the zeros. Linux, too, minds only where one may
      // write.
      if (file_end < zero_page && segment.p_memsz > segment.p_filesz && (flags & kVmWrite)) {
        error = mm_.clear_memory(file_end, zero_page - file_end);
        if (error < 0) return error;
      }
    }
    if (page_align_up(end) > zero_page) {
      long error = mm_.map_area(zero_page, page_align_up(end), flags, nullptr, 0);
      if (error < 0) return error;
    }
    bool has_headers =
        header_.e_phoff >= segment.p_offset && header_.e_phoff - segment.p_offset < segment.p_filesz;
    if (has_headers) program_.program_headers = start + (header_.e_phoff - segment.p_offset);
    program_.end = max(program_.end, end);
    return 0;
  }

  AddressSpace& mm_;
  const Ref<File>& file_;
  const char* path_;
  Elf64_Ehdr header_;
  Elf64_Phdr* headers_ = nullptr;
  LoadedProgram program_ = {};
};

}  // namespace

Result<LoadedProgram> load_elf(AddressSpace& mm, const Ref<File>& file, const char* path) {
  return Loader(mm, file, path).run();
}

}  // namespace mk
