// SPDX-License-Identifier: GPL-2.0-or-later
//
// Objects with a reference count, and the pointer that counts. RefCounted is the base class; a new object has
// one reference, which Ref<T>::adopt takes over. When the last Ref goes, the object is destroyed and its
// memory given back by kfree; a class whose end cannot be anywhere has last_reference_gone(), which sees to
// it that this happens later (fs/file.h). make<T>() builds one and gives an empty Ref when memory is out. The
// count is atomic: objects are shared between CPUs.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/kmalloc.h"

namespace mk {

class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void get() { __atomic_fetch_add(&references_, 1, __ATOMIC_RELAXED); }
  // False when the object is ending already.
  bool try_get() {
    uint32_t seen = __atomic_load_n(&references_, __ATOMIC_RELAXED);
    while (seen != 0) {
      if (__atomic_compare_exchange_n(&references_, &seen, seen + 1, true, __ATOMIC_ACQUIRE,
                                      __ATOMIC_RELAXED))
        return true;
    }
    return false;
  }
  // True for the caller that dropped the last reference and has to destroy the object.
  bool put() { return __atomic_fetch_sub(&references_, 1, __ATOMIC_ACQ_REL) == 1; }
  bool is_shared() const { return __atomic_load_n(&references_, __ATOMIC_ACQUIRE) > 1; }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;

 private:
  uint32_t references_ = 1;
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(decltype(nullptr)) {}
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) object_->RefCounted::get();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) : object_(other.object_) { other.object_ = nullptr; }
  template <typename U>
  Ref(Ref<U>&& other) : object_(other.release()) {}
  ~Ref() { reset(); }

  Ref& operator=(const Ref& other) {
    Ref copy(other);
    swap(copy);
    return *this;
  }
  Ref& operator=(Ref&& other) {
    Ref taken(static_cast<Ref&&>(other));
    swap(taken);
    return *this;
  }

  // Takes over the reference that a new object is born with.
  static Ref adopt(T* object) {
    Ref result;
    result.object_ = object;
    return result;
  }
  T* release() {
    T* object = object_;
    object_ = nullptr;
    return object;
  }
  void reset() {
    T* object = release();
    if (object == nullptr || !object->RefCounted::put()) return;
    if constexpr (requires { object->last_reference_gone(); }) {
      object->last_reference_gone();
    } else {
      object->~T();
      kfree(object);
    }
  }
  void swap(Ref& other) {
    T* object = object_;
    object_ = other.object_;
    other.object_ = object;
  }

  T* raw() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const Ref& other) const { return object_ == other.object_; }

 private:
  T* object_ = nullptr;
};

// A new object in kernel memory, null when there is none; destroy() is its end.
template <typename T, typename... Args>
T* create(Args&&... args) {
  void* memory = kmalloc(sizeof(T));
  return memory == nullptr ? nullptr : ::new (memory) T(static_cast<Args&&>(args)...);
}

template <typename T>
void destroy(T* object) {
  if (object == nullptr) return;
  object->~T();
  kfree(object);
}

template <typename T, typename... Args>
Ref<T> make(Args&&... args) {
  return Ref<T>::adopt(create<T>(static_cast<Args&&>(args)...));
}

}  // namespace mk
