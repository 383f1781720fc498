// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a slot of a pipe's ring refers to: a part of one page, as Linux's struct pipe_buffer. The page is a
// frame with a reference (a page of the pipe's own, which the next write may go on filling, or a page of a
// file's cache that splice put there), the page of zeros, or a page of a program's memory (vmsplice), whose
// reference is given back as mm/gup.h wants it. Nobody writes into a page that is not the pipe's own.
//
// Slots are plain values that a ring holds in an array: whoever takes one out owns its reference.
#pragma once

#include <stdint.h>

#include "lib/ref.h"
#include "mm/gup.h"

namespace mk {

// A reference to a page of user memory that slots share: tee() and splice() make more slots of one.
class UserPage : public RefCounted {
 public:
  explicit UserPage(PageRef page) : page_(page) {}
  ~UserPage() { put_user_page(page_); }
  const PageRef& page() const { return page_; }

 private:
  PageRef page_;
};

struct PipeSlot {
  enum class Kind : uint8_t { kFrame, kZeros, kUserPage };

  union {
    Pfn frame = 0;
    UserPage* page;
  };
  uint16_t offset = 0;
  uint16_t length = 0;
  Kind kind = Kind::kFrame;
  bool may_merge = false;  // what follows in the frame may be filled by the next write
  bool is_packet = false;  // a read takes this slot alone, whole or not (O_DIRECT)

  char* bytes() const;  // of the data
  size_t room() const { return 4096u - offset - length; }
  void consume(size_t bytes) {
    offset = static_cast<uint16_t>(offset + bytes);
    length = static_cast<uint16_t>(length - bytes);
  }
  // The same data for another slot, which nobody appends to; false when the page can have no more references.
  bool share(PipeSlot& other) const;
  void drop();
};
static_assert(sizeof(PipeSlot) == 16);

}  // namespace mk
