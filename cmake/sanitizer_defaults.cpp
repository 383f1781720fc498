// SPDX-License-Identifier: GPL-2.0-or-later
//
// Linked into every program of a sanitizer build. Unicorn keeps 32 bytes of each engine after uc_close; leaks of ours show
// all the same.
extern "C" const char* __lsan_default_suppressions() { return "leak:libunicorn.so\n"; }
