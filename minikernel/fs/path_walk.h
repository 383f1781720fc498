// SPDX-License-Identifier: GPL-2.0-or-later
//
// The walk from a path to a file: names, "..", symbolic links (path_resolution(7), Linux fs/namei.c). It
// stops before the last name, which a caller may want to make, remove or replace; take_last() goes the rest
// of the way. Following a link puts its target in front of what is still to be walked.
#pragma once

#include <stdint.h>

#include "fs/dentry.h"
#include "lib/result.h"

namespace mk {

inline constexpr size_t kPathMax = 4096;  // with the final NUL
inline constexpr size_t kNameMax = 255;
inline constexpr int kMaxSymlinks = 40;

inline constexpr unsigned kNoFollow = 1;    // a symbolic link at the end is the result
inline constexpr unsigned kDirectory = 2;   // the result has to be a directory
inline constexpr unsigned kNoSymlinks = 4;  // these four: RESOLVE_* of openat2(2)
inline constexpr unsigned kNoMagicLinks = 8;
inline constexpr unsigned kBeneath = 16;
inline constexpr unsigned kInRoot = 32;
inline constexpr unsigned kCreate = 64;  // open(O_CREAT): a name with a slash behind it is EISDIR

class PathWalk {
 public:
  PathWalk(const Ref<Dentry>& base, unsigned flags);
  ~PathWalk();
  PathWalk(const PathWalk&) = delete;

  // Walks to the directory of the last name. -ENOENT for an empty path, and everything else that can be
  // wrong.
  long start(const char* path);

  const Ref<Dentry>& directory() const { return at_; }
  const char* last() const { return last_; }
  size_t last_length() const { return last_length_; }
  // The last name is followed by a slash.
  bool wants_directory() const { return last_[last_length_] == '/'; }
  // The last name is a name: not "/", "." or "..".
  bool last_is_name() const { return last_length_ != 0 && !is_dot() && !is_dot_dot(); }
  bool is_dot() const { return last_length_ == 1 && last_[0] == '.'; }
  bool is_dot_dot() const { return last_length_ == 2 && last_[0] == '.' && last_[1] == '.'; }

  // What the last name refers to, links followed unless kNoFollow.
  Result<Ref<Dentry>> take_last();
  // The last name itself, whatever it is and whatever follows it.
  Result<Ref<Dentry>> look_at_last() { return look_up(last_, last_length_); }
  // After an ENOENT of take_last: directory() is there, last() is the name that it lacks.
  bool only_last_is_missing() const { return missing_; }

 private:
  long to_last();
  Result<Ref<Dentry>> look_up(const char* name, size_t length);
  long step_up();
  long follow(Dentry& link);
  long go_to_root();

  unsigned flags_;
  Ref<Dentry> base_;
  Ref<Dentry> at_;
  char* buffers_[2] = {};  // they take turns
  int buffer_ = 0;
  const char* rest_ = "";
  const char* last_ = "";
  size_t last_length_ = 0;
  int links_followed_ = 0;
  bool missing_ = false;
};

}  // namespace mk
