# SPDX-License-Identifier: GPL-2.0-or-later
#
# Unicorn::unicorn, version 2.1.1 or newer: the system's, else the one tools/setup unpacked into the build folder.
find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEM_UNICORN QUIET IMPORTED_TARGET unicorn>=2.1.1)
set(unicorn_prefix ${CMAKE_BINARY_DIR}/deps/unicorn/usr CACHE PATH "where tools/setup unpacked Unicorn")
if(SYSTEM_UNICORN_FOUND)
  add_library(Unicorn::unicorn ALIAS PkgConfig::SYSTEM_UNICORN)
else()
  file(GLOB unicorn_library ${unicorn_prefix}/lib/*/libunicorn.so.2)
  if(NOT unicorn_library)
    message(FATAL_ERROR "Unicorn >= 2.1.1 is not there: run tools/setup (it unpacks it into ${unicorn_prefix})")
  endif()
  add_library(Unicorn::unicorn SHARED IMPORTED)
  set_target_properties(Unicorn::unicorn PROPERTIES
    IMPORTED_LOCATION ${unicorn_library}
    INTERFACE_INCLUDE_DIRECTORIES ${unicorn_prefix}/include)
  set(MMUSCOPE_BUNDLED_UNICORN ${unicorn_library} CACHE INTERNAL "installed beside the program")
endif()
