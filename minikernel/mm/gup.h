// SPDX-License-Identifier: GPL-2.0-or-later
//
// References to user pages for somebody who is no page-table entry: a pipe, a device, another process.
// Linux's get_user_pages() and pin_user_pages() (mm/gup.c, Documentation/core-api/pin_user_pages.rst).
//
// kFollGet wants the page as it is now (a buffer that is read from once); kFollPin says that data of the page
// will be read or written through the reference while the program goes on using it. Which of them keeps what
// promise is the copy-on-write policy's matter (mm/cow/): whether a read-only reference of a shared page
// makes a copy first, what a write fault and fork do with a page that has references. Under the policies that
// look at entries every reference is a pin: it is counted in the ledger (pin_ledger.h) and the entry has PIN.
//
// A reference keeps the frame alive whatever becomes of the mapping.
#pragma once

#include <stdint.h>

#include "mm/frame_allocator.h"

namespace mk {

class AddressSpace;

inline constexpr unsigned kFollWrite = 1;  // the page is going to be written
inline constexpr unsigned kFollGet = 2;    // exactly one of kFollGet and kFollPin
inline constexpr unsigned kFollPin = 4;
inline constexpr unsigned kFollLongterm = 8;  // with kFollPin: for a time without limit (registered buffers)
inline constexpr unsigned kFollForce = 16;    // even where the area allows it only to a debugger (ptrace)

inline constexpr unsigned kFollNoWait =
    32;  // a page that a monitor of userfaultfd has to be asked for cannot be had

// One page. Empty when pfn is 0.
struct PageRef {
  Pfn pfn = 0;
  unsigned flags = 0;  // as it was asked for
};

// References to `count` pages from the one with `address` on, faulted in as far as needed; blocks where a
// fault would. How many it got, up to the first that cannot be had; when that is the very first: -EFAULT,
// -ENOMEM, -ERESTARTSYS for a signal while a monitor of userfaultfd is waited for. Called without spinlocks.
// Any task may ask for any address space.
long get_user_pages(AddressSpace& mm, uint64_t address, size_t count, unsigned flags, PageRef* out);
// For the running task's own address space; tries without mmap_lock first (get_user_pages_fast).
long get_own_pages(uint64_t address, size_t count, unsigned flags, PageRef* out);

// Gives a reference back. May be called by any task, with spinlocks held.
void put_user_page(PageRef& ref);

// The kernel's own view of the page.
void* page_bytes(const PageRef& ref);

// Linux's access_process_vm(), which waits for no monitor: reads or writes another address space's memory as
// a debugger may, with kFollForce also where the area forbids it and below a stack, which grows
// (process_vm_readv has neither). Bytes done; less than asked for when a page cannot be had. `buffer` is
// kernel memory.
long access_process_memory(AddressSpace& mm, uint64_t address, void* buffer, size_t bytes, unsigned flags);

}  // namespace mk
