// SPDX-License-Identifier: GPL-2.0-or-later
//
// Registers: PC16550D data sheet.
#include "arch/x86_64/uart.h"

#include "abi/trace_port.h"
#include "arch/x86_64/cpu.h"

namespace mk {
namespace {

constexpr uint16_t kCom1 = 0x3f8;
constexpr uint16_t kData = kCom1;
constexpr uint16_t kInterruptEnable = kCom1 + 1;
constexpr uint16_t kFifoControl = kCom1 + 2;
constexpr uint16_t kLineControl = kCom1 + 3;
constexpr uint16_t kModemControl = kCom1 + 4;
constexpr uint16_t kLineStatus = kCom1 + 5;

constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kTransmitEmpty = 0x20;

}  // namespace

void init_uart() {
  out8(kInterruptEnable, 0);
  out8(kLineControl, 0x80);  // divisor latch: 115200 baud
  out8(kData, 1);
  out8(kInterruptEnable, 0);
  out8(kLineControl, 0x03);  // 8 bits, no parity, 1 stop bit
  out8(kFifoControl, 0x07);  // FIFOs on and empty
  out8(kModemControl, 0x03);
}

void uart_put(uint8_t byte) {
  while (!(in8(kLineStatus) & kTransmitEmpty)) cpu_pause();
  out8(kData, byte);
}

int uart_try_get() { return in8(kLineStatus) & kDataReady ? in8(kData) : -1; }
void uart_start_reading() { out8(kInterruptEnable, 1); }
void uart_stop_reading() { out8(kInterruptEnable, 0); }

void debug_put(uint8_t byte) { out8(trace_abi::kDebugConsolePort, byte); }
bool debug_is_read() { return in8(trace_abi::kDebugConsolePort) == 0xe9; }

void machine_exit(uint32_t status) {
  out32(trace_abi::kDebugExitPort, status);
  while (true) asm volatile("cli; hlt");
}

}  // namespace mk
