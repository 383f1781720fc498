// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor commands that need the machine itself, not only memory and registers: tlb, faults, events,
// catch, goto, flush.
#pragma once

#include "debug/commands.h"
#include "debug/inspection_commands.h"
#include "debug/machine_target.h"

namespace mmuscope::debug {

// All must outlive `commands`; `inspection` is about `target`.
void add_machine_commands(Commands& commands, Inspection& inspection, MachineTarget& target);

}  // namespace mmuscope::debug
