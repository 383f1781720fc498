# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tests that run guest programs, one per line of cases.txt and C library. Included by the root after the program
# and the kernel are known. Label `guest`, so that the sanitizer build can leave them out: they test what runs inside.
if(DEFINED BUILD_TESTING AND NOT BUILD_TESTING)
  return()
endif()
set(tools ${CMAKE_CURRENT_SOURCE_DIR}/tools)

function(add_tool_test name timeout)  # COMMAND...
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS guest TIMEOUT ${timeout} ENVIRONMENT MMUSCOPE_BUILD=${CMAKE_BINARY_DIR})
endfunction()

set(cases ${CMAKE_CURRENT_SOURCE_DIR}/guest-tests/cases.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${cases})
file(STRINGS ${cases} lines REGEX "^[a-z]" ENCODING UTF-8)
foreach(line ${lines})
  string(REGEX MATCH "^[^ ]+" case ${line})
  foreach(library glibc musl)
    if(library STREQUAL glibc OR (MMUSCOPE_GUEST_MUSL_GCC AND NOT line MATCHES "^[^ ]+ +[0-9]+ +/"))
      add_tool_test(guest.${case}.${library} 300 ${tools}/compare-guests --library ${library} ${case})
    endif()
  endforeach()
endforeach()
# Other machines: four CPUs, five levels of page tables.
add_tool_test(guest.four_cpus 600 ${tools}/compare-guests --cpus 4 demand-paging signals mappings)
add_tool_test(guest.five_levels 600 ${tools}/compare-guests --la57 hello protection sparse-map)
foreach(tool determinism limits formats frame-touches readme gdb debug)
  add_tool_test(guest.${tool} 600 ${tools}/test-${tool})
endforeach()
