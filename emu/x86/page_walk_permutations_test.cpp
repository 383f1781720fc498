// SPDX-License-Identifier: GPL-2.0-or-later
//
// The walker against the oracle, over every combination of the conditions that decide an access, and over
// random paths. What does not multiply (initial A and D, which upper entry restricts, G) is drawn from the
// case's number.
#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>

#include "x86/page_walk.h"
#include "x86/page_walk_oracle.h"

namespace mmuscope::x86 {
namespace {

constexpr uint64_t kP = 1, kW = 2, kU = 4, kA = 1u << 5, kD = 1u << 6, kPs = 1u << 7, kG = 1u << 8;
constexpr uint64_t kXd = uint64_t{1} << 63;

// One table at each level, at addresses that have nothing in common; the linear address picks a different
// index in each.
constexpr std::array<uint64_t, 6> kTable{
    0, 0x1'2345'6000, 0x7'6543'2000, 0x3'3333'3000, 0xf'0f0f'0000, 0x5'5555'5000};
constexpr uint64_t kFrame = 0xa'c000'0000;  // aligned for every page size
constexpr std::array<uint64_t, 2> kLinear{0x0000'7abc'def0'1234, 0xffff'8123'4567'8abc};

// Knows nothing but the path: any other access is the walker's mistake.
class PathMemory final : public PagingMemory {
 public:
  PathMemory(const oracle::Case& c) : entry_(c.entry) {
    for (unsigned level = 1; level <= 5; ++level) {
      address_[level] = kTable[level] + 8 * ((c.linear >> (3 + 9 * level)) % 512);
    }
  }
  uint64_t read_entry(PhysicalAddress address) override { return entry_[level_at(address)]; }
  bool compare_exchange_entry(PhysicalAddress address, uint64_t expected, uint64_t desired) override {
    uint64_t& entry = entry_[level_at(address)];
    if (entry != expected) return false;
    entry = desired;
    return true;
  }
  uint64_t address(unsigned level) const { return address_[level]; }
  const std::array<uint64_t, 6>& entries() const { return entry_; }
  bool strayed() const { return strayed_; }

 private:
  unsigned level_at(PhysicalAddress address) {
    for (unsigned level = 1; level <= 5; ++level) {
      if (address_[level] == address) return level;
    }
    strayed_ = true;
    return 0;
  }
  std::array<uint64_t, 6> entry_;
  std::array<uint64_t, 6> address_{};
  bool strayed_ = false;
};

PagingContext context_of(const oracle::Case& c) {
  return {.cr3 = kTable[c.levels] | 0x18,  // PWT and PCD, or a PCID: not part of the address
          .pkru = c.pkru,
          .physical_address_bits = static_cast<uint8_t>(c.maxphyaddr),
          .la57 = c.levels == 5,
          .wp = c.wp,
          .smep = c.smep,
          .smap = c.smap,
          .pke = c.pke,
          .nxe = c.nxe,
          .pages_1g = c.pages_1g,
          .ac = c.ac,
          .pge = c.pge};
}

Access access_of(const oracle::Case& c) {
  const AccessType type = c.fetch ? AccessType::kFetch : c.write ? AccessType::kWrite : AccessType::kRead;
  return {.linear = c.linear, .type = type, .user = c.user, .implicit = c.implicit};
}

// What differs, in words; empty when walker and oracle agree.
std::string compare_fault(const PathMemory& memory, const oracle::Case& c, const oracle::Answer& expected,
                          const PageFault& fault) {
  if (!(expected.broken & oracle::one(fault.reason))) return "reason";
  if (fault.error_code() != expected.error_code) return "error code";
  if (fault.level != expected.level_of[static_cast<unsigned>(fault.reason)]) return "level";
  if (fault.entry_address != memory.address(fault.level)) return "entry address";
  if (fault.entry_value != c.entry[fault.level]) return "entry value";
  if (fault.access.linear != c.linear) return "linear address";
  return "";
}

std::string compare_page(const oracle::Case& c, const oracle::Answer& expected, const Translation& page) {
  const auto size = static_cast<PageSize>(expected.mapping_level - 1);
  if (page.size != size) return "page size";
  if (page.linear_base != page_base(c.linear, size)) return "linear base";
  if (page.physical(c.linear) != expected.physical) return "physical address";
  if (page.physical_base != page_base(expected.physical, size)) return "physical base";
  if (page.writable != expected.writable) return "writable";
  if (page.user != expected.user_page) return "user";
  if (page.executable != expected.executable) return "executable";
  if (page.global != expected.global) return "global";
  if (page.dirty != expected.dirty) return "dirty";
  if (page.key != expected.key) return "key";
  return "";
}

std::string compare(const oracle::Case& c) {
  const oracle::Answer expected = oracle::judge(c);
  PathMemory memory(c);
  const auto peeked = peek_walk(context_of(c), access_of(c), memory);
  if (memory.entries() != c.entry) return "peek_walk changed memory";
  const auto page = walk(context_of(c), access_of(c), memory);
  if (memory.strayed()) return "an entry that is not on the path was touched";
  if (page.has_value() != (expected.broken == 0)) return page ? "allowed" : "denied";
  if (peeked.has_value() != page.has_value()) return "peek_walk decides differently";
  if (memory.entries() != expected.entry_after) return "accessed and dirty flags";
  return page ? compare_page(c, expected, *page) : compare_fault(memory, c, expected, page.error());
}

std::string describe(const oracle::Case& c) {
  std::ostringstream out;
  out << std::hex << "linear=" << c.linear << " levels=" << c.levels << " entries";
  for (unsigned level = c.levels; level > 0; --level) out << ' ' << c.entry[level];
  out << std::dec << " write=" << c.write << " fetch=" << c.fetch << " user=" << c.user
      << " implicit=" << c.implicit << " maxphyaddr=" << c.maxphyaddr << " wp=" << c.wp << " smep=" << c.smep
      << " smap=" << c.smap << " pke=" << c.pke << " nxe=" << c.nxe << " 1g=" << c.pages_1g << " ac=" << c.ac
      << " pge=" << c.pge << std::hex << " pkru=" << c.pkru;
  return out.str();
}

// Peels the next choice off a case number.
class Choices {
 public:
  explicit Choices(uint64_t number) : rest_(number) {}
  unsigned take(unsigned options) {
    const unsigned choice = rest_ % options;
    rest_ /= options;
    return choice;
  }
  bool flag() { return take(2) != 0; }

