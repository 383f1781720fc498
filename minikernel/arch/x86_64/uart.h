// SPDX-License-Identifier: GPL-2.0-or-later
//
// COM1, a 16550, polled: the program's console. Bytes go as they are.
#pragma once

#include <stdint.h>

namespace mk {

void init_uart();
void uart_put(uint8_t byte);
// The next byte that came in; -1: none yet. Between uart_start_reading() and uart_stop_reading() only: the
// receive interrupt is enabled there (and never taken), which tells a machine that reads its host's input on
// demand that somebody waits for it.
int uart_try_get();
void uart_start_reading();
void uart_stop_reading();

// A byte for the kernel's log: the debug console, port 0xe9.
void debug_put(uint8_t byte);
// There is such a console (Bochs' and QEMU's answer, too).
bool debug_is_read();

// Ends the machine with a status as abi/trace_port.h describes it; where nothing ends it, halts for good.
[[noreturn]] void machine_exit(uint32_t status);

}  // namespace mk
