// SPDX-License-Identifier: GPL-2.0-or-later
//
// /dev/aperture: the memory of mm/aperture.h as the file of a device. It can only be mapped: shared, where
// writes go to the memory itself, or privately, where the first write copies the page into memory of the
// program's own (Linux's copy-on-write of a remap_pfn_range() mapping). Areas are VM_PFNMAP: they do not grow
// (EFAULT), pages are not dropped (EINVAL), are not resident, and nobody gets a reference to them. A mapping
// beyond its end is EINVAL. What it contains at boot is whatever the machine has there.
//
// Write protection by userfaultfd and soft-dirty tracking work, because both are matters of the entry alone.
// Linux refuses the former for such areas except with WP_ASYNC, and leaves them out of the latter.
#pragma once

#include "fs/inode.h"
#include "lib/ref.h"

namespace mk {

inline constexpr uint64_t kApertureDevice = make_device(10, 127);
Ref<Inode> make_aperture_device();

}  // namespace mk
