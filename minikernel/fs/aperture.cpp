// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/aperture.h"

#include "arch/x86_64/memory_layout.h"
#include "mm/aperture.h"

namespace mk {
namespace {

class Aperture final : public Inode {
 public:
  Aperture() : Inode(S_IFCHR | 0600) { device = kApertureDevice; }
  bool mappable() const override { return true; }
  uint64_t device_pages() const override { return aperture_start() != 0 ? kApertureBytes / kPageSize : 0; }
  Pfn device_page(uint64_t index) const override { return aperture_start() + index; }
  long open(File&) override { return aperture_start() != 0 ? 0 : -ENXIO; }
};

}  // namespace

Ref<Inode> make_aperture_device() { return make<Aperture>(); }

}  // namespace mk
