// SPDX-License-Identifier: GPL-2.0-or-later
//
// Moving pages in and out of pipes without copying: what is behind vmsplice(2), splice(2) and tee(2) (Linux
// fs/splice.c). `flags` are SPLICE_F_*: only kSpliceNonblock means anything (the others
// are hints that Linux's tmpfs ignores, too). All return bytes moved, 0 at the end of what there is, or
// -errno; all wait for the first data or room only.
#pragma once

#include <stdint.h>

#include "fs/pipe.h"

namespace mk {

// As <fcntl.h> of the C libraries has them: the kernel's headers for programs do not.
inline constexpr unsigned kSpliceMove = 1;
inline constexpr unsigned kSpliceNonblock = 2;
inline constexpr unsigned kSpliceMore = 4;
inline constexpr unsigned kSpliceGift = 8;

// vmsplice's write side: the parts become slots that refer to the program's own pages, taken with kFollGet.
long user_pages_to_pipe(Pipe& pipe, UserParts& parts, unsigned flags);
// Its read side: a copy.
long pipe_to_user(Pipe& pipe, UserParts& parts, unsigned flags);

// A file's page-cache frames become slots; what has no page cache is copied into new frames. `offset` moves.
long file_to_pipe(File& file, uint64_t& offset, Pipe& pipe, size_t bytes, unsigned flags);
long pipe_to_file(Pipe& pipe, File& file, uint64_t& offset, size_t bytes, unsigned flags);

// From pipe to pipe: moved, or with `keep` shared (tee). The pipes differ.
long pipe_to_pipe(Pipe& from, Pipe& to, size_t bytes, unsigned flags, bool keep);

}  // namespace mk
