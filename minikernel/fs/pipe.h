// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pipes: pipe(7), Linux fs/pipe.c. A ring of slots, each a part of one frame, as Linux's pipe_buffers:
// sixteen by default, so that a pipe holds 64 KiB at most and less when it was filled in small pieces of
// pages. A write of up to PIPE_BUF bytes lies in one slot and is never torn. Both ends are inodes of one
// number, each with the files that are open on it.
#pragma once

#include "fs/file.h"
#include "lib/result.h"

namespace mk {

struct PipeEnds {
  Ref<File> reader;
  Ref<File> writer;
};

// `flags`: O_NONBLOCK, O_DIRECT (which does nothing). ENOMEM.
Result<PipeEnds> make_pipe(unsigned flags);

}  // namespace mk
