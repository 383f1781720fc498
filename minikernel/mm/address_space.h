// SPDX-License-Identifier: GPL-2.0-or-later
//
// An address space: its areas, its page table, the memory system calls and the page-fault handler. Linux's
// mm_struct. Functions named after a system call take its arguments unchecked and return what it returns: a
// value or -errno. Shared by the threads of a process (RefCounted).
//
//   0x0000555555554000  static-PIE images; others where they are linked. brk follows the image.
//   0x00007ffff7fff000  mmap_base: mappings grow down from here (128 MiB kept free for the stack)
//   0x00007ffffffff000  kUserEnd: top of the stack. The same under LA57: user space has 47 bits.
// Nothing is randomised; this is Linux's layout with ADDR_NO_RANDOMIZE.
//
// Locks: mmap_lock is held for writing by whatever changes the set of areas, for reading by faults; an
// entry's page-table lock (arch/x86_64/page_table.h) around its change. Nothing that holds either touches
// user memory. Memory is never refused up front (Linux's overcommit_memory=1): running out shows when a page
// is touched.
#pragma once

#include <stdint.h>

#include "abi/trace_port.h"
#include "arch/x86_64/page_table.h"
#include "lib/ref.h"
#include "lib/result.h"
#include "lib/spinlock.h"
#include "mm/gup.h"
#include "mm/mmap_lock.h"
#include "mm/vma.h"

namespace mk {

using trace_abi::FaultOutcome;

inline constexpr uint64_t kPieBase = 0x0000555555554000;
inline constexpr uint64_t kMmapBase = 0x00007ffff7fff000;
inline constexpr uint64_t kStackTop = 0x00007ffffffff000;
inline constexpr uint64_t kUnmappedBase =
    0x00002aaaaaaab000;                               // a third of user space: Linux's TASK_UNMAPPED_BASE
inline constexpr uint64_t kLowMapStart = 0x40000000;  // MAP_32BIT
inline constexpr uint64_t kLowMapEnd = 0x80000000;
inline constexpr uint64_t kStackGuardGap = 256 * kPageSize;
inline constexpr uint64_t kMmapMinAddress = 0x10000;
inline constexpr size_t kMaxMapCount = 65530;

// Linux's is_data_mapping, what RLIMIT_DATA counts: private and writable, and not the stack.
inline bool is_data_mapping(uint64_t vm_flags) {
  return (vm_flags & (kVmWrite | kVmShared | kVmGrowsDown)) == kVmWrite;
}

struct ShareGroup;
struct PagemapScan;
class MappingCounter;
template <typename T>
class FrameArray;

// A word in memory: of this address space, or of the file that is mapped there, shared.
struct FutexKey {
  const void* object = nullptr;
  uint64_t offset = 0;
  Ref<File> file;  // keeps `object` what it is
  bool operator==(const FutexKey& other) const { return object == other.object && offset == other.offset; }
};

enum class Access { kRead, kWrite, kFetch };

// What the entries of a range map, in pages (mm/inspect.cpp). The zero page counts nowhere.
struct PageCounts {
  uint64_t anonymous = 0, file = 0, shmem = 0, swap = 0;  // the first three make up the RSS
  uint64_t private_clean = 0, private_dirty = 0, shared_clean = 0, shared_dirty = 0;
  uint64_t referenced = 0;
  uint64_t proportional = 0, proportional_dirty = 0;  // PSS: bytes
  uint64_t locked = 0;                                // of them, in areas that are locked
  uint64_t resident() const { return anonymous + file + shmem; }
  void add(const PageCounts& other);
};

// Which entries of a range are dropped (Linux's zap_details).
struct ZapRules {
  bool markers = false;          // markers, too
  bool only_file_pages = false;  // not the copies that private areas have of them
  bool not_protected = false;    // not what userfaultfd protects against writing, pages and markers
  // Without `markers`: whose write protection outlives the pages, if it is a file's.
  const Vma* area = nullptr;
};

// Why pages are faulted in ahead, which decides what a page means that cannot be.
enum class Populate {
  kMap,    // MAP_POPULATE and what new areas are locked: never an error
  kLock,   // mlock
  kRead,   // MADV_POPULATE_READ
  kWrite,  // MADV_POPULATE_WRITE
};

class AddressSpace : public RefCounted {
 public:
  static Ref<AddressSpace> create();  // empty Ref: memory is out
  explicit AddressSpace(PageTable page_table);
  ~AddressSpace();

