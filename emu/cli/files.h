// SPDX-License-Identifier: GPL-2.0-or-later
//
// Host files, read and written whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mmuscope::cli {

// kUsage when it cannot be opened or read. Of a file that does not begin with `magic` only the beginning is
// read, which need not end (/dev/zero).
Expected<std::vector<uint8_t>> read_file(const std::filesystem::path& path, std::string_view magic = {});
// Writes beside it and renames: the file is there whole or as it was. kUsage.
Expected<void> write_file(const std::filesystem::path& path, std::span<const uint8_t> bytes);
Expected<void> write_file(const std::filesystem::path& path, const std::string& text);

// The kernel that belongs to this program: beside it (build folder), or in ../share/mmuscope (installed).
// kUsage.
Expected<std::filesystem::path> find_kernel();
// The folder of the scenario programs: guest-tests/scenarios beside it, or ../share/mmuscope/scenarios.
// kUsage.
Expected<std::filesystem::path> find_scenarios();

}  // namespace mmuscope::cli
