// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/dentry.h"

#include "lib/assert.h"
#include "lib/string.h"

namespace mk {

Spinlock tree_lock;

namespace {

constexpr size_t kBuckets = 2048;
Dentry* buckets[kBuckets];
Dentry* kept;  // since boot

// FNV-1a over the name, seeded with the directory.
Dentry*& bucket_of(const Dentry* parent, const char* name, size_t length) {
  uint64_t hash = 0xcbf29ce484222325 ^ reinterpret_cast<uint64_t>(parent);
  for (size_t i = 0; i < length; ++i) hash = (hash ^ static_cast<uint8_t>(name[i])) * 0x100000001b3;
  return buckets[(hash ^ (hash >> 32)) % kBuckets];
}

}  // namespace

// Without recursion: the last user of a deep path may drop all of it.
Dentry::~Dentry() {
  kfree(name_);
  Dentry* parent = parent_.release();
  while (parent != nullptr && parent->put()) {
    Dentry* next = parent->parent_.release();
    destroy(parent);
    parent = next;
  }
}

Ref<Dentry> Dentry::named(Ref<Dentry> parent, const char* name, size_t length, Ref<Inode> inode, Kind kind) {
  char* copy = static_cast<char*>(kmalloc(length + 1));
  Ref<Dentry> dentry = copy == nullptr ? nullptr : make<Dentry>(parent, inode, kind);
  if (!dentry) {
    kfree(copy);
    return nullptr;
  }
  memcpy(copy, name, length);
  copy[length] = 0;
  dentry->name_ = copy;
  dentry->name_length_ = length;
  return dentry;
}

Ref<Dentry> Dentry::parent() {
  SpinlockGuard guard(tree_lock);
  return Ref<Dentry>(parent_locked());
}

Ref<Dentry> Dentry::find_child(const char* name, size_t length) {
  SpinlockGuard guard(tree_lock);
  return Ref<Dentry>(find_child_locked(name, length));
}

Dentry* Dentry::find_child_locked(const char* name, size_t length) const {
  Dentry* child = bucket_of(this, name, length);
  while (child != nullptr && (child->parent_.raw() != this || child->name_length_ != length ||
                              memcmp(child->name_, name, length) != 0)) {
    child = child->next_in_bucket_;
  }
  return child;
}

Result<Ref<Dentry>> Dentry::add_child(const char* name, size_t length, Ref<Inode> inode) {
  Ref<Dentry> child = named(Ref<Dentry>(this), name, length, inode, Kind::kInTree);
  if (!child) return Errno{ENOMEM};
  SpinlockGuard guard(tree_lock);
  if (kind_ == Kind::kRemoved) return Errno{ENOENT};
  if (find_child_locked(name, length) != nullptr) return Errno{EEXIST};
  child->link_locked();
  return child;
}

bool Dentry::next_entry(DirEntry& entry, Ref<Dentry>& hint) {
  Ref<Dentry> previous(hint);  // dropped without the lock
  SpinlockGuard guard(tree_lock);
  bool usable = previous && previous->kind_ == Kind::kInTree && previous->parent_.raw() == this &&
                previous->position_ < entry.position;
  Dentry* child = usable ? previous->next_sibling_ : first_child_;
  while (child != nullptr && child->position_ < entry.position) child = child->next_sibling_;
  if (child == nullptr) return false;
  entry.position = child->position_;
  entry.inode = child->inode_->number;
  entry.type = static_cast<uint8_t>((child->inode_->mode & S_IFMT) >> 12);
  entry.length = static_cast<uint8_t>(child->name_length_);
  memcpy(entry.name, child->name_, child->name_length_ + 1);
  hint = Ref<Dentry>(child);
  return true;
}

bool Dentry::is_below_locked(const Dentry& directory) const {
  const Dentry* at = this;
  while (at != &directory && at->parent_) at = at->parent_.raw();
  return at == &directory;
}

void Dentry::link_locked() {
  get();  // the tree's own reference
  __atomic_store_n(&kind_, Kind::kInTree, __ATOMIC_RELAXED);
  Dentry& parent = *parent_;
  if (inode_->is_directory()) ++parent.inode_->links;  // its ".."
  position_ = parent.next_position_++;
  previous_sibling_ = parent.last_child_;
  next_sibling_ = nullptr;
  (parent.last_child_ != nullptr ? parent.last_child_->next_sibling_ : parent.first_child_) = this;
  parent.last_child_ = this;
  Dentry*& bucket = bucket_of(&parent, name_, name_length_);
  next_in_bucket_ = bucket;
  bucket = this;
}

Ref<Dentry> Dentry::unlink_locked() {
  KASSERT(kind_ == Kind::kInTree);
  __atomic_store_n(&kind_, Kind::kRemoved, __ATOMIC_RELAXED);
  Dentry& parent = *parent_;
  if (inode_->is_directory()) --parent.inode_->links;
  (next_sibling_ != nullptr ? next_sibling_->previous_sibling_ : parent.last_child_) = previous_sibling_;
  (previous_sibling_ != nullptr ? previous_sibling_->next_sibling_ : parent.first_child_) = next_sibling_;
  next_sibling_ = previous_sibling_ = nullptr;
  Dentry** link = &bucket_of(&parent, name_, name_length_);
  while (*link != this) link = &(*link)->next_in_bucket_;
  *link = next_in_bucket_;
  return Ref<Dentry>::adopt(this);
}

char* Dentry::move_locked(Ref<Dentry>& parent, char* name, size_t length) {
  Ref<Dentry> self = unlink_locked();
  parent_.swap(parent);
  char* old = name_;
  name_ = name;
  name_length_ = length;
  link_locked();
  if (!kept_ || boot_name_ != nullptr) return old;
  boot_name_ = old;
  return nullptr;
}

void Dentry::keep_all(Dentry& root) {
  for (Dentry* dentry = &root; dentry != nullptr;) {
    dentry->get();
    dentry->kept_ = true;
    dentry->next_kept_ = kept;
    kept = dentry;
    Dentry* next = dentry->first_child_;
    for (; next == nullptr && dentry != &root; dentry = dentry->parent_locked()) next = dentry->next_sibling_;
    dentry = next;
  }
}

// At the end of the machine, alone. Kept names leave the tree, wherever they are by now; what is left below
// them came later.
void Dentry::forget_others(Dentry& root) {
  for (Dentry* dentry = kept; dentry != nullptr; dentry = dentry->next_kept_) {
    if (dentry == &root) continue;
    if (dentry->kind_ == Kind::kInTree) dentry->unlink_locked();
    dentry->parent_ = Ref<Dentry>(&root);
    if (dentry->boot_name_ != nullptr) kfree(dentry->name_);
    dentry->name_ = dentry->boot_name_ = nullptr;
  }
  for (Dentry* dentry = kept; dentry != nullptr; dentry = dentry->next_kept_) {
    while (dentry->first_child_ != nullptr) {
      Dentry* child = dentry->first_child_;
      while (child->first_child_ != nullptr) child = child->first_child_;
      child->unlink_locked();
    }
    dentry->inode_->forget_contents();
  }
}

char* path_of(Dentry& dentry, char* buffer, size_t size) {
  char* position = buffer + size;
  auto put = [&](const char* text, size_t length) {
    if (static_cast<size_t>(position - buffer) < length) return false;
    position -= length;
    memcpy(position, text, length);
    return true;
  };
  SpinlockGuard guard(tree_lock);
  constexpr char kDeleted[] = " (deleted)";
  if (!put("", 1) || (dentry.is_removed() && !put(kDeleted, sizeof(kDeleted) - 1))) return nullptr;
  if (dentry.is_root() && !put("/", 1)) return nullptr;
  for (Dentry* d = &dentry; !d->is_root(); d = d->parent_locked()) {
    if (!put(d->name_locked(), d->name_length_locked())) return nullptr;
    if (d->is_text()) break;
    if (!put("/", 1)) return nullptr;
    if (d->parent_locked() == d) break;
  }
  return position;
}

}  // namespace mk
