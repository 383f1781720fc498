// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdint.h>

#include "lib/log.h"
#include "lib/string.h"

namespace mk {
namespace {

class Output {
 public:
  Output(char* buffer, size_t size) : buffer_(buffer), size_(size) {}
  void put(char character) {
    if (length_ + 1 < size_) buffer_[length_] = character;
    ++length_;
  }
  void repeat(char character, size_t count) {
    while (count-- > 0) put(character);
  }
  size_t finish() {
    if (size_ > 0) buffer_[length_ < size_ ? length_ : size_ - 1] = 0;
    return length_;
  }

 private:
  char* buffer_;
  size_t size_;
  size_t length_ = 0;
};

struct Spec {
  bool left = false;
  bool zero = false;
  size_t width = 0;
  size_t precision = SIZE_MAX;
  int longs = 0;
};

const char* parse_spec(const char* at, Spec& spec) {
  for (; *at == '-' || *at == '0'; ++at) (*at == '-' ? spec.left : spec.zero) = true;
  for (; *at >= '0' && *at <= '9'; ++at) spec.width = spec.width * 10 + static_cast<size_t>(*at - '0');
  if (*at == '.') {
    spec.precision = 0;
    for (++at; *at >= '0' && *at <= '9'; ++at)
      spec.precision = spec.precision * 10 + static_cast<size_t>(*at - '0');
  }
  for (; *at == 'l' || *at == 'z'; ++at) ++spec.longs;
  return at;
}

void put_field(Output& out, const Spec& spec, const char* text, size_t length, char fill) {
  size_t padding = spec.width > length ? spec.width - length : 0;
  // The sign stands before zeros.
  if (fill == '0' && length > 0 && *text == '-') {
    out.put('-');
    ++text;
    --length;
  }
  if (!spec.left) out.repeat(fill, padding);
  for (size_t i = 0; i < length; ++i) out.put(text[i]);
  if (spec.left) out.repeat(' ', padding);
}

void put_number(Output& out, const Spec& spec, uint64_t value, bool negative, unsigned base) {
  char digits[24];
  size_t at = sizeof(digits);
  do {
    digits[--at] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  if (negative) digits[--at] = '-';
  put_field(out, spec, digits + at, sizeof(digits) - at, spec.zero && !spec.left ? '0' : ' ');
}

}  // namespace

size_t vformat_text(char* buffer, size_t size, const char* format, va_list arguments) {
  Output out(buffer, size);
  for (const char* at = format; *at != 0; ++at) {
    if (*at != '%') {
      out.put(*at);
      continue;
    }
    Spec spec;
    at = parse_spec(at + 1, spec);
    switch (*at) {
      case 'd':
      case 'i': {
        int64_t value = spec.longs ? va_arg(arguments, int64_t) : va_arg(arguments, int);
        uint64_t magnitude = value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
        put_number(out, spec, magnitude, value < 0, 10);
        break;
      }
      case 'u':
      case 'x': {
        uint64_t value = spec.longs ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
        put_number(out, spec, value, false, *at == 'x' ? 16 : 10);
        break;
      }
      case 'p':
        put_number(out, spec, va_arg(arguments, uint64_t), false, 16);
        break;
      case 'c':
        out.put(static_cast<char>(va_arg(arguments, int)));
        break;
      case 's': {
        const char* text = va_arg(arguments, const char*);
        put_field(out, spec, text, strnlen(text, spec.precision), ' ');
        break;
      }
      case 0:
        return out.finish();
      default:
        out.put(*at);
    }
  }
  return out.finish();
}

size_t format_text(char* buffer, size_t size, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t length = vformat_text(buffer, size, format, arguments);
  va_end(arguments);
  return length;
}

}  // namespace mk
