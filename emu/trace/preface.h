// SPDX-License-Identifier: GPL-2.0-or-later
//
// What readers of events must have been told who come in the middle of a run: which ranges are watched, and
// which program each task executes. As tracepoint records, such as the kernel itself made or would make; they
// stand in front of the events of a run that goes on from a snapshot, with icount 0.
#pragma once

#include <memory>
#include <vector>

#include "trace/event.h"
#include "trace/symbolizer.h"

namespace mmuscope::trace {

class Preface final : public EventSink {
 public:
  using Records = std::vector<trace_abi::TraceRecord>;

  void put(const Event& event) override;
  // As of the last event.
  Records records() const;

 private:
  Symbolizer programs_{std::make_shared<Images>()};
  Records ranges_;
};

}  // namespace mmuscope::trace
