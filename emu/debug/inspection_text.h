// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the inspector and the kernel view found, for people (at most Commands::kColumns columns) and as JSON
// in one line, by the rules of trace/printers.h: addresses and entries are strings "0x%016x".
#pragma once

#include <string>
#include <vector>

#include "debug/explain.h"
#include "debug/inspector.h"
#include "debug/kernel_view.h"

namespace mmuscope::debug {

struct Printed {
  std::string text;
  std::string json;
};

Printed print_walk(const WalkReport& report, const std::string& symbol);
Printed print_tables(const TableReport& report);
Printed print_tasks(const TaskList& list);
Printed print_areas(const TaskView& task, const SpaceView& space);
Printed print_frame(const FrameView& frame);
Printed print_explanation(const Explanation& explanation);

// "4K", "2M", "512G": exact, in the largest unit that divides it.
std::string size_text(uint64_t bytes);
// Lines no longer than Commands::kColumns, broken at spaces; those that follow are indented by `indent`.
std::string wrap(const std::string& text, size_t indent);
// A line that does not fit the columns is cut off and ends in "~". With the newline.
std::string clip(std::string line);

}  // namespace mmuscope::debug
