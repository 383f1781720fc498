// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc: proc(5). Files about the machine are names in the tree; directories and files about a process are
// made when somebody looks for them, from what fs/proc/process_info.h tells, and go with their last user.
//
//   root.cpp         the directory itself: processes, self, thread-self
//   directories.cpp  /proc/PID, its task/, fd/ and fdinfo/, and links out of it
//   maps.cpp         maps, smaps, smaps_rollup         pagemap.cpp  pagemap
//   mem.cpp          mem                               frames.cpp   kpagecount, kpageflags
//   status.cpp       status, stat, statm, limits ...   system.cpp   meminfo, vmstat, stat ...
//   cpuinfo.cpp      cpuinfo
#pragma once

#include "fs/proc/process_info.h"
#include "fs/text_file.h"
#include "lib/frame_array.h"

namespace mk {

// Puts /proc into the tree, over whatever the initramfs has there.
void proc_init();

// Which process, or (tid not 0) which thread of it, a file is about.
struct ProcessId {
  int pid = 0;
  int tid = 0;
};

Ref<Inode> make_process_directory(ProcessId id);

// Inode numbers that stay the same although inodes come and go. `file`: below 65536.
uint64_t process_inode_number(ProcessId id, unsigned file);

// Names that are numbers, without needless zeros; and the entry of such a one.
bool parse_number_name(const char* name, size_t length, int& value);
void set_number_entry(DirEntry& entry, int value, uint64_t inode, uint32_t type);

// The text files of a process. 0 or -errno.
using ProcessText = long (*)(const ProcessInfo& info, TextBuffer& out);
long proc_maps(const ProcessInfo& info, TextBuffer& out);
long proc_smaps(const ProcessInfo& info, TextBuffer& out);
long proc_smaps_rollup(const ProcessInfo& info, TextBuffer& out);
long proc_status(const ProcessInfo& info, TextBuffer& out);
long proc_stat(const ProcessInfo& info, TextBuffer& out);
long proc_statm(const ProcessInfo& info, TextBuffer& out);
long proc_limits(const ProcessInfo& info, TextBuffer& out);
long proc_comm(const ProcessInfo& info, TextBuffer& out);
long proc_cmdline(const ProcessInfo& info, TextBuffer& out);
long proc_environ(const ProcessInfo& info, TextBuffer& out);
long proc_mounts(const ProcessInfo& info, TextBuffer& out);
long proc_oom_score_adj(const ProcessInfo& info, TextBuffer& out);
long proc_zero(const ProcessInfo& info, TextBuffer& out);  // "0\n"

Ref<Inode> make_pagemap(ProcessId id);
Ref<Inode> make_clear_refs(ProcessId id);
// The PAGEMAP_SCAN ioctl, whose argument is at `address` (pagemap_scan.cpp).
long pagemap_scan(AddressSpace& mm, uint64_t address);
Ref<Inode> make_memory_of_process(ProcessId id);
// For files about the memory that a process had when they were opened (Linux's proc_mem_open): -ESRCH when it
// had none, -ENOMEM. And that memory, as long as the process has it; empty afterwards.
long remember_memory(File& file, ProcessId id);
Ref<AddressSpace> remembered_memory(File& file, ProcessId id);
// For files of 64-bit words: the first `count` of them to user memory. Others may run afterwards.
bool copy_words(const FrameArray<uint64_t>& words, size_t count, uint64_t user);
Ref<Inode> make_kpagecount();
Ref<Inode> make_kpageflags();

// Puts the files about the machine into /proc.
long proc_system_init();
long proc_mounts_of_system(TextBuffer& out);
long proc_cpuinfo(TextBuffer& out);  // cpuinfo.cpp

}  // namespace mk