  // For looking at all of them one after the other: the one made after `after` (null: the first), empty at
  // the end. One that ends meanwhile is left out; one that is made meanwhile comes last.
  static Ref<AddressSpace> next_in_list(const AddressSpace* after);

  // Calls visit(Pte) for every entry of every address space that maps a frame with a descriptor; visit(Pfn)
  // for every table. No page-table lock may be held.
  template <typename Visit>
  static void for_each_mapping(Visit visit) {
    for_each_page_table([&](const PageTable& table) {
      table.for_each(0, kUserEnd, [&](uint64_t, Pte* entry) {
        Pte now = read_pte(entry);
        if (now.maps_page() && !now.special()) visit(now);
      });
    });
  }
  template <typename Visit>
  static void for_each_table(Visit visit) {
    for_each_page_table([&](const PageTable& table) { table.for_each_table_frame(visit); });
  }

  PageTable& page_table() { return page_table_; }

  // A copy for a child of fork (mm/fork.cpp): areas and pages, which both share from now on as the
  // copy-on-write policy wants it. -ENOMEM.
  Result<Ref<AddressSpace>> fork();

  // System calls (mm/mmap.cpp, mm/mprotect.cpp, mm/mremap.cpp, mm/madvise.cpp, mm/mlock.cpp, mm/mincore.cpp).
  long mmap(uint64_t address, uint64_t length, uint64_t prot, uint64_t flags, Ref<File> file,
            uint64_t offset);
  long munmap(uint64_t address, uint64_t length);
  long brk(uint64_t address);
  long mprotect(uint64_t address, uint64_t length, uint64_t prot);
  long mremap(uint64_t address, uint64_t old_length, uint64_t new_length, uint64_t flags,
              uint64_t new_address);
  long madvise(uint64_t address, uint64_t length, int advice);
  // Linux's VM_LOCKED or both VM_LOCKED and VM_LOCKONFAULT in `lock`; 0 unlocks.
  long mlock(uint64_t address, uint64_t length, uint64_t lock);
  long mlockall(uint64_t mcl_flags);
  long munlockall();
  long msync(uint64_t address, uint64_t length, int flags);
  long mseal(uint64_t address, uint64_t length);
  // One page's answer of mincore(2): 0, 1, or -ENOMEM where nothing is mapped.
  long mincore(uint64_t address);

  // Pages [first, first + count) of a file have left it, or are about to (mm/unmap_mapping.cpp).
  void unmap_file_pages(const Inode& inode, uint64_t first, uint64_t count, bool even_cows);

  // For exec: maps an area without the checks a program's call gets. -errno.
  long map_area(uint64_t start, uint64_t end, uint64_t vm_flags, Ref<File> file, uint64_t offset);
  void set_brk(uint64_t start) { start_brk_ = brk_ = start; }

  // Page faults (mm/fault.cpp). A fault of an access by the program, or by the kernel on its behalf, at a
  // user address. `outcome` is final: nothing else happens for the fault, except the signal the caller sends.
  struct FaultResult {
    FaultOutcome outcome;
    int si_code;  // with kSigsegv and kSigbus
  };
  // kUserfault: `wait` has been queued, the caller waits and repeats the access.
  FaultResult handle_page_fault(uint64_t address, Access access, bool protection_violation,
                                UserfaultWait& wait);

  // Linux's access_process_vm: the kernel reads and writes as the program could, faulting pages in. -EFAULT,
  // -ENOMEM.
  long write_memory(uint64_t address, const void* source, size_t bytes);
  long clear_memory(uint64_t address, size_t bytes);

