// SPDX-License-Identifier: GPL-2.0-or-later
//
// eventfd(2): a counter that is waited for by reading.
#pragma once

#include "fs/file.h"
#include "lib/result.h"

namespace mk {

// `flags`: O_NONBLOCK. ENOMEM.
Result<Ref<File>> make_event_fd(uint32_t value, bool semaphore, unsigned flags);

}  // namespace mk
