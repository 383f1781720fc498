// SPDX-License-Identifier: GPL-2.0-or-later
//
// The directories of a process. Each inode knows which process it is about and asks process_info at every
// use: a process that is gone gives ESRCH or ENOENT, as in Linux.
#include "fs/proc/proc.h"
#include "fs/vfs.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

// Numbers of files inside a process's directory, for inode numbers.
constexpr unsigned kFdFile = 0x1000, kFdInfoFile = 0x2000;

class ProcessDirectory : public Inode {
 public:
  ProcessDirectory(ProcessId id, uint32_t permissions, unsigned file)
      : Inode(S_IFDIR | permissions), id_(id) {
    links = 2;
    file_system = FileSystem::kProc;
    number = process_inode_number(id, file);
  }

 protected:
  bool ask(ProcessInfo& info) const { return process_info(id_.pid, id_.tid, info); }

  ProcessId id_;
};

class ProcessTextFile final : public TextFile {
 public:
  ProcessTextFile(ProcessId id, uint32_t permissions, unsigned file, ProcessText text)
      : TextFile(permissions, FileSystem::kProc), id_(id), text_(text) {
    number = process_inode_number(id, file);
  }

  // comm and oom_score_adj.
  long write(File&, uint64_t, UserBuffer buffer) override {
    char text[32] = {};
    size_t length = min(buffer.size, sizeof(text) - 1);
    if (!copy_from_user(text, buffer.address, length)) return -EFAULT;
    if (char* end = strchr(text, '\n'); end != nullptr) *end = 0;
    if (text_ == proc_comm)
      return set_process_name(id_.pid, id_.tid, text) ? static_cast<long>(buffer.size) : -ESRCH;
    bool negative = text[0] == '-';
    int value = 0;
    if (text_ != proc_oom_score_adj || !parse_number_name(text + negative, strlen(text + negative), value) ||
        value > 1000)
      return -EINVAL;
    return set_oom_score_adj(id_.pid, negative ? -value : value) ? static_cast<long>(buffer.size) : -ESRCH;
  }

 protected:
  long generate(TextBuffer& out) override {
    ProcessInfo info;
    return process_info(id_.pid, id_.tid, info) ? text_(info, out) : -ESRCH;
  }

 private:
  ProcessId id_;
  ProcessText text_;
};

enum class Target { kExe, kCwd, kRoot, kFd };

// A link to what the process has open: its text is the path, following it goes there directly.
class ProcessLink final : public Inode {
 public:
  ProcessLink(ProcessId id, unsigned file, Target target, int fd)
      : Inode(S_IFLNK | 0777), id_(id), target_(target), fd_(fd) {
    file_system = FileSystem::kProc;
    number = process_inode_number(id, file);
    size = 64;  // as Linux shows it
  }
  bool is_magic_link() const override { return true; }

  Result<Ref<Dentry>> jump() override {
    ProcessInfo info;
    if (!process_info(id_.pid, id_.tid, info)) return Errno{ESRCH};
    switch (target_) {
      case Target::kExe:
        if (!info.mm || !info.mm->executable) return Errno{ENOENT};
        return info.mm->executable->dentry_ref();
      case Target::kCwd:
        if (!info.fs) return Errno{ENOENT};
        return info.fs->working_directory();
      case Target::kRoot:
        return vfs_root();
      case Target::kFd:
        break;
    }
    Ref<File> file = info.files ? info.files->get(fd_) : Ref<File>();
    if (!file) return Errno{ENOENT};
    return file->dentry_ref();
  }

  long readlink(char* buffer, size_t capacity) override {
    Result<Ref<Dentry>> target = jump();
    if (!target.ok()) return target.error();
    char* text = static_cast<char*>(kmalloc(kPathMax));
    if (text == nullptr) return -ENOMEM;
    const char* path = path_of(**target, text, kPathMax);
    long length = path == nullptr ? -ENAMETOOLONG : static_cast<long>(min(strlen(path), capacity));
    if (length > 0) memcpy(buffer, path, static_cast<size_t>(length));
    kfree(text);
    return length;
  }

 private:
  ProcessId id_;
  Target target_;
  int fd_;
};

int number_at(const DirEntry& entry) { return static_cast<int>(entry.position - DirEntry::kFirstVirtual); }

// Position and flags of an open file.
class FdInfo final : public TextFile {
 public:
  FdInfo(ProcessId id, int fd) : TextFile(0444, FileSystem::kProc), id_(id), fd_(fd) {
    number = process_inode_number(id, kFdInfoFile + static_cast<unsigned>(fd));
  }

