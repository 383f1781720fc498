// SPDX-License-Identifier: GPL-2.0-or-later
//
// The name of a function as people write it. C++ names (those that begin with _Z, Itanium C++ ABI 5.1) lose
// what makes a row too long: the parameters, a template's return type, the anonymous namespace. What tells
// one function from another without them stays: template arguments, operators, lambdas with their parameters.
#pragma once

#include <string>

namespace mmuscope {

std::string readable_name(const char* symbol);

}  // namespace mmuscope
