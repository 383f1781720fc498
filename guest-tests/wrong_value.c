// SPDX-License-Identifier: GPL-2.0-or-later
//
// A program with a defect, for docs/debugging.md: accounts lie on a page of their own behind a cache; the
// cache is given back to the kernel, and an account is empty. Linux finds the same: nothing is wrong with the
// kernel.
#include "check.h"

enum { kCachePages = 4 };

struct Account {
  long number;
  long balance;
};

static char* cache;
static struct Account* account;

__attribute__((noinline)) static void open_account(long number, long balance) {
  account->number = number;
  account->balance = balance;
}

// Gives the cache's pages back. (`bytes` counts from 1 to a whole number of pages; this rounds up one too
// far.)
__attribute__((noinline)) static void trim_cache(size_t bytes) {
  const size_t pages = bytes / kPage + 1;
  CHECK(madvise(cache, pages * kPage, MADV_DONTNEED) == 0);
}

__attribute__((noinline)) static int report(long balance) {
  say("account %ld: balance %ld", account->number, balance);
  return balance == 100 ? 0 : 1;
}

int main(void) {
  cache = map_anonymous((kCachePages + 1) * kPage, PROT_READ | PROT_WRITE);
  account = (struct Account*)(cache + kCachePages * kPage);
  open_account(7, 100);
  memset(cache, 'c', kCachePages * kPage);
  trim_cache(kCachePages * kPage);
  return report(account->balance);
}
