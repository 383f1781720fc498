// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/self/exe: the link through which a program finds its own file. The rest of /proc comes with the
// programs that read it (linux-abi.md, "observing memory").
#pragma once

namespace mk {

void self_init();

}  // namespace mk