  // userfaultfd's ioctls (mm/userfaultfd_areas.cpp, mm/userfaultfd_fill.cpp, mm/userfaultfd_protect.cpp,
  // mm/userfaultfd_move.cpp). Ranges are checked (UserfaultRange); modes are those of the ioctl's argument.
  // Those that fill return the bytes done, up to the first page that could not be, or its -errno.
  long register_userfaultfd(const Ref<Userfaultfd>& context, uint64_t start, uint64_t end, uint64_t vm_flags);
  long unregister_userfaultfd(const Userfaultfd& context, uint64_t start, uint64_t end);
  void release_userfaultfd(const Userfaultfd& context);
  enum class Fill { kCopy, kZero, kContinue, kPoison };
  long userfault_fill(const Userfaultfd& context, Fill how, uint64_t start, uint64_t length, uint64_t source,
                      bool write_protected);
  long userfault_protect(const Userfaultfd& context, uint64_t start, uint64_t length, bool protect);
  long userfault_move(const Userfaultfd& context, uint64_t to, uint64_t from, uint64_t length, bool holes);
  Userfaultfd* userfaultfds = nullptr;  // all that belong to it; of mm/userfaultfd.cpp

  // For /proc (mm/inspect.cpp). Calls visit(const Vma&) in order of addresses, with mmap_lock held for
  // reading; the visitor may call the functions below that are called *_locked.
  template <typename Visit>
  void for_each_vma(Visit visit) {
    MmapReadGuard guard(mmap_lock_);
    for (const Vma* vma = vmas_.first(); vma != nullptr; vma = vma->next) visit(*vma);
  }
  PageCounts page_counts_locked(const Vma& vma);                             // without how pages are shared
  PageCounts shared_counts_locked(const Vma& vma, MappingCounter& counter);  // all
  PageCounts page_counts();
  // Fills `words` with those of /proc/PID/pagemap for `pages` pages from `address` on, at most
  // counter.most().
  void pagemap_entries(uint64_t address, size_t pages, FrameArray<uint64_t>& words, MappingCounter& counter);
  // Copies what is mapped, as far as it is; changes nothing and faults nothing in. How many bytes.
  size_t peek_memory(uint64_t address, void* out, size_t bytes);
  // Goes on with a PAGEMAP_SCAN (mm/pagemap_scan.cpp).
  long scan_pagemap(PagemapScan& scan);
  // /proc/PID/clear_refs (mm/soft_dirty.cpp).
  void clear_soft_dirty_bits();
  void clear_accessed_bits(bool anonymous, bool files);
  void reset_max_rss();
  uint64_t heap_start() const { return start_brk_; }
  uint64_t heap_end() const { return brk_; }
  uint64_t page_table_bytes() const { return page_table_.table_count() * kPageSize; }

  uint64_t total_pages() const { return total_pages_; }
  uint64_t locked_pages() const { return locked_pages_; }
  // Frames mapped, the page of zeros not counted; now, and at most so far.
  uint64_t rss_pages() const { return __atomic_load_n(&rss_pages_, __ATOMIC_RELAXED); }
  uint64_t max_rss_pages() const { return __atomic_load_n(&max_rss_pages_, __ATOMIC_RELAXED); }

  // What names the futex word at `address`. -EFAULT.
  long futex_key(uint64_t address, bool is_private, FutexKey& key);

  // Entries changed whose flush is still owed (Linux's tlb_flush_pending); TlbBatch counts.
  uint32_t tlb_flush_pending = 0;
  ShareGroup* share_group = nullptr;  // mm/cow/pte_group.cpp
  bool has_pinned = false;            // somebody has ever pinned a page of it (Linux's MMF_HAS_PINNED)

  // A reference to the page at `address` (mm/gup.cpp), faulted in if need be. -EFAULT, -ENOMEM, -ERESTARTSYS.
  long get_page(uint64_t address, PageRef& ref);
  // Copies what is in one page, faulted in if need be, without a reference to it. As get_page(); kFollWrite
  // is not for it.
  long read_page(uint64_t address, void* out, size_t bytes, unsigned follow);
  // Makes a stack above `address` reach down to it (Linux's expand_stack). True: some area is there now.
  bool grow_stack(uint64_t address);
  uint64_t data_pages() const { return data_pages_; }

