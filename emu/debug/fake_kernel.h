// SPDX-License-Identifier: GPL-2.0-or-later
//
// For tests: memory as minikernel's data fills it, laid out by the debug information of the real image
// (MINIKERNEL), with one process of one task, which CPU 0 runs.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "debug/fake_target.h"
#include "debug/kernel_types.h"

namespace mmuscope::debug {

inline const std::vector<uint8_t>& minikernel_image() {
  static const std::vector<uint8_t> image = [] {
    std::ifstream file(MINIKERNEL, std::ios::binary);
    return std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {});
  }();
  return image;
}

inline const KernelTypes& minikernel_types() {
  static const KernelTypes types = KernelTypes::read(minikernel_image());
  return types;
}

class FakeKernel {
 public:
  static constexpr uint64_t kDirectMap = 0xffff888000000000;
  static constexpr size_t kPages = 512;  // what one large page maps
  static constexpr uint64_t kP = FakeTarget::kP, kW = FakeTarget::kW, kU = FakeTarget::kU,
                            kXd = FakeTarget::kXd;

  explicit FakeKernel(unsigned cpus = 1) : target(kPages, cpus) {
    target.map(kDirectMap, kP | kW | kXd | FakeTarget::kPs, 2);
    per_cpu = add("mk::PerCpu");
    mm = add("mk::AddressSpace");
    process = add_process(1);
    task = add_task(process, 1, "prog", mm);
    set("mk::PerCpu", per_cpu, "self", per_cpu);
    set("mk::PerCpu", per_cpu, "current", task);
    target.cpus[0].kernel_gs_base = per_cpu;
    set("mk::Task", task, "minor_faults", 7);
    set("mk::AddressSpace", mm, "page_table_.root_", target.cpus[0].cr3 / x86::kPageSize);
    counts = memory(2 * kPages);
    descriptors = memory(64 * kPages);
    global("mk::end_of_frames", kPages);
    global("mk::descriptors_end", kPages);
    global("mk::counts", counts);
    global("mk::descriptors", descriptors);
    for (const char* policy :
         {"mapcount", "page_count", "unshare_mapcount", "anon_exclusive", "pte", "pte_group"})
      page_of(types.variable(std::string("mk::cow_") + policy)->address);
    choose_policy("pte");
    zero_pfn = page_of(types.variable("mk::zeros")->address) / x86::kPageSize;
  }

  // At the end of the table, a child of `parent`.
  uint64_t add_process(int32_t tgid, uint64_t parent = 0) {
    const uint64_t made = add("mk::Process");
    set("mk::Process", made, "tgid", static_cast<uint64_t>(tgid));
    set("mk::Process", made, "parent", parent);
    const KernelField limits = types.field("mk::Process", "limits").value();
    for (uint64_t i = 0; i < limits.type.size / limits.type.element_size; ++i)
      set(limits.type.name, made + limits.offset + i * limits.type.element_size, "soft", ~uint64_t{0});
    if (last_process_ == 0) {
      global("mk::first_process", made);
    } else {
      set("mk::Process", last_process_, "next", made);
    }
    return last_process_ = made;
  }
  // As the first thread of the process.
  uint64_t add_task(uint64_t of, int32_t pid, std::string_view name, uint64_t space) {
    const uint64_t made = add("mk::Task");
    set("mk::Task", made, "pid", static_cast<uint64_t>(pid));
    set("mk::Task", made, "tgid", get("mk::Process", of, "tgid"));
    text(made + types.field("mk::Task", "name")->offset, name);
    set("mk::Task", made, "mm.object_", space);
    set("mk::Task", made, "process.object_", of);
    set("mk::Task", made, "next_thread", get("mk::Process", of, "threads"));
    set("mk::Process", of, "threads", made);
    return made;
  }

  // Kernel memory, zeroed; below a page it does not cross one.
  uint64_t memory(uint64_t bytes) {
    const uint64_t first = target.new_page();
    for (uint64_t more = x86::kPageSize; more < bytes; more += x86::kPageSize) target.new_page();
    return kDirectMap + first;
  }
  uint64_t add(const std::string& type) { return memory(types.size_of(type).value()); }

