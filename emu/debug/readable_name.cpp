// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/readable_name.h"

#include <cxxabi.h>

#include <cctype>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace mmuscope {
namespace {

constexpr size_t kNone = std::string_view::npos;

bool is_word(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_' || character == '$';
}

bool is_word_at(std::string_view text, size_t at, std::string_view word) {
  return text.substr(at).starts_with(word) && (at == 0 || !is_word(text[at - 1])) &&
         (at + word.size() == text.size() || !is_word(text[at + word.size()]));
}

// Behind the name of the operator whose symbol begins at `at`: `at` itself where it is a word (new, a type).
size_t skip_operator(std::string_view text, size_t at) {
  // Longer ones before those that they begin with; operator-<int> is no operator-< and needs no entry.
  static constexpr std::string_view kSymbols[] = {
      "()", "[]", "->*", "<=>", "<<=", ">>=", "->", "<<", ">>", "<=", ">=", "==",  "!=", "&&",
      "||", "++", "--",  "+=",  "-=",  "*=",  "/=", "%=", "&=", "|=", "^=", "+",   "-",  "*",
      "/",  "%",  "&",   "|",   "^",   "~",   "!",  "=",  "<",  ">",  ",",  "\"\""};
  for (const std::string_view symbol : kSymbols)
    if (text.substr(at).starts_with(symbol)) return at + symbol.size();
  return at;
}

// Behind the bracket that opens at `at`. Angle brackets count only where nothing else is open: within
// parentheses they may be operators, which the demangler puts there. kNone when it does not close.
size_t skip_bracket(std::string_view text, size_t at) {
  static constexpr std::string_view kOpening = "<({[", kClosing = ">)}]";
  size_t inner = 0, angles = 0, depth = 0;
  for (; at < text.size(); ++at) {
    const char character = text[at];
    if (depth == 0) {
      if (const size_t kind = kOpening.find(character); kind == 0) {
        ++angles;
      } else if (kind != kNone) {
        inner = kind;
        depth = 1;
      } else if (character == '>') {
        --angles;
      }
    } else if (character == kOpening[inner]) {
      ++depth;
    } else if (character == kClosing[inner]) {
      --depth;
    }
    if (depth == 0 && angles == 0) return at + 1;
  }
  return kNone;
}

// A function's name without return type and parameters; `text` itself where it is no plain function.
std::string_view bare(std::string_view text) {
  size_t name = 0;                        // behind the return type
  size_t parameters = kNone, behind = 0;  // the last list: those before it belong to enclosing functions
  bool return_type = true;
  for (size_t at = 0; at < text.size();) {
    const char character = text[at];
    if (is_word_at(text, at, "operator")) {
      at = skip_operator(text, at + std::string_view("operator").size());
      return_type = false;
    } else if (parameters != kNone && is_word_at(text, at, "requires")) {
      break;
    } else if (character == '(' || character == '<' || character == '{' || character == '[') {
      const size_t end = skip_bracket(text, at);
      const bool list = character == '(' && !text.substr(0, at).ends_with("decltype ");
      if (end == kNone || (list && at == name)) return text;  // void (*function())(), perhaps
      if (list) {
        parameters = at;
        behind = end;
        return_type = false;
      }
      at = end;
    } else {
      ++at;
      if (character == ' ' && return_type) name = at;
    }
  }
  if (parameters == kNone || text.substr(behind).starts_with("::")) return text;
  // "non-virtual thunk to D::f()", "transaction clone for f()": no type, and not to be taken for f itself.
  const std::string_view before = text.substr(0, name);
  if (before.ends_with(" to ") || before.ends_with(" for ")) name = 0;
  return text.substr(name, parameters - name);
}

}  // namespace

std::string readable_name(const char* symbol) {
  // The demangler reads bare types, too: it would call a C function `i` "int".
  if (!std::string_view(symbol).starts_with("_Z")) return symbol;
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(symbol, nullptr, nullptr, &status), std::free);
  if (status != 0 || demangled == nullptr) return symbol;
  std::string text = demangled.get();
  static constexpr std::string_view kAnonymous = "(anonymous namespace)::";
  for (size_t at = text.find(kAnonymous); at != std::string::npos; at = text.find(kAnonymous, at))
    text.erase(at, kAnonymous.size());
  return std::string(bare(text));
}

}  // namespace mmuscope
