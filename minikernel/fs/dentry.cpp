// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/dentry.h"

#include "lib/string.h"

namespace mk {
namespace {

constexpr size_t kBuckets = 2048;
Dentry* buckets[kBuckets];

// FNV-1a over the name, seeded with the directory.
size_t bucket_of(const Dentry* parent, const char* name, size_t length) {
  uint64_t hash = 0xcbf29ce484222325 ^ reinterpret_cast<uint64_t>(parent);
  for (size_t i = 0; i < length; ++i) hash = (hash ^ static_cast<uint8_t>(name[i])) * 0x100000001b3;
  return (hash ^ (hash >> 32)) % kBuckets;
}

}  // namespace

Dentry::~Dentry() { kfree(name_); }

Dentry* Dentry::find_child(const char* name, size_t length) {
  Dentry* child = buckets[bucket_of(this, name, length)];
  while (child != nullptr && (child->parent_.raw() != this || child->name_length_ != length ||
                              memcmp(child->name_, name, length) != 0)) {
    child = child->next_in_bucket_;
  }
  return child;
}

Result<Dentry*> Dentry::add_child(const char* name, size_t length, Ref<Inode> inode) {
  if (find_child(name, length) != nullptr) return Errno{EEXIST};
  char* copy = static_cast<char*>(kmalloc(length + 1));
  // The reference that create() makes is the tree's own.
  Dentry* child = copy == nullptr ? nullptr : create<Dentry>(Ref<Dentry>(this), inode);
  if (child == nullptr) {
    kfree(copy);
    return Errno{ENOMEM};
  }
  memcpy(copy, name, length);
  copy[length] = 0;
  child->name_ = copy;
  child->name_length_ = length;
  (last_child_ != nullptr ? last_child_->next_sibling_ : first_child_) = child;
  last_child_ = child;
  Dentry** bucket = &buckets[bucket_of(this, name, length)];
  child->next_in_bucket_ = *bucket;
  *bucket = child;
  return child;
}

char* path_of(Dentry& dentry, char* buffer, size_t size) {
  if (size < 2) return nullptr;
  char* position = buffer + size - 1;
  *position = 0;
  if (dentry.is_root()) *--position = '/';
  for (Dentry* d = &dentry; !d->is_root(); d = &d->parent()) {
    if (static_cast<size_t>(position - buffer) < d->name_length() + 1) return nullptr;
    position -= d->name_length();
    memcpy(position, d->name(), d->name_length());
    *--position = '/';
  }
  return position;
}

}  // namespace mk