  void set(const std::string& type, uint64_t object, std::string_view path, uint64_t value) {
    const KernelField field = types.field(type, path).value();
    target.put(object + field.offset - kDirectMap, value, field.type.size);
  }
  uint64_t get(const std::string& type, uint64_t object, std::string_view path) {
    const KernelField field = types.field(type, path).value();
    uint64_t value = 0;
    const auto at = target.memory.begin() + static_cast<long>(object + field.offset - kDirectMap);
    std::copy_n(at, field.type.size, reinterpret_cast<uint8_t*>(&value));
    return value;
  }
  void text(uint64_t linear, std::string_view text) {
    std::copy(text.begin(), text.end(), target.memory.begin() + static_cast<long>(linear - kDirectMap));
  }
  // The physical page of a global, mapped when it was not.
  uint64_t page_of(uint64_t linear) {
    const uint64_t page = linear & x86::kPageMask;
    TargetMemory tables(target);
    x86::PagingContext context = x86::PagingContext::of(target.cpus[0], {});
    if (const auto found = x86::peek_walk(context, {.linear = page}, tables)) return found->physical_base;
    const uint64_t physical = target.new_page();
    target.map(page, physical | kP | kW | kXd);
    return physical;
  }
  void global(const std::string& name, uint64_t value) {
    const KernelVariable variable = types.variable(name).value();
    target.put(page_of(variable.address) + variable.address % x86::kPageSize, value, variable.type.size);
  }

  uint64_t add_area(uint64_t start, uint64_t end, uint64_t flags, uint64_t file = 0, uint64_t offset = 0) {
    const uint64_t area = add("mk::Vma");
    set("mk::Vma", area, "start", start);
    set("mk::Vma", area, "end", end);
    set("mk::Vma", area, "flags", flags);
    set("mk::Vma", area, "file.object_", file);
    set("mk::Vma", area, "offset", offset);
    if (last_area_ == 0) {
      set("mk::AddressSpace", mm, "vmas_.first_", area);
    } else {
      set("mk::Vma", last_area_, "next", area);
    }
    last_area_ = area;
    return area;
  }
  uint64_t add_name(uint64_t parent, std::string_view name, uint64_t inode) {
    const uint64_t dentry = add("mk::Dentry"), letters = memory(name.size() + 1);
    text(letters, name);
    set("mk::Dentry", dentry, "name_", letters);
    set("mk::Dentry", dentry, "name_length_", name.size());
    set("mk::Dentry", dentry, "parent_.object_", parent);
    set("mk::Dentry", dentry, "inode_.object_", inode);
    return dentry;
  }
  // /bin/prog
  uint64_t add_file(uint64_t bytes) {
    const uint64_t inode = add("mk::Inode"), file = add("mk::File"), root = add("mk::Dentry");
    set("mk::Inode", inode, "size", bytes);
    set("mk::File", file, "dentry_.object_", add_name(add_name(root, "bin", 0), "prog", inode));
    return file;
  }
  // By its name in the kernel: "anon-exclusive" is mk::cow_anon_exclusive. Counts are in descriptors then,
  // but for those that look at entries.
  void choose_policy(std::string name) {
    const bool by_entry = name.starts_with("pte");
    std::ranges::replace(name, '-', '_');
    const KernelVariable reference = types.variable("mk::cow_" + name).value();
    const uint64_t policy = memory(8);
    target.put(page_of(reference.address) + reference.address % x86::kPageSize, policy);
    global("mk::chosen", policy);
    global("mk::in_descriptors", by_entry ? 0 : 1);
  }
  void describe(uint64_t pfn, uint64_t references, uint64_t mapped, uint64_t flags) {
    const uint64_t descriptor = descriptors + 64 * pfn;
    set("mk::FrameDescriptor", descriptor, "references", references);
    set("mk::FrameDescriptor", descriptor, "mapped", mapped);
    set("mk::FrameDescriptor", descriptor, "flags", flags);
  }
  void count(uint64_t pfn, uint16_t value) { target.put(counts + 2 * pfn - kDirectMap, value, 2); }

  const KernelTypes& types = minikernel_types();
  FakeTarget target;
  uint64_t per_cpu = 0, process = 0, task = 0, mm = 0, counts = 0, descriptors = 0, zero_pfn = 0;

 private:
  uint64_t last_area_ = 0, last_process_ = 0;
};

}  // namespace mmuscope::debug
