// SPDX-License-Identifier: GPL-2.0-or-later
#include "cpu/unicorn/factory.h"

#include "cpu/unicorn/unicorn_engine.h"

namespace mmuscope {

Expected<std::unique_ptr<CpuEngine>> make_unicorn_engine(Ram& ram, EngineClient& client) {
  return UnicornEngine::create(ram, client);
}

}  // namespace mmuscope
