// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/initramfs.h"

#include "fs/fifo.h"
#include "fs/memory_file.h"
#include "fs/symlink.h"
#include "fs/vfs.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

constexpr size_t kHeaderSize = 110;  // "070701" and 13 fields of 8 hexadecimal digits

struct Entry {
  uint32_t inode, mode, uid, gid, links, modified, file_size, major, minor, name_size;
  const char* name;  // name_size bytes with a NUL at the end
  const uint8_t* contents;
};

// Names of a file with several hard links carry the contents only once, usually at the last name: the names
// seen before wait here for it.
struct HardLink {
  uint64_t key;  // device and inode number in the archive
  Ref<MemoryFile> file;
  HardLink* next;
};

class Unpacker {
 public:
  Unpacker(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  ~Unpacker() {
    while (links_ != nullptr) {
      HardLink* link = links_;
      links_ = link->next;
      destroy(link);
    }
  }

  size_t run() {
    Entry entry;
    while (next(entry)) {
      if (strcmp(entry.name, "TRAILER!!!") == 0) {
        trailer_seen_ = true;
      } else if (!take(entry)) {
        break;
      }
    }
    return taken_;
  }

 private:
  bool damaged(const char* what) {
    log("initramfs: %s at byte %lu of %lu: the rest is ignored", what, position_, size_);
    return false;
  }

  static bool parse_hex(const uint8_t* digits, uint32_t& value) {
    value = 0;
    for (int i = 0; i < 8; ++i) {
      uint8_t c = digits[i];
      uint32_t digit = c >= '0' && c <= '9'   ? c - '0'
                       : c >= 'a' && c <= 'f' ? c - 'a' + 10
                       : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                              : 16;
      if (digit == 16) return false;
      value = value << 4 | digit;
    }
    return true;
  }

  bool next(Entry& entry) {
    // Archives may follow one another, with zero bytes between them and after the last.
    while (position_ < size_ && data_[position_] == 0) ++position_;
    if (position_ == size_) return trailer_seen_ ? false : damaged("no trailer");
    if (size_ - position_ < kHeaderSize) return damaged("header cut short");
    const uint8_t* header = data_ + position_;
    if (memcmp(header, "070701", 6) != 0 && memcmp(header, "070702", 6) != 0)
      return damaged("not a newc header");
    uint32_t field[13];
    for (int i = 0; i < 13; ++i)
      if (!parse_hex(header + 6 + 8 * i, field[i])) return damaged("bad number in a header");
    entry = Entry{.inode = field[0],
                  .mode = field[1],
                  .uid = field[2],
                  .gid = field[3],
                  .links = field[4],
                  .modified = field[5],
                  .file_size = field[6],
                  .major = field[7],
                  .minor = field[8],
                  .name_size = field[11],
                  .name = nullptr,
                  .contents = nullptr};

    // Name and contents are padded to 4 bytes, counted from the header. All fields have 32 bits: no sum
    // wraps.
    uint64_t name_at = position_ + kHeaderSize;
    uint64_t contents_at = position_ + ((kHeaderSize + entry.name_size + 3ul) & ~3ul);
    uint64_t end = contents_at + entry.file_size;
    if (entry.name_size < 2 || entry.name_size > kPathMax) return damaged("bad name length");
    if (contents_at > size_ || end > size_) return damaged("entry cut short");
    entry.name = reinterpret_cast<const char*>(data_ + name_at);
    if (entry.name[entry.name_size - 1] != 0 || strlen(entry.name) + 1 != entry.name_size)
      return damaged("name without its end");
    entry.contents = data_ + contents_at;
    position_ = min(contents_at + ((entry.file_size + 3ul) & ~3ul), size_);
    return true;
  }

  // False when memory is out.
  bool take(const Entry& entry) {
    switch (entry.mode & S_IFMT) {
      case S_IFDIR:
        return take_directory(entry);
      case S_IFREG:
        return put(entry, regular_file(entry));
      case S_IFLNK:
        if (entry.file_size == 0 || entry.file_size >= kPathMax) return skipped(entry, -EINVAL);
        return put(entry, make_symlink(reinterpret_cast<const char*>(entry.contents), entry.file_size));
      case S_IFIFO:
        return put(entry, make_fifo(0));
    }
    log("initramfs: %s skipped: neither file, directory, symbolic link nor FIFO", entry.name);
    return true;
  }

  static void set_attributes(Inode& inode, const Entry& entry) {
    inode.mode = entry.mode;
    inode.uid = entry.uid;
    inode.gid = entry.gid;
    inode.accessed_ns = inode.modified_ns = inode.changed_ns = entry.modified * 1'000'000'000ul;
  }

  static Ref<MemoryFile> new_file(const Entry& entry) {
    Ref<MemoryFile> file = make<MemoryFile>(entry.mode);
    if (file) file->set_origin(entry.contents, entry.file_size);
    return file;
  }

  Ref<Inode> regular_file(const Entry& entry) {
    if (entry.links < 2) return new_file(entry);
    uint64_t device = static_cast<uint64_t>(entry.major) << 20 | entry.minor;
    uint64_t key = device << 32 | entry.inode;
    HardLink* link = links_;
    while (link != nullptr && link->key != key) link = link->next;
    if (link == nullptr) {
      Ref<MemoryFile> file = new_file(entry);
      link = file ? create<HardLink>(key, file, links_) : nullptr;
      if (link == nullptr) return nullptr;
      links_ = link;
      return file;
    }
    ++link->file->links;
    if (entry.file_size != 0) link->file->set_origin(entry.contents, entry.file_size);
    return Ref<Inode>(link->file.raw());
  }

  static bool is_root(const char* name) {
    while (*name == '/' || (*name == '.' && (name[1] == '/' || name[1] == 0))) ++name;
    return *name == 0;
  }

  bool take_directory(const Entry& entry) {
    if (is_root(entry.name)) {
      set_attributes(vfs_root()->inode(), entry);
      return ++taken_;
    }
    Ref<Dentry> parent;
    const char* name = nullptr;
    size_t length = 0;
    if (!find_parent(entry, parent, name, length)) return true;
    Result<Ref<Dentry>> directory = make_directory(*parent, name, length);
    if (!directory.ok()) return skipped(entry, directory.error());
    set_attributes((*directory)->inode(), entry);
    return ++taken_;
  }

  bool put(const Entry& entry, Ref<Inode> inode) {
    if (!inode) return damaged("out of memory");
    Ref<Dentry> parent;
    const char* name = nullptr;
    size_t length = 0;
    if (!find_parent(entry, parent, name, length)) return true;
    set_attributes(*inode, entry);
    // A later entry replaces an earlier one, as in Linux, so that archives can be laid over one another.
    if (Ref<Dentry> existing = parent->find_child(name, length)) {
      if (existing->inode().is_directory()) return skipped(entry, -EISDIR);
      existing->replace_inode(inode);
      return ++taken_;
    }
    Result<Ref<Dentry>> child = parent->add_child(name, length, inode);
    if (!child.ok()) return skipped(entry, child.error());
    return ++taken_;
  }

  bool skipped(const Entry& entry, long error) {
    if (error == -ENOMEM) return damaged("out of memory");
    log("initramfs: %s skipped: error %ld", entry.name, -error);
    return true;
  }

  // Directories above an entry are made when the archive does not name them. Names are relative to the root;
  // ".." has no place in an archive and the entry is skipped.
  bool find_parent(const Entry& entry, Ref<Dentry>& parent, const char*& name, size_t& length) {
    parent = vfs_root();
    const char* rest = entry.name;
    while (true) {
      while (*rest == '/' || (*rest == '.' && (rest[1] == '/' || rest[1] == 0))) ++rest;
      length = 0;
      while (rest[length] != 0 && rest[length] != '/') ++length;
      bool dot_dot = length == 2 && rest[0] == '.' && rest[1] == '.';
      if (length == 0 || length > kNameMax || dot_dot) return skipped(entry, -EINVAL), false;
      const char* after = rest + length;
      while (*after == '/') ++after;
      name = rest;
      if (*after == 0) return true;
      Result<Ref<Dentry>> directory = make_directory(*parent, rest, length);
      if (!directory.ok()) return skipped(entry, directory.error()), false;
      parent = *directory;
      rest = after;
    }
  }

  const uint8_t* data_;
  size_t size_;
  size_t position_ = 0;
  size_t taken_ = 0;
  bool trailer_seen_ = false;
  HardLink* links_ = nullptr;
};

}  // namespace

size_t unpack_initramfs(const uint8_t* data, size_t size) { return Unpacker(data, size).run(); }

}  // namespace mk
