// SPDX-License-Identifier: GPL-2.0-or-later
//
// The local APIC, by its memory-mapped registers (SDM Vol. 3, chapter 11).
#pragma once

#include <stdint.h>

#include "arch/x86_64/trap.h"

namespace mk {

// The old interrupt controllers, which firmware may have left ticking: moved away from the exceptions, and
// masked.
void silence_pic();

void init_apic();  // accepts interrupts from now on
uint32_t apic_id();
void apic_end_of_interrupt();
void apic_send_init(uint32_t target);
void apic_send_startup(uint32_t target, uint8_t page);
void apic_send_interrupt(uint32_t target, uint8_t vector);

// An interrupt kTimerVector on this CPU in so many nanoseconds, once; 0: none. The longest is about four
// seconds.
void apic_set_timer(uint64_t ns);
// Finds out how fast the timer counts; needs the clock.
void init_apic_timer();

}  // namespace mk
