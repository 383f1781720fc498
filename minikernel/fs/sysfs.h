// SPDX-License-Identifier: GPL-2.0-or-later
//
// /sys: the few files that programs about memory look at. Transparent huge pages are "never"; there is no
// folder for hugetlbfs, as in a Linux without it; /sys/kernel/debug is empty.
#pragma once

namespace mk {

// Puts /sys into the tree, over whatever the initramfs has there.
void sysfs_init();

}  // namespace mk
