// SPDX-License-Identifier: GPL-2.0-or-later
//
// /sys/kernel/debug/gup_test, as a Linux with CONFIG_GUP_TEST has it (mm/gup_test.c): programs that test
// references to user pages have the kernel take some, look through them, and give them back. It is the device
// of Linux's selftests mm/cow and mm/gup_longterm.
//
//   GUP_*_BENCHMARK, *_BASIC_TEST     takes references to a range and gives them back
//   PIN_LONGTERM_TEST_START/READ/STOP  pins a range for long, copies what is there through the pins, unpins
//
// There is one set of long pins in the system, which goes when any file of this kind is closed. Not there:
// DUMP_USER_PAGES_TEST.
#pragma once

#include "fs/inode.h"

namespace mk {

Ref<Inode> make_gup_test();  // empty: memory is out

}  // namespace mk
