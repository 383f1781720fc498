# SPDX-License-Identifier: GPL-2.0-or-later
#
# MMUSCOPE_SANITIZE: every finding ends the test. gcc's flow warnings are less exact in instrumented code, so two of
# them do not end the build there.
if(MMUSCOPE_SANITIZE)
  add_compile_options(-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
                      -Wno-error=maybe-uninitialized -Wno-error=stringop-overflow)
  add_link_options(-fsanitize=address,undefined)
  add_library(sanitizer_defaults OBJECT cmake/sanitizer_defaults.cpp)
  link_libraries(sanitizer_defaults)
endif()
