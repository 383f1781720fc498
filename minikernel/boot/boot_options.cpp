// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/boot_options.h"

#include "boot/boot_info.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/string.h"
#include "mm/cow/cow_policy.h"

namespace mk {
namespace {

BootOptions options;

bool is_space(char character) { return character == ' ' || (character >= '\t' && character <= '\r'); }

struct Option {
  const char* name;
  const char* wanted;  // what a value is, for a person
  bool (*take)(const char* value);
};

bool take_init(const char* path) {
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof(options.init)) return false;
  memcpy(options.init, path, length + 1);
  return true;
}

bool take_promise(const char* name) {
  ro_pins_are_snapshots = strcmp(name, "snapshot") == 0;
  return ro_pins_are_snapshots || strcmp(name, "coherent") == 0;
}

static_assert(BootOptions::kInitSize == 512 && BootInfo::kCommandLineSize == 4096);  // as the texts say
constexpr Option kOptions[] = {
    {"init", "a path of 1 to 511 bytes", take_init},
    {"seed", "a number", [](const char* value) { return parse_number(value, options.seed); }},
    {"cow", "mapcount, page-count, unshare-mapcount, anon-exclusive, pte or pte-group", choose_cow_policy},
    {"ro_pin", "coherent or snapshot", take_promise},
    {"fail_alloc", "N or N,TIMES, both at least 1",
     [](const char* value) { return parse_fault_injection(value, options.failing); }},
};

void complain(const char* word, const char* why, const char* wanted) {
  if (options.mistake[0] != 0) return;
  format_text(options.mistake, sizeof(options.mistake), "%.48s: %s%s", word, why, wanted);
  for (char* at = options.mistake; *at != 0; ++at)
    if (*at < ' ' || *at == 0x7f) *at = '?';  // it goes to a terminal
}

void take(const char* word) {
  for (const Option& option : kOptions) {
    size_t length = strlen(option.name);
    if (strncmp(word, option.name, length) != 0 || word[length] != '=') continue;
    if (!option.take(word + length + 1)) complain(word, "is not ", option.wanted);
    return;
  }
  complain(word, "no option of the kernel (init, seed, cow, ro_pin, fail_alloc)", "");
}

}  // namespace

const BootOptions& boot_options() { return options; }

void read_boot_options(const char* command_line) {
  choose_cow_policy("pte");
  if (strlen(command_line) >= BootInfo::kCommandLineSize - 1)
    complain("command line", "is longer than the kernel can take: at most 4094 bytes", "");
  for (const char* at = command_line; *at != 0;) {
    char word[BootOptions::kInitSize + 8];
    size_t length = 0;
    for (; *at != 0 && !is_space(*at); ++at)
      if (length < sizeof(word) - 1) word[length++] = *at;
    word[length] = 0;
    if (length > 0) take(word);
    while (is_space(*at)) ++at;
  }
}

}  // namespace mk
