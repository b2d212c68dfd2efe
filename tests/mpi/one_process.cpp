// What examples/mpi/zero1.cpp does, without ranks and shards. The hash of its parameters is the reference for any number
// of ranks. usage: one_process STEPS
#include "../../examples/mpi/character_model.hpp"
#include "../../examples/mpi/checkpoint_set.hpp"
#include "radam.hpp"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int, char** argv) {
  CharacterModel model("examples/data/as_you_like_it.txt");
  std::vector<float> params(model.elements()), grads(params.size()), sum(params.size());
  model.initialize(params.data());
  radam::GroupOptions group;
  group.lr = 3e-3;
  group.weight_decay = 0.1;
  group.decouple_wd = true;
  radam::Optimizer optimizer;
  optimizer.add_param(optimizer.add_group(group), params, sum, "params");
  radam::StepOptions options;
  options.grad_scale = 1.0 / 8;
  options.max_grad_norm = 1;
  options.zero_grad = true;
  for (std::uint64_t step = 1; step <= std::strtoul(argv[1], nullptr, 10); step++) {
    for (std::uint64_t part = 0; part < 8; part++) {
      grads.assign(grads.size(), 0.0f);
      model.add_gradient(step * 8 + part, params.data(), grads.data());
      for (std::size_t i = 0; i < sum.size(); i++) sum[i] += grads[i];
    }
    optimizer.step(options);
  }
  std::printf("parameters %016" PRIx64 "\n", hash_of(params.data(), params.size()));
}
