// SPDX-License-Identifier: GPL-2.0-or-later
//
// A device that reads memory and never writes it: the long-term read-only pins of Linux's gup_test
// (CONFIG_GUP_TEST, lib/gup_test.c), as what an RDMA card takes to send from.
#pragma once

#include <sys/ioctl.h>

#include "tap.h"

struct PinRange {
  uint64_t address, bytes;
  uint32_t flags;
};

#define PIN_START _IOW('g', 7, struct PinRange)
#define PIN_STOP _IO('g', 8)
#define PIN_READ _IOW('g', 9, uint64_t)

static inline int open_pins(void) {
  int pins = open("/sys/kernel/debug/gup_test", O_RDWR);
  if (pins < 0) skip("no gup_test");
  return pins;
}

static inline void pin_for_reading(int pins, const char* page) {
  struct PinRange range = {.address = (uintptr_t)page, .bytes = kPage};
  MUST(ioctl(pins, PIN_START, &range) == 0);
}

// The first byte, as the device sees it.
static inline int pinned_byte(int pins) {
  char page[kPage];
  uint64_t to = (uintptr_t)page;
  MUST(ioctl(pins, PIN_READ, &to) == 0);
  return page[0];
}

static inline void unpin(int pins) { MUST(ioctl(pins, PIN_STOP) == 0); }
