// SPDX-License-Identifier: GPL-2.0-or-later
//
// The words of the kernel's command line, each `name=value`, with white space between them; of several with
// one name the last counts:
//
//   init=PATH                    the first program
//   seed=N                       of what is random
//   cow=NAME                     the copy-on-write policy (mm/cow/cow_policy.h)
//   ro_pin=coherent|snapshot     what a read-only pin promises
//   fail_alloc=N[,TIMES]         allocations that fail (lib/fault_injection.h)
//
// A word that is none of them, or has a bad value, or a line that is too long, is a mistake: the kernel runs
// no program then, and tells (init.cpp). It must not run under another policy than the one that was meant.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/fault_injection.h"

namespace mk {

struct BootOptions {
  static constexpr size_t kInitSize = 512;  // /bin/ and the longest name of a file fit
  char init[kInitSize] = "/init";
  uint64_t seed = 0;
  FaultInjection failing = {};
  char mistake[160] = {};  // the first, for a person; empty: none
};

const BootOptions& boot_options();

// For boot, once: reads the command line, and takes the policy and its promise.
void read_boot_options(const char* command_line);

}  // namespace mk
