// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which frames are pinned, and how often: what the entry policies keep instead of a count in the frame's
// descriptor. An entry's PIN only says that a look is worth while; here is the truth. A pin holds a reference
// of its own to the frame, so that the frame lives as long as anybody may write to it, whatever becomes of
// the mapping.
//
// A small hash table: pins are few, and only fork of an entry with PIN, and unpinning, look here.
#pragma once

#include <stdint.h>

#include "arch/x86_64/pte.h"

namespace mk {

// Room for a pin, got before locks are taken.
struct PinNode;
PinNode* new_pin_node();  // null: memory is out
void free_pin_node(PinNode* node);

// Pins the frame that `entry` maps, if the entry still is `seen`, by one compare-exchange to `wanted`:
// against fork and unmapping on other CPUs this is all that is needed. Neither mmap_lock nor the page-table
// lock has to be held. The frame cannot be freed meanwhile, because whoever frees a mapped frame waits first
// until this CPU has answered a TLB flush, which it does not do in here. Takes `node` over when it needs it
// (null then).
enum class PinResult { kPinned, kChanged, kFull };
PinResult pin_entry(Pte* entry, Pte seen, Pte wanted, PinNode*& node);
// Of a frame that cannot go away because the caller has a reference or its page-table lock. False: the count
// is full.
bool pin_frame(Pfn pfn, PinNode*& node);
void unpin_frame(Pfn pfn);
bool is_pinned(Pfn pfn);

}  // namespace mk
