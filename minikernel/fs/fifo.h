// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pipes with a name: fifo(7), Linux fs/pipe.c (fifo_open). There is a pipe as long as somebody has the file
// open; what is in it when the last one closes it is lost. Opening an end waits for the other one, unless
// O_NONBLOCK is set (then opening for writing alone is ENXIO without a reader) or both ends are opened at
// once.
#pragma once

#include "fs/inode.h"

namespace mk {

Ref<Inode> make_fifo(uint32_t permissions);  // empty: no memory

}  // namespace mk