 protected:
  long generate(TextBuffer& out) override {
    ProcessInfo info;
    if (!process_info(id_.pid, id_.tid, info)) return -ESRCH;
    Ref<File> file = info.files ? info.files->get(fd_) : Ref<File>();
    if (!file) return -ENOENT;
    char flags[16];
    unsigned value = file->flags | (info.files->close_on_exec(fd_) ? O_CLOEXEC : 0);
    unsigned digits = 0;
    for (unsigned left = value; left != 0 || digits == 0; left /= 8) ++digits;
    flags[digits] = 0;
    for (unsigned i = digits; i > 0; --i, value /= 8) flags[i - 1] = static_cast<char>('0' + value % 8);
    out.print("pos:\t%lu\nflags:\t0%s\nmnt_id:\t%u\nino:\t%lu\n", file->position, flags,
              1 + static_cast<unsigned>(file->inode().file_system), file->inode().number);
    file->inode().describe(out);
    return 0;
  }

 private:
  ProcessId id_;
  int fd_;
};

// fd/ and fdinfo/.
class FdDirectory final : public ProcessDirectory {
 public:
  FdDirectory(ProcessId id, unsigned file, bool info)
      : ProcessDirectory(id, 0500 | (info ? 0055 : 0), file), info_(info) {}

  Result<Ref<Inode>> lookup(const char* name, size_t length) override {
    ProcessInfo info;
    int fd = 0;
    if (!parse_number_name(name, length, fd) || !ask(info) || !info.files) return Errno{ENOENT};
    Ref<File> file = info.files->get(fd);
    if (!file) return Errno{ENOENT};
    Ref<Inode> inode;
    if (info_) {
      inode = make<FdInfo>(id_, fd);
    } else {
      inode = make<ProcessLink>(id_, kFdFile + static_cast<unsigned>(fd), Target::kFd, fd);
      // What the file allows, as `ls -l` shows it.
      if (inode) inode->mode = S_IFLNK | 0100 | (file->readable() ? 0400 : 0) | (file->writable() ? 0200 : 0);
    }
    if (!inode) return Errno{ENOMEM};
    return inode;
  }

  bool next_entry(DirEntry& entry) override {
    ProcessInfo info;
    if (!ask(info) || !info.files) return false;
    int fd = info.files->next_open(number_at(entry));
    if (fd < 0) return false;
    unsigned file = (info_ ? kFdInfoFile : kFdFile) + static_cast<unsigned>(fd);
    set_number_entry(entry, fd, process_inode_number(id_, file), info_ ? S_IFREG : S_IFLNK);
    return true;
  }

 private:
  bool info_;
};

class TaskDirectory final : public ProcessDirectory {
 public:
  TaskDirectory(ProcessId id, unsigned file) : ProcessDirectory(id, 0555, file) {}

  Result<Ref<Inode>> lookup(const char* name, size_t length) override {
    int tid = 0;
    ProcessInfo info;
    if (!parse_number_name(name, length, tid) || tid == 0 || !process_info(id_.pid, tid, info))
      return Errno{ENOENT};
    Ref<Inode> directory = make_process_directory(ProcessId{id_.pid, tid});
    if (!directory) return Errno{ENOMEM};
    return directory;
  }
  bool next_entry(DirEntry& entry) override {
    int tid = next_tid(id_.pid, number_at(entry) - 1);
    if (tid == 0) return false;
    set_number_entry(entry, tid, process_inode_number(ProcessId{id_.pid, tid}, 0), S_IFDIR);
    return true;
  }
};

enum class Kind { kText, kLink, kFd, kFdInfo, kTask, kPagemap, kClearRefs, kMem };

struct Entry {
  const char* name;
  uint32_t mode;
  Kind kind;
  ProcessText text = nullptr;
  Target target = Target::kExe;
};