  uint64_t serial_number = 0;  // no two ever made have the same
  Ref<File> executable;
  // The program, which nobody may write from now on: the caller has seen to that (Inode::deny_write_access).
  void set_executable(const Ref<File>& file) { executable = file; }
  uint64_t argument_start = 0, argument_end = 0, environment_end = 0;

 private:
  // Areas (mm/areas.cpp). All of these need mmap_lock held for writing.
  static Result<Vma*> new_vma(uint64_t start, uint64_t end, uint64_t flags, const Ref<File>& file,
                              uint64_t offset);
  static void free_vma(Vma* vma);
  void insert(Vma* vma);
  void remove(Vma* vma);
  long split_at(uint64_t address);
  bool room_to_isolate(const Vma& vma, uint64_t start, uint64_t end, uint64_t flags,
                       const Ref<Userfaultfd>& userfaultfd) const;
  Result<Vma*> isolate(Vma& vma, uint64_t start, uint64_t end, uint64_t flags);
  Result<Vma*> isolate(Vma& vma, uint64_t start, uint64_t end, uint64_t flags, Ref<Userfaultfd> userfaultfd);
  void merge_range(uint64_t start, uint64_t end);
  bool any_sealed(uint64_t start, uint64_t end) const;
  void set_flags(Vma* vma, uint64_t flags);
  void account(const Vma& vma, int sign);
  bool may_expand(uint64_t flags, uint64_t bytes) const;
  bool may_expand_data(uint64_t bytes) const;
  Result<uint64_t> unmapped_area(uint64_t hint, uint64_t length, bool low_2_gib) const;
  uint64_t search_top_down(uint64_t length, uint64_t top) const;
  uint64_t search_bottom_up(uint64_t length, uint64_t bottom, uint64_t top) const;
  uint64_t mapped_bytes(uint64_t start, uint64_t end) const;
  long unmap_locked(uint64_t start, uint64_t end, UserfaultEvents& events);
  long map_locked(uint64_t start, uint64_t length, uint64_t vm_flags, const Ref<File>& file, uint64_t offset,
                  UserfaultEvents& events);
  struct Remap;
  long mremap_locked(Remap& remap);
  long mremap_to(Remap& remap, Vma* vma);
  long shrink(Remap& remap);
  long move_areas(const Remap& all);
  long check_resize(const Remap& remap, const Vma& vma) const;
  long move_vma(Vma* vma, const Remap& remap, uint64_t new_address);
  long protect_locked(Vma* vma, uint64_t start, uint64_t end, uint64_t new_access);
  bool grow_in_place(Vma* vma, uint64_t new_end);
  long brk_locked(uint64_t address, uint64_t& populate_from, UserfaultEvents& events);
  long map_new(Ref<File>& file, uint64_t start, uint64_t size, uint64_t prot, uint64_t flags, uint64_t offset,
               UserfaultEvents& events);
  long tell_removal(uint64_t start, uint64_t end);
  long advise_area(Vma& vma, uint64_t start, uint64_t end, int advice);
  long remove_pages(uint64_t start, uint64_t end);
  static bool may_lock_at_all();
  bool may_lock(uint64_t vm_flags, uint64_t bytes) const;
  uint64_t locked_bytes(uint64_t start, uint64_t end) const;
  long lock_area(Vma& vma, uint64_t start, uint64_t end, uint64_t lock);
  void lock_all(uint64_t lock);

  // Faults pages in ahead, without mmap_lock held (mm/populate.cpp).
  long populate(uint64_t start, uint64_t end, Populate why);
  long populate_area(Vma& vma, uint64_t& start, uint64_t end, Populate why, UserfaultWait* wait);

