// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/text_file.h"

#include "arch/x86_64/memory_layout.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

char* bytes_of(Pfn pfn) { return static_cast<char*>(phys_to_virt(pfn * kPageSize)); }

}  // namespace

void TextBuffer::print(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  size_t length = vformat_text(text, sizeof(text), format, arguments);
  va_end(arguments);
  append(text, min(length, sizeof(text) - 1));
}

void TextBuffer::append(const char* text) { append(text, strlen(text)); }

void TextBuffer::append(const char* text, size_t length) {
  for (size_t done = 0; done < length && error_ == 0;) {
    Pfn pfn = size_ < kMaxBytes ? pages_.find_or_add(size_ / kPageSize) : 0;
    if (pfn == 0) {
      error_ = -ENOMEM;
      return;
    }
    size_t part = min(length - done, static_cast<size_t>(kPageSize - size_ % kPageSize));
    memcpy(bytes_of(pfn) + size_ % kPageSize, text + done, part);
    size_ += part;
    done += part;
  }
  for (size_t i = length; i > 0; --i) {
    if (text[i - 1] != '\n') continue;
    line_start_ = size_ - (length - i);
    break;
  }
}

void TextBuffer::pad_to(uint64_t column) {
  while (error_ == 0 && size_ - line_start_ < column) append(" ", 1);
}

long TextBuffer::copy_out(uint64_t offset, UserBuffer buffer) const {
  size_t done = 0;
  while (done < buffer.size && offset + done < size_) {
    uint64_t at = offset + done;
    size_t part = min(min(buffer.size - done, size_ - at), static_cast<size_t>(kPageSize - at % kPageSize));
    long copied =
        copy_out_some(buffer.address + done, bytes_of(pages_.find(at / kPageSize)) + at % kPageSize, part);
    if (copied < 0) return done > 0 ? static_cast<long>(done) : copied;
    done += static_cast<size_t>(copied);
    if (static_cast<size_t>(copied) < part) break;
  }
  return static_cast<long>(done);
}

long TextFile::read(File& file, uint64_t offset, UserBuffer buffer) {
  Ref<OpenState> state = file.state();
  if (!state || offset == 0) {
    Ref<TextBuffer> text = make<TextBuffer>();
    if (!text) return -ENOMEM;
    long error = generate(*text);
    if (error == 0) error = text->error();
    if (error < 0) return error;
    state = Ref<OpenState>(text.raw());
    file.set_state(state);
  }
  return static_cast<TextBuffer&>(*state).copy_out(offset, buffer);
}

}  // namespace mk
