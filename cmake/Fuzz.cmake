# SPDX-License-Identifier: GPL-2.0-or-later
#
# mmuscope_add_fuzzer(NAME LIBRARY SOURCE...): a libFuzzer program, made when MMUSCOPE_FUZZ is on, else nothing. Its
# source defines LLVMFuzzerTestOneInput. tools/fuzz builds and runs all of them; seeds are the files of the folder
# NAME.corpus beside the CMakeLists.txt, when there is one.
if(MMUSCOPE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    message(FATAL_ERROR "MMUSCOPE_FUZZ needs clang: tools/fuzz sets it up")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
  set(BUILD_TESTING OFF)
  add_custom_target(fuzzers)
endif()

function(mmuscope_add_fuzzer name library)
  if(NOT MMUSCOPE_FUZZ)
    return()
  endif()
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE ${library})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  add_dependencies(fuzzers ${name})
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.corpus)
    file(COPY ${CMAKE_CURRENT_SOURCE_DIR}/${name}.corpus DESTINATION ${CMAKE_BINARY_DIR}/fuzzers)
  endif()
endfunction()
