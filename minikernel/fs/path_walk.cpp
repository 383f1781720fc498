// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/path_walk.h"

#include "fs/vfs.h"
#include "lib/string.h"

namespace mk {
namespace {

size_t name_length(const char* text) {
  size_t length = 0;
  while (text[length] != 0 && text[length] != '/') ++length;
  return length;
}

}  // namespace

PathWalk::PathWalk(const Ref<Dentry>& base, unsigned flags) : flags_(flags), base_(base), at_(base) {}

PathWalk::~PathWalk() {
  kfree(buffers_[0]);
  kfree(buffers_[1]);
}

long PathWalk::start(const char* path) {
  if (*path == 0) return -ENOENT;
  size_t length = strlen(path);
  if (length >= kPathMax) return -ENAMETOOLONG;
  buffers_[0] = static_cast<char*>(kmalloc(length + 1));
  if (buffers_[0] == nullptr) return -ENOMEM;
  memcpy(buffers_[0], path, length + 1);
  rest_ = buffers_[0];
  if (*rest_ == '/')
    if (long error = go_to_root(); error < 0) return error;
  return to_last();
}

// Goes on until only one name is left, or none ("/").
long PathWalk::to_last() {
  while (true) {
    while (*rest_ == '/') ++rest_;
    const char* name = rest_;
    size_t length = name_length(name);
    rest_ += length;
    last_ = name;
    last_length_ = length;
    if (length == 0) return 0;
    if (!at_->inode().is_directory()) return -ENOTDIR;
    if (length > kNameMax) return -ENAMETOOLONG;
    const char* next = rest_;
    while (*next == '/') ++next;
    if (*next == 0) return 0;

    if (is_dot()) continue;
    if (is_dot_dot()) {
      if (long error = step_up(); error < 0) return error;
      continue;
    }
    Result<Ref<Dentry>> child = look_up(name, length);
    if (!child.ok()) return child.error();
    if ((*child)->inode().is_symlink()) {
      if (long error = follow(**child); error < 0) return error;
    } else {
      at_ = *child;
    }
  }
}

Result<Ref<Dentry>> PathWalk::take_last() {
  bool needs_directory = flags_ & kDirectory;
  missing_ = false;
  while (true) {
    needs_directory |= wants_directory();
    if (!last_is_name()) {
      if (is_dot_dot())
        if (long error = step_up(); error < 0) return Errno{static_cast<int>(-error)};
      // Only a magic link leads to a file without a name behind it.
      if (needs_directory && !at_->inode().is_directory()) return Errno{ENOTDIR};
      return at_;
    }
    if ((flags_ & kCreate) && wants_directory()) return Errno{EISDIR};
    Result<Ref<Dentry>> child = look_up(last_, last_length_);
    missing_ = child.error() == -ENOENT;
    if (!child.ok()) return child;
    bool follows = wants_directory() || !(flags_ & kNoFollow);
    if (!(*child)->inode().is_symlink() || !follows) {
      if (needs_directory && !(*child)->inode().is_directory()) return Errno{ENOTDIR};
      return child;
    }
    long error = follow(**child);
    if (error == 0) error = to_last();
    if (error < 0) return Errno{static_cast<int>(-error)};
  }
}

Result<Ref<Dentry>> PathWalk::look_up(const char* name, size_t length) {
  if (Ref<Dentry> child = at_->find_child(name, length)) return child;
  Result<Ref<Inode>> inode = at_->inode().lookup(name, length);
  if (!inode.ok()) return inode.failure();
  Ref<Dentry> child = Dentry::named(at_, name, length, *inode, Dentry::Kind::kMadeUp);
  if (!child) return Errno{ENOMEM};
  return child;
}

long PathWalk::step_up() {
  if (at_ == base_ && (flags_ & kBeneath)) return -EXDEV;
  if (at_ == base_ && (flags_ & kInRoot)) return 0;
  at_ = at_->parent();
  return 0;
}

long PathWalk::go_to_root() {
  if (flags_ & kBeneath) return -EXDEV;
  at_ = flags_ & kInRoot ? base_ : vfs_root();
  return 0;
}

// Puts the link's target in front of the rest, or goes where a magic link leads.
long PathWalk::follow(Dentry& link) {
  Inode& inode = link.inode();
  if ((flags_ & kNoSymlinks) || ++links_followed_ > kMaxSymlinks) return -ELOOP;
  if (inode.is_magic_link()) {
    if (flags_ & kNoMagicLinks) return -ELOOP;
    if (flags_ & (kBeneath | kInRoot)) return -EXDEV;
    Result<Ref<Dentry>> target = inode.jump();
    if (!target.ok()) return target.error();
    at_ = *target;
    return 0;
  }
  char*& buffer = buffers_[buffer_ ^ 1];
  kfree(buffer);
  buffer = static_cast<char*>(kmalloc(kPathMax));
  if (buffer == nullptr) return -ENOMEM;
  long length = inode.readlink(buffer, kPathMax);
  if (length < 0) return length;
  if (length == 0) return -ENOENT;
  size_t rest_length = strlen(rest_);
  if (static_cast<size_t>(length) + rest_length >= kPathMax) return -ENAMETOOLONG;
  memcpy(buffer + length, rest_, rest_length + 1);
  buffer_ ^= 1;
  rest_ = buffer;
  return *rest_ == '/' ? go_to_root() : 0;
}

}  // namespace mk
