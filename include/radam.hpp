// radam: rectified Adam (RAdam), an optimizer for training neural networks: the C++ interface.
//
// C++17, header-only, over radam.h and the radam library, without other dependencies. SPDX: MIT OR Apache-2.0
//
//   radam::Optimizer opt;
//   auto group = opt.add_group({.lr = 1e-3, .weight_decay = 0.1, .decouple_wd = true});  // C++20
//   opt.add_param(group, weight, grad, n, "weight");                                       // float*, double*, ...
//   while (forward_and_backward()) opt.step();
//
// Before C++20, fill in a named struct: radam::GroupOptions options; options.lr = 1e-3;
//
// Every call does what its namesake in radam.h does, which describes it in full: radam::Optimizer::set_lr is
// radam_set_lr. The rules there on memory and threads hold here too.
//
// Errors
//   Calls of radam::Optimizer throw radam::Error, which has the status and the library's sentence. For programs that
//   are compiled without exceptions, radam::nothrow::Optimizer has the same calls, which return a radam::Outcome, or a
//   radam::Result if there is something to return. (There, radam::Optimizer prints the sentence and calls std::abort.)
//   A call that fails changes nothing.
//
// Checks that C cannot make
//   Wherever an array of a parameter is passed, except to set_tensors: the type of its elements must be that of the
//   parameter, and the size of a container or a C array its length. (A pointer has no size to check.)
//
// A step allocates nothing.
#ifndef RADAM_HPP
#define RADAM_HPP

#include "radam.h"
#include "radam/elements.hpp"
#include "radam/errors.hpp"
#include "radam/optimizer.hpp"
#include "radam/options.hpp"
#include "radam/steps.hpp"

#endif  // RADAM_HPP
