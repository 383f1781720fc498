// SPDX-License-Identifier: GPL-2.0-or-later
//
// The processors: which there are (ACPI's MADT) and how they start (SDM Vol. 3, 10.4).
#pragma once

namespace mk {

// Reads the MADT and gives every enabled processor a PerCpu; this one is number 0. Without ACPI there is only
// this one.
void find_cpus();
// Starts the others, one after the other, and has each answer an interrupt. They wait for make_idle_tasks()
// then.
void start_other_cpus();

}  // namespace mk
