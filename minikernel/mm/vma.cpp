// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/vma.h"

#include "lib/assert.h"

namespace mk {

Vma* VmaSet::find(uint64_t address) const {
  Vma* best = nullptr;
  for (Vma* vma = root_; vma != nullptr;) {
    if (vma->end > address) {
      best = vma;
      if (vma->start <= address) break;
      vma = vma->left_;
    } else {
      vma = vma->right_;
    }
  }
  return best;
}

Vma* VmaSet::find_intersection(uint64_t start, uint64_t end) const {
  Vma* vma = find(start);
  return vma != nullptr && vma->start < end ? vma : nullptr;
}

// Areas that start below `start` go to *below, the others to *above; both stay treaps.
void VmaSet::split(Vma* tree, uint64_t start, Vma** below, Vma** above) {
  while (tree != nullptr) {
    if (tree->start < start) {
      *below = tree;
      below = &tree->right_;
      tree = tree->right_;
    } else {
      *above = tree;
      above = &tree->left_;
      tree = tree->left_;
    }
  }
  *below = nullptr;
  *above = nullptr;
}

Vma* VmaSet::join(Vma* below, Vma* above) {
  Vma* root = nullptr;
  Vma** link = &root;
  while (below != nullptr && above != nullptr) {
    if (below->priority_ > above->priority_) {
      *link = below;
      link = &below->right_;
      below = below->right_;
    } else {
      *link = above;
      link = &above->left_;
      above = above->left_;
    }
  }
  *link = below != nullptr ? below : above;
  return root;
}

void VmaSet::insert(Vma* vma) {
  KASSERT(vma->start < vma->end);
  // Priorities need to be spread, not secret: xorshift32 (Marsaglia 2003).
  priority_state_ ^= priority_state_ << 13;
  priority_state_ ^= priority_state_ >> 17;
  priority_state_ ^= priority_state_ << 5;
  vma->priority_ = priority_state_;

  vma->next = find(vma->start);
  vma->previous = vma->next != nullptr ? vma->next->previous : last_;
  KASSERT(vma->next == nullptr || vma->end <= vma->next->start);
  (vma->previous != nullptr ? vma->previous->next : first_) = vma;
  (vma->next != nullptr ? vma->next->previous : last_) = vma;

  Vma** link = &root_;
  while (*link != nullptr && (*link)->priority_ >= vma->priority_)
    link = (*link)->start < vma->start ? &(*link)->right_ : &(*link)->left_;
  split(*link, vma->start, &vma->left_, &vma->right_);
  *link = vma;
  ++size_;
}

void VmaSet::erase(Vma* vma) {
  Vma** link = &root_;
  while (*link != vma) {
    KASSERT(*link != nullptr);
    link = (*link)->start < vma->start ? &(*link)->right_ : &(*link)->left_;
  }
  *link = join(vma->left_, vma->right_);
  (vma->previous != nullptr ? vma->previous->next : first_) = vma->next;
  (vma->next != nullptr ? vma->next->previous : last_) = vma->previous;
  vma->left_ = vma->right_ = vma->previous = vma->next = nullptr;
  --size_;
}

}  // namespace mk
