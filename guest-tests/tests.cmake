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
# Five levels of page tables.
add_tool_test(guest.five_levels 600 ${tools}/compare-guests --la57 hello protection sparse-map)
# Every case under every copy-on-write policy, with 1, 2 and 4 CPUs. What the default does on one CPU was seen above.
foreach(policy mapcount page-count unshare-mapcount anon-exclusive pte pte-group)
  foreach(cpus 1 2 4)
    if(NOT (policy STREQUAL pte AND cpus EQUAL 1))
      add_tool_test(guest.${policy}.${cpus}_cpus 900
        ${tools}/compare-guests --cow ${policy} --cpus ${cpus} --library glibc --skip qemu)
    endif()
  endforeach()
endforeach()
add_tool_test(guest.musl.4_cpus 900 ${tools}/compare-guests --cpus 4 --library musl --skip qemu)
# And in QEMU, whose four CPUs run at the same time.
add_tool_test(guest.qemu.4_cpus 1200 ${tools}/compare-guests --cpus 4 --library glibc --skip mmuscope)
add_tool_test(guest.out_of_memory.pte 900 ${tools}/test-out-of-memory --cow pte)
add_tool_test(guest.out_of_memory.others 900 ${tools}/test-out-of-memory --cow mapcount --cow page-count
  --cow unshare-mapcount --cow anon-exclusive --cow pte-group --step 7)
# Every copy-on-write scenario under every policy is as guest-tests/scenarios/expected.json says, and as docs/ show it.
add_tool_test(guest.matrix 900 ${tools}/update-docs --check)
# The other contract of read-only pins changes nothing for pins that write, and opens no leak.
add_tool_test(guest.matrix_snapshot 300 $<TARGET_FILE:mmuscope> matrix --append ro_pin=snapshot
  --policies anon-exclusive,pte,pte-group --scenarios s03,s05,s09,s10,s14,s28)
add_tool_test(guest.matrix_cpus 900 $<TARGET_FILE:mmuscope> matrix --cpus 4)
add_tool_test(guest.stress_pins 900 ${tools}/test-stress-pins)
foreach(tool determinism limits formats frame-touches readme gdb debug)
  add_tool_test(guest.${tool} 600 ${tools}/test-${tool})
endforeach()
