// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

namespace mmuscope::cli {

std::atomic<int> interrupted;

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = [](int number) {
    if (interrupted.exchange(number) != 0) ::_exit(128 + number);
  };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace mmuscope::cli
