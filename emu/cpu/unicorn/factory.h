// SPDX-License-Identifier: GPL-2.0-or-later
//
// Makes the real engine without showing what it is made of.
#pragma once

#include <memory>

#include "base/error.h"
#include "cpu/cpu_engine.h"
#include "memory/ram.h"

namespace mmuscope {

// Both must outlive the engine. kHost when the Unicorn that is installed cannot do what is needed.
Expected<std::unique_ptr<CpuEngine>> make_unicorn_engine(Ram& ram, EngineClient& client);

}  // namespace mmuscope