 private:
  uint64_t rest_;
};

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t rights(Choices& choices) {
  return (choices.flag() ? kW : 0) | (choices.flag() ? kU : 0) | (choices.flag() ? kXd : 0);
}

// Upper entries allow everything except the one that `upper` replaces the rights of.
void lay_path(oracle::Case& c, unsigned leaf_level, uint64_t leaf, uint64_t upper, Choices& noise) {
  const unsigned restricting = leaf_level + 1 + noise.take(c.levels - leaf_level);
  for (unsigned level = c.levels; level > leaf_level; --level) {
    c.entry[level] = kTable[level - 1] | kP | (level == restricting ? upper : kW | kU);
    c.entry[level] |= (noise.flag() ? kA : 0) | (noise.flag() ? kD | kG : 0);  // D and G mean nothing up here
  }
  c.entry[leaf_level] = kFrame | kP | leaf | (leaf_level > 1 ? kPs : 0);
  c.entry[leaf_level] |= (noise.flag() ? kA : 0) | (noise.flag() ? kD : 0) | (noise.flag() ? kG : 0);
  c.entry[leaf_level] |= uint64_t{1 + noise.take(15)} << 59;
}

enum class Damage { kNone, kLeafAbsent, kUpperAbsent, kLeafReserved, kUpperReserved, kTopPs, kLast };

void damage_path(oracle::Case& c, unsigned leaf_level, Damage damage, Choices& noise) {
  const unsigned upper = leaf_level + 1 + noise.take(c.levels - leaf_level);
  const uint64_t too_high = uint64_t{1} << (c.maxphyaddr + noise.take(52 - c.maxphyaddr));
  const unsigned misaligned = leaf_level > 1 ? 13 + noise.take(leaf_level == 2 ? 8 : 17) : c.maxphyaddr;
  switch (damage) {
    case Damage::kLeafAbsent:
      c.entry[leaf_level] &= ~kP;
      break;
    case Damage::kUpperAbsent:
      c.entry[upper] &= ~kP;
      break;
    case Damage::kLeafReserved:
      c.entry[leaf_level] |= noise.flag() ? too_high : uint64_t{1} << misaligned;
      break;
    case Damage::kUpperReserved:
      c.entry[upper] |= too_high;
      break;
    case Damage::kTopPs:
      c.entry[c.levels] |= kPs;
      break;
    default:
      break;
  }
}

constexpr uint64_t kCaseCount = 2 * 3 * 9 * 64 * 8 * 8 * 4 * static_cast<unsigned>(Damage::kLast);

oracle::Case make_case(uint64_t number) {
  Choices choices(number), noise(mix(number));
  oracle::Case c;
  c.levels = choices.flag() ? 5 : 4;
  const unsigned leaf_level = 1 + choices.take(3);
  const unsigned type = choices.take(3), mode = choices.take(3);
  c.write = type == 1;
  c.fetch = type == 2;
  c.user = mode == 1;
  c.implicit = mode == 2;
  c.wp = choices.flag();
  c.smep = choices.flag();
  c.smap = choices.flag();
  c.pke = choices.flag();
  c.nxe = choices.flag();
  c.ac = choices.flag();
  const uint64_t leaf = rights(choices), upper = rights(choices);
  const unsigned key_rights = choices.take(4);
  c.linear = kLinear[noise.take(2)];
  c.maxphyaddr = 36 + noise.take(16);
  c.pages_1g = noise.take(8) != 0;
  c.pge = noise.flag();
  lay_path(c, leaf_level, leaf, upper, noise);
  const unsigned key = (c.entry[leaf_level] >> 59) % 16;
  c.pkru = (0x5555'5555u & ~(3u << 2 * key)) | key_rights << 2 * key;  // every other key forbids
  damage_path(c, leaf_level, static_cast<Damage>(choices.take(static_cast<unsigned>(Damage::kLast))), noise);
  return c;
}

TEST(PageWalkPermutations, AgreeWithTheOracle) {
  static_assert(kCaseCount >= 5'000'000);
  std::array<uint64_t, 10> faults{};
  uint64_t allowed = 0;
  for (uint64_t number = 0; number < kCaseCount; ++number) {
    const oracle::Case c = make_case(number);
    const std::string difference = compare(c);
    ASSERT_EQ(difference, "") << "case " << number << ": " << describe(c);
    const oracle::Answer answer = oracle::judge(c);
    allowed += answer.broken == 0;
    for (unsigned reason = 1; reason < faults.size(); ++reason) faults[reason] += answer.broken >> reason & 1;
  }
  // The permutations must reach everything.
  EXPECT_GT(allowed, 100'000u);
  for (unsigned reason = 1; reason < faults.size(); ++reason) {
    EXPECT_GT(faults[reason], 1000u) << fault_reason_name(static_cast<FaultReason>(reason));
  }
}

// Every bit of every entry and every condition at random: what the list of permutations did not think of.
TEST(PageWalkPermutations, RandomPathsAgreeWithTheOracle) {
  std::mt19937_64 random(20211218);
  for (int i = 0; i < 1'000'000; ++i) {
    oracle::Case c;
    Choices noise(random());
    c.levels = noise.flag() ? 5 : 4;
    c.linear = kLinear[noise.take(2)];
    c.write = noise.flag();
    c.fetch = !c.write && noise.flag();
    c.user = noise.flag();
    c.implicit = !c.user && noise.flag();
    c.maxphyaddr = 36 + noise.take(17);
    for (bool* flag : {&c.wp, &c.smep, &c.smap, &c.pke, &c.nxe, &c.ac, &c.pages_1g, &c.pge})
      *flag = noise.flag();
    c.pkru = static_cast<uint32_t>(random());
    for (unsigned level = 1; level <= c.levels; ++level) {
      constexpr uint64_t kAddress = 0x000f'ffff'ffff'f000;
      // Mostly present and permissive, so that paths reach their end; ignored bits always random.
      const uint64_t attributes = (random() & ~kAddress) | (random() & (kP | kW | kU)) | (random() & kP);
      // Address bits that the processor lacks: any other bit above the PTE would lead off the path.
      const unsigned lowest = level == 1 ? 36 : c.maxphyaddr;
      const bool spoil = random() % 16 == 0 && lowest < 52;
      const uint64_t stray = spoil ? uint64_t{1} << (lowest + random() % (52 - lowest)) : 0;
      c.entry[level] =
          (attributes & ~(random() & (kXd | kPs))) | stray | (level > 1 ? kTable[level - 1] : kFrame);
      if (c.entry[level] & kPs && level > 1 && random() % 4)
        c.entry[level] = (c.entry[level] & ~kAddress) | kFrame;
    }
    ASSERT_EQ(compare(c), "") << "round " << i << ": " << describe(c);
  }
}

}  // namespace
}  // namespace mmuscope::x86
