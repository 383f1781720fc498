// SPDX-License-Identifier: GPL-2.0-or-later
//
// Files whose contents are made when they are read, as /proc and /sys have them (Linux's seq_file). The text
// is made at the first read of an open file and again when a read starts at 0; until then the reader sees one
// state. It lies in frames and may be long; -ENOMEM when it gets too long or memory is out.
#pragma once

#include <stdint.h>

#include "fs/file.h"
#include "fs/inode.h"
#include "mm/page_cache.h"

namespace mk {

class TextBuffer final : public OpenState {
 public:
  static constexpr uint64_t kMaxBytes = 64ul << 20;

  [[gnu::format(printf, 2, 3)]] void print(const char* format, ...);  // up to 511 bytes at once
  void append(const char* text, size_t length);
  void append(const char* text);
  // Blanks up to that column of the line.
  void pad_to(uint64_t column);

  long error() const { return error_; }
  uint64_t size() const { return size_; }
  long copy_out(uint64_t offset, UserBuffer buffer) const;

 private:
  PageCache pages_;
  uint64_t size_ = 0;
  uint64_t line_start_ = 0;
  long error_ = 0;
};

class TextFile : public Inode {
 public:
  TextFile(uint32_t permissions, FileSystem where) : Inode(S_IFREG | permissions) { file_system = where; }
  long read(File& file, uint64_t offset, UserBuffer buffer) override;
  long truncate(uint64_t) override { return 0; }  // echo opens with O_TRUNC

 protected:
  // Fills the buffer; -errno.
  virtual long generate(TextBuffer& out) = 0;
};

// Text that one function makes, or that never changes.
class GeneratedFile final : public TextFile {
 public:
  using Generate = long (*)(TextBuffer&);
  GeneratedFile(FileSystem where, Generate generate) : TextFile(0444, where), generate_(generate) {}
  bool can_poll() override { return true; }  // as all of Linux's /proc beside the processes, and /sys

 protected:
  long generate(TextBuffer& out) override { return generate_(out); }

 private:
  Generate generate_;
};

class FixedTextFile final : public TextFile {
 public:
  FixedTextFile(FileSystem where, const char* text) : TextFile(0444, where), text_(text) {}
  bool can_poll() override { return true; }

 protected:
  long generate(TextBuffer& out) override {
    out.append(text_);
    return 0;
  }

 private:
  const char* text_;
};

}  // namespace mk