  // Entries (mm/page_range.cpp).
  void zap_range(uint64_t start, uint64_t end, ZapRules rules = {});
  long install_guards(uint64_t start, uint64_t end);
  void remove_guards(uint64_t start, uint64_t end);
  void change_protection(const Vma& vma, uint64_t start, uint64_t end);
  bool move_entries(const Vma& vma, uint64_t from, uint64_t to, uint64_t length, bool drops_wp);
  long protect_area(const Vma& vma, uint64_t start, uint64_t end);
  static bool protect_page(const Vma& vma, Pte* entry);
  long scan_table(PagemapScan& scan, const Vma& vma, uint64_t area, uint64_t end);
  void unprotect_area(const Vma& vma, uint64_t start, uint64_t end);
  long uncover_area(Vma& vma, uint64_t start, uint64_t end);
  Vma* fill_area(const Userfaultfd& context, Fill how, uint64_t start, uint64_t length, bool write_protected,
                 long& error);
  long fill_page(Vma& vma, Fill how, uint64_t address, Pfn& pfn, bool write_protected);
  long check_move(const Userfaultfd& context, uint64_t to, uint64_t from, uint64_t length, Vma*& target,
                  Vma*& source);
  long move_page(Vma& target, uint64_t to, uint64_t from, bool holes);

  // Faults (mm/fault.cpp), with mmap_lock held for reading.
  FaultResult fault_locked(Vma& vma, uint64_t address, Access access, bool protection_violation,
                           UserfaultWait& wait);
  FaultOutcome handle_mm_fault(Vma& vma, uint64_t address, Access access, UserfaultWait* wait);
  FaultOutcome do_anonymous_page(Vma& vma, Pte* entry, Access access, UserfaultWait* wait);
  FaultOutcome do_file_fault(Vma& vma, uint64_t address, Pte* entry, Access access, UserfaultWait* wait);
  FaultOutcome do_pfn_fault(Vma& vma, uint64_t address, Pte* entry, Access access);
  FaultOutcome do_wp_page(Vma& vma, uint64_t address, Pte* entry, UserfaultWait* wait);
  bool file_userfault(const Vma& vma, uint64_t address, Pte* entry, Access access, UserfaultWait* wait,
                      FaultOutcome& outcome);
  FaultOutcome copy_page(Vma& vma, uint64_t address, Pte* entry);
  FaultOutcome unshare_page(Vma& vma, uint64_t address, Pte* entry);
  void replace_page(uint64_t address, Pte* entry, Pte replacement);
  void count_rss(int64_t pages);
  long copy_areas(AddressSpace& child, UserfaultEvents& events);
  long copy_page_range(AddressSpace& child, const Vma& vma, const Vma& copy);
  Pte new_page_entry(const Vma& vma, Pfn pfn, uint64_t bits = 0);
  // References (mm/gup.cpp), with mmap_lock held for reading. 1: a monitor of userfaultfd has to be waited
  // for.
  long follow_page(uint64_t address, PageRef& ref, UserfaultWait* wait);
  long read_page_locked(uint64_t address, void* out, size_t bytes, unsigned follow, UserfaultWait* wait);
  template <typename Try>
  long with_monitors(uint64_t address, unsigned follow, Try attempt);

  bool expand_stack(Vma& vma, uint64_t address);
  Pfn fault_in(uint64_t address, Access access);
  template <typename Visit>
  long for_each_writable_part(uint64_t address, size_t bytes, Visit visit);
  static void visit_page_tables(void (*visit)(const PageTable&, void*), void* argument);
  template <typename Visit>
  static void for_each_page_table(Visit visit) {
    visit_page_tables([](const PageTable& table, void* to) { (*static_cast<Visit*>(to))(table); }, &visit);
  }

  PageTable page_table_;
  MmapLock mmap_lock_;
  VmaSet vmas_;
  uint64_t start_brk_ = 0;
  uint64_t brk_ = 0;
  uint64_t total_pages_ = 0;
  uint64_t rss_pages_ = 0;
  uint64_t max_rss_pages_ = 0;
  uint64_t data_pages_ = 0;  // private writable: what RLIMIT_DATA limits
  uint64_t locked_pages_ = 0;
  uint64_t default_flags_ = 0;  // of new areas: VM_LOCKED, VM_LOCKONFAULT after mlockall(MCL_FUTURE)
  AddressSpace* previous_in_list_ = nullptr;
  AddressSpace* next_in_list_ = nullptr;
};

}  // namespace mk
