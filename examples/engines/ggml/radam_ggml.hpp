// radam for ggml: steps the parameters of a graph.
//
// SPDX: MIT OR Apache-2.0
#ifndef RADAM_GGML_HPP
#define RADAM_GGML_HPP

#include <radam.hpp>

#include <ggml.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace radam_ggml {

// Adds to a group the parameters (ggml_set_param) of a graph that has been expanded with ggml_build_backward_expand and
// whose tensors are in memory of the CPU, under the names that they have in ggml.
inline void add_params(radam::Optimizer& optimizer, radam::GroupId group, ggml_cgraph* graph) {
  for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
    const ggml_tensor* tensor = ggml_graph_node(graph, i);
    if ((tensor->flags & GGML_TENSOR_FLAG_PARAM) == 0) continue;
    const ggml_tensor* grad = ggml_graph_get_grad(graph, tensor);
    if (tensor->type != GGML_TYPE_F32 || tensor->data == nullptr || grad == nullptr || grad->data == nullptr) {
      throw std::invalid_argument(std::string("the parameter \"") + tensor->name +
                                  "\" must be of F32, and in memory with its gradient: build the backward graph first");
    }
    optimizer.add_param(group, static_cast<float*>(tensor->data), static_cast<float*>(grad->data),
                        static_cast<std::uint64_t>(ggml_nelements(tensor)), tensor->name);
  }
}

}  // namespace radam_ggml

#endif  // RADAM_GGML_HPP
