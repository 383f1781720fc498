// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "fs/poll_set.h"

namespace mk {

// PollSet::wait() under another signal mask; with `mask` 0 under the task's own. What it gives, or -EINVAL,
// -EFAULT.
long wait_with_mask(PollSet& set, uint64_t end, uint64_t mask, uint64_t mask_size);

}  // namespace mk