constexpr Entry kEntries[] = {
    {"task", S_IFDIR | 0555, Kind::kTask},  // first: a thread's directory starts behind it
    {"fd", S_IFDIR | 0500, Kind::kFd},
    {"fdinfo", S_IFDIR | 0555, Kind::kFdInfo},
    {"environ", S_IFREG | 0400, Kind::kText, proc_environ},
    {"status", S_IFREG | 0444, Kind::kText, proc_status},
    {"limits", S_IFREG | 0444, Kind::kText, proc_limits},
    {"comm", S_IFREG | 0644, Kind::kText, proc_comm},
    {"cmdline", S_IFREG | 0444, Kind::kText, proc_cmdline},
    {"stat", S_IFREG | 0444, Kind::kText, proc_stat},
    {"statm", S_IFREG | 0444, Kind::kText, proc_statm},
    {"maps", S_IFREG | 0444, Kind::kText, proc_maps},
    {"mem", S_IFREG | 0600, Kind::kMem},
    {"cwd", S_IFLNK | 0777, Kind::kLink, nullptr, Target::kCwd},
    {"root", S_IFLNK | 0777, Kind::kLink, nullptr, Target::kRoot},
    {"exe", S_IFLNK | 0777, Kind::kLink, nullptr, Target::kExe},
    {"mounts", S_IFREG | 0444, Kind::kText, proc_mounts},
    {"smaps", S_IFREG | 0444, Kind::kText, proc_smaps},
    {"smaps_rollup", S_IFREG | 0444, Kind::kText, proc_smaps_rollup},
    {"pagemap", S_IFREG | 0400, Kind::kPagemap},
    {"clear_refs", S_IFREG | 0200, Kind::kClearRefs},
    {"oom_score", S_IFREG | 0444, Kind::kText, proc_zero},
    {"oom_score_adj", S_IFREG | 0644, Kind::kText, proc_oom_score_adj},
};
constexpr unsigned kEntryCount = sizeof(kEntries) / sizeof(kEntries[0]);

Ref<Inode> make_entry(ProcessId id, unsigned index) {
  const Entry& entry = kEntries[index];
  unsigned file = index + 1;
  switch (entry.kind) {
    case Kind::kText:
      return make<ProcessTextFile>(id, entry.mode & 07777, file, entry.text);
    case Kind::kLink:
      return make<ProcessLink>(id, file, entry.target, 0);
    case Kind::kFd:
      return make<FdDirectory>(id, file, false);
    case Kind::kFdInfo:
      return make<FdDirectory>(id, file, true);
    case Kind::kTask:
      return make<TaskDirectory>(id, file);
    case Kind::kPagemap:
    case Kind::kClearRefs:
    case Kind::kMem:
      break;
  }
  Ref<Inode> inode = entry.kind == Kind::kPagemap     ? make_pagemap(id)
                     : entry.kind == Kind::kClearRefs ? make_clear_refs(id)
                                                      : make_memory_of_process(id);
  if (inode) inode->number = process_inode_number(id, file);
  return inode;
}

// /proc/PID and /proc/PID/task/TID.
class MainDirectory final : public ProcessDirectory {
 public:
  explicit MainDirectory(ProcessId id) : ProcessDirectory(id, 0555, 0) {}

  Result<Ref<Inode>> lookup(const char* name, size_t length) override {
    ProcessInfo info;
    if (!ask(info)) return Errno{ENOENT};
    for (unsigned i = first(); i < kEntryCount; ++i) {
      if (strlen(kEntries[i].name) != length || memcmp(kEntries[i].name, name, length) != 0) continue;
      Ref<Inode> inode = make_entry(id_, i);
      if (!inode) return Errno{ENOMEM};
      return inode;
    }
    return Errno{ENOENT};
  }

  bool next_entry(DirEntry& entry) override {
    unsigned index = static_cast<unsigned>(entry.position - DirEntry::kFirstVirtual);
    if (index < first()) index = first();
    if (index >= kEntryCount) return false;
    entry.position = DirEntry::kFirstVirtual + index;
    entry.inode = process_inode_number(id_, index + 1);
    entry.type = static_cast<uint8_t>((kEntries[index].mode & S_IFMT) >> 12);
    entry.length = static_cast<uint8_t>(strlen(kEntries[index].name));
    memcpy(entry.name, kEntries[index].name, entry.length + 1ul);
    return true;
  }

 private:
  unsigned first() const { return id_.tid != 0 ? 1 : 0; }
};

}  // namespace

uint64_t process_inode_number(ProcessId id, unsigned file) {
  return 1ul << 62 | static_cast<uint64_t>(id.pid & 0x3fffff) << 39 |
         static_cast<uint64_t>(id.tid & 0x3fffff) << 16 | (file & 0xffff);
}

bool parse_number_name(const char* name, size_t length, int& value) {
  if (length == 0 || length > 9 || (name[0] == '0' && length > 1)) return false;
  value = 0;
  for (size_t i = 0; i < length; ++i) {
    if (name[i] < '0' || name[i] > '9') return false;
    value = value * 10 + (name[i] - '0');
  }
  return true;
}

void set_number_entry(DirEntry& entry, int value, uint64_t inode, uint32_t type) {
  entry.position = DirEntry::kFirstVirtual + static_cast<unsigned>(value);
  entry.inode = inode;
  entry.type = static_cast<uint8_t>(type >> 12);
  entry.length = static_cast<uint8_t>(format_text(entry.name, sizeof(entry.name), "%d", value));
}

Ref<Inode> make_process_directory(ProcessId id) { return make<MainDirectory>(id); }

}  // namespace mk
