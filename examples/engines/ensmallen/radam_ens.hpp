// radam for ensmallen: an update policy of ens::SGD.
//
//   radam_ens::RAdam optimizer(stepSize, batchSize, maxIterations, tolerance, shuffle, options);
//   optimizer.Optimize(function, coordinates);
//
// SPDX: MIT OR Apache-2.0
#ifndef RADAM_ENS_HPP
#define RADAM_ENS_HPP

#include <radam.hpp>

#include <ensmallen.hpp>

#include <cstddef>

namespace radam_ens {

class RAdamUpdate {
 public:
  // options.lr is not used: the step size of ens::SGD is.
  RAdamUpdate(const radam::GroupOptions& options = {}) : options_(options) {}

  // The state of one optimization of a dense matrix of float or double.
  template <typename MatType, typename GradType>
  class Policy {
   public:
    Policy(RAdamUpdate& parent, std::size_t rows, std::size_t columns) {
      radam::GroupOptions options = parent.options_;
      options.lr = 0;
      options.gradient_release = true;  // Update passes the arrays
      group_ = optimizer_.add_group(options);
      param_ = optimizer_.add_param<typename MatType::elem_type>(group_, rows * columns);
    }

    void Update(MatType& iterate, double stepSize, const GradType& gradient) {
      optimizer_.set_lr(group_, stepSize);
      optimizer_.step_tensor(param_, iterate.memptr(), gradient.memptr());
    }

   private:
    radam::Optimizer optimizer_;
    radam::GroupId group_;
    radam::ParamId param_;
  };

 private:
  radam::GroupOptions options_;
};

using RAdam = ens::SGD<RAdamUpdate>;

}  // namespace radam_ens

#endif  // RADAM_ENS_HPP
