# SPDX-License-Identifier: GPL-2.0-or-later
#
# MMUSCOPE_SANITIZE: host code with AddressSanitizer and UndefinedBehaviorSanitizer; every finding ends the test. With
# clang, fuzzers too.
#
# mmuscope_add_fuzzer(NAME LIBRARY SOURCE...): a libFuzzer program where there are fuzzers, else nothing. Its source
# defines LLVMFuzzerTestOneInput. tools/fuzz builds and runs all of them (target `fuzzers`); seeds are the files of the
# folder NAME.corpus beside the CMakeLists.txt, when there is one.
if(MMUSCOPE_SANITIZE)
  add_compile_options(-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
  add_library(sanitizer_defaults OBJECT cmake/sanitizer_defaults.cpp)
  link_libraries(sanitizer_defaults)
  add_custom_target(fuzzers)
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    add_compile_options(-fsanitize=fuzzer-no-link)
  else()  # gcc's flow warnings are less exact in instrumented code
    add_compile_options(-Wno-error=maybe-uninitialized -Wno-error=stringop-overflow)
  endif()
endif()

function(mmuscope_add_fuzzer name library)
  if(NOT (MMUSCOPE_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL Clang))
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
