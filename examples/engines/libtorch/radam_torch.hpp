// radam for LibTorch: an optimizer of torch::optim that steps tensors with radam, on the CPU with ATen's threads, or on a
// CUDA GPU. Its tensors are all on one device.
//
//   radam_torch::RAdam optimizer(model->named_parameters(), {.lr = 1e-3});
//   optimizer.zero_grad();
//   loss.backward();
//   optimizer.step();
//
// Learning-rate schedulers of torch::optim work with it, and torch::save and torch::load save and load its state. In a
// group with gradient_release, each parameter is stepped inside the backward pass, as soon as its gradient is complete,
// and the gradient is freed.
//
// On a GPU, steps are enqueued on PyTorch's current stream of that device, and nothing waits for them. Link libtorch_cuda.so
// and libc10_cuda.so too; no header of CUDA is needed. docs/gpu.md has the rest.
//
// SPDX: MIT OR Apache-2.0
#ifndef RADAM_TORCH_HPP
#define RADAM_TORCH_HPP

#include <radam.hpp>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/torch.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#if AT_PARALLEL_OPENMP && !defined(_OPENMP)
#error "compile with -fopenmp; without it, at::parallel_for is a loop on one thread"
#endif

namespace radam_torch {

// The threads that LibTorch's own operators run on. ATen gives each a contiguous range of the indices, the same one in
// every step, so it finds its part of the parameters in its caches. They are awake after a backward pass, so that small
// steps gain from them, too.
inline radam::Executor aten_executor() {
  return radam::Executor(
      [](std::uint64_t count, radam::Body body) {
        at::parallel_for(0, static_cast<std::int64_t>(count), 1, [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t index = begin; index < end; ++index) body(static_cast<std::uint64_t>(index));
        });
      },
      65536);
}

inline radam::Dtype dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return radam::Dtype::f32;
    case at::kDouble: return radam::Dtype::f64;
    case at::kHalf: return radam::Dtype::f16;
    case at::kBFloat16: return radam::Dtype::bf16;
    default: TORCH_CHECK(false, "radam steps float, double, half and bfloat16 tensors, not ", type);
  }
}

// The stream that PyTorch's operators run on now, in this thread: a cudaStream_t.
inline void* current_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
}

// How an optimizer of tensors on this device is created.
inline radam::Options options_for(at::Device device) {
  radam::Options options;
  if (device.is_cpu()) {
    options.executor = aten_executor();
  } else {
    TORCH_CHECK(device.is_cuda(), "radam steps tensors on the CPU and on CUDA GPUs, not on ", device);
    options.device = radam::Device::cuda;
    options.cuda_device = device.index();
    options.cuda_stream = current_stream(device);
  }
  return options;
}

// The options of a group. Once it has been added, only lr is read again, before each step: schedulers set it. All
// options can be changed through RAdam::radam().
struct RAdamOptions : torch::optim::OptimizerCloneableOptions<RAdamOptions> {
  radam::GroupOptions group;

  explicit RAdamOptions(const radam::GroupOptions& options) : group(options) {}
  double get_lr() const override { return group.lr; }
  void set_lr(double lr) override { group.lr = lr; }
};

class RAdam : public torch::optim::Optimizer {
 public:
  using NamedParameters = torch::OrderedDict<std::string, at::Tensor>;

  RAdam(const NamedParameters& params, const radam::GroupOptions& options)
      : Optimizer(std::vector<torch::optim::OptimizerParamGroup>(), std::make_unique<RAdamOptions>(options)),
        device_(params.is_empty() ? at::Device(at::kCPU) : params.begin()->value().device()),
        radam_(options_for(device_)) {
    add_param_group(params, options);
  }
  ~RAdam() override {
    for (const Param& param : params_) {
      if (param.released) torch::autograd::impl::set_post_acc_grad_hooks(param.tensor, nullptr);
    }
  }
  RAdam(RAdam&&) = delete;  // the hooks have its address

  // Checkpoints identify the parameters by their names, which are those of the same module in Python.
  void add_param_group(const NamedParameters& params, const radam::GroupOptions& options) {
    for (const auto& param : params) {
      check_layout("", param.key(), param.value());
      TORCH_CHECK(!options.gradient_release || !torch::autograd::impl::post_acc_grad_hooks(param.value()), param.key(),
                  " has a hook already; autograd allows one, which gradient_release needs");
    }
    torch::optim::Optimizer::add_param_group(params.values());
    // Not passed to add_param_group, which gives groups of optimizers that it does not know the default options.
    param_groups_.back().set_options(std::make_unique<RAdamOptions>(options));
    try {
      add(params, options);
    } catch (...) {
      param_groups_.pop_back();
      throw;
    }
  }

  // Steps the parameters that have a gradient.
  at::Tensor step(LossClosure closure = nullptr) override {
    at::Tensor loss;
    if (closure) {
      const at::AutoGradMode enable_grad(true);
      loss = closure();
    }
    step_bound([this] { radam_.step(); });
    return loss;
  }
  // The same with gradient scaling, clipping, skipping, and a report.
  radam::StepReport step_with(const radam::StepOptions& options) {
    radam::StepReport report;
    step_bound([&] { report = radam_.step(options); });
    return report;
  }

  // In a file of radam's format, which the tools in examples/interop convert to and from Python's.
  void save(const std::string& path) { radam_.save(path); }
  void load(const std::string& path) {
    radam_.load(path);
    read_lr();
  }
  // The same in an archive: torch::save(optimizer, path).
  void save(torch::serialize::OutputArchive& archive) const override {
    std::vector<std::byte> checkpoint = radam_.save_to_buffer();
    const auto size = static_cast<std::int64_t>(checkpoint.size());
    archive.write("radam", at::from_blob(checkpoint.data(), {size}, at::kByte).clone(), /*is_buffer=*/true);
  }
  void load(torch::serialize::InputArchive& archive) override {
    at::Tensor checkpoint;
    TORCH_CHECK(archive.try_read("radam", checkpoint, /*is_buffer=*/true),
                "the archive has no state of radam_torch::RAdam; another optimizer or module saved it");
    radam_.load_from_buffer({static_cast<const std::byte*>(checkpoint.const_data_ptr()), checkpoint.nbytes()});
    read_lr();
  }

  radam::Optimizer& radam() { return radam_; }

 private:
  struct Param {
    std::string name;
    at::Tensor tensor;
    at::ScalarType dtype, grad_dtype;  // as they were when it was added
    std::int64_t numel;
    radam::GroupId group;
    bool released;  // its gradient
  };

  // Autograd calls it when the gradient of a parameter is complete.
  struct Release : torch::autograd::PostAccumulateGradHook {
    RAdam& optimizer;
    radam::ParamId id;

    Release(RAdam& owner, radam::ParamId param) : optimizer(owner), id(param) {}
    void operator()(const at::Tensor&) override { optimizer.release(id); }
  };

  // The addresses of a step, registered while this exists: gradients are new tensors in every backward pass. On a GPU they
  // stay registered until they change, since the GPU has a table of them; a captured graph steps those of its capture.
  struct Bound {
    RAdam& optimizer;
    std::vector<void*> data, grads;  // NULL for parameters that are not stepped

    explicit Bound(RAdam& owner) : optimizer(owner) {
      for (const Param& param : optimizer.params_) {
        const bool steps = !param.released && param.tensor.grad().defined();
        data.push_back(steps ? optimizer.data_of(param) : nullptr);
        grads.push_back(steps ? optimizer.grad_of(param) : nullptr);
      }
      if (optimizer.device_.is_cuda()) {
        if (data == optimizer.data_ && grads == optimizer.grads_) return;
        optimizer.data_.clear();  // if the next call fails, the next step tries again
      }
      optimizer.radam_.set_tensors(0, data.size(), data.data(), grads.data());
      if (optimizer.device_.is_cuda()) optimizer.data_ = data, optimizer.grads_ = grads;
    }
    ~Bound() {
      if (optimizer.device_.is_cuda()) return;
      const std::vector<void*> none(data.size());
      radam_set_tensors(optimizer.radam_.handle(), 0, none.size(), none.data(), none.data());
    }
    Bound(const Bound&) = delete;
  };

  // Adds all parameters or none.
  void add(const NamedParameters& params, const radam::GroupOptions& options) {
    std::vector<radam::Param> unbound;
    for (const auto& param : params) {
      radam::Param& described = unbound.emplace_back();
      described.data.dtype = dtype_of(param.value().scalar_type());
      described.grad.dtype = dtype_of(grad_type(param.value()));
      described.len = static_cast<std::uint64_t>(param.value().numel());
      described.name = param.key().c_str();
    }
    const radam::GroupId group = radam_.add_group(options, unbound);
    for (const auto& param : params) {
      const auto id = static_cast<std::uint32_t>(params_.size());
      params_.push_back({param.key(), param.value(), param.value().scalar_type(), grad_type(param.value()),
                         param.value().numel(), group, options.gradient_release});
      if (!options.gradient_release) continue;
      torch::autograd::impl::set_post_acc_grad_hooks(param.value(), std::make_unique<Release>(*this, id));
    }
  }

  template <typename Step>
  void step_bound(const Step& step) {
    for (std::uint32_t group = 0; group < param_groups_.size(); ++group) update_lr(group);
    update_stream();
    const Bound bound(*this);
    step();
    for (std::size_t id = 0; id < params_.size(); ++id) {
      if (bound.grads[id] != nullptr) mark_changed(params_[id].tensor);
    }
  }

  void release(radam::ParamId id) {
    const Param& param = params_[id];
    update_lr(param.group);
    update_stream();
    const radam::Array data(data_of(param), dtype_of(param.dtype));
    radam_.step_tensor(id, data, radam::ConstArray(grad_of(param), dtype_of(param.grad_dtype)));
    mark_changed(param.tensor);
    param.tensor.mutable_grad().reset();
  }

  void update_lr(radam::GroupId group) {
    const double lr = param_groups_[group].options().get_lr();
    if (lr != radam_.lr(group)) radam_.set_lr(group, lr);
  }
  void update_stream() {
    if (device_.is_cuda()) radam_.set_stream(current_stream(device_));
  }
  void read_lr() {
    for (std::uint32_t group = 0; group < param_groups_.size(); ++group) {
      param_groups_[group].options().set_lr(radam_.lr(group));
    }
  }

  // radam writes to the elements without ATen's knowledge. The version lets autograd notice if a tensor was changed
  // that a later backward pass needs as it was.
  static void mark_changed(const at::Tensor& tensor) { tensor.unsafeGetTensorImpl()->bump_version(); }

  static at::ScalarType grad_type(const at::Tensor& param) { return param.grad_dtype().value_or(param.scalar_type()); }

  void check_layout(const char* what, const std::string& name, const at::Tensor& tensor) const {
    TORCH_CHECK(tensor.layout() == at::kStrided && tensor.device() == device_, what, name, " is a ", tensor.layout(),
                " tensor on ", tensor.device(), "; it must be a strided one on ", device_,
                ", where this optimizer's other tensors are");
    TORCH_CHECK(tensor.is_contiguous(), what, name, " has sizes ", tensor.sizes(), " and strides ", tensor.strides(),
                "; it must be contiguous");
  }
  // radam gets addresses alone, and trusts that what is there is what was added.
  void* data_of(const Param& param) const {
    const at::Tensor& tensor = param.tensor;
    check_layout("", param.name, tensor);
    TORCH_CHECK(tensor.scalar_type() == param.dtype && tensor.numel() == param.numel, param.name, " has ",
                tensor.numel(), " elements of ", tensor.scalar_type(), "; when it was added, it had ", param.numel,
                " of ", param.dtype, ": create the optimizer after model->to(...)");
    return tensor.mutable_data_ptr();
  }
  void* grad_of(const Param& param) const {
    const at::Tensor& grad = param.tensor.grad();
    check_layout("the gradient of ", param.name, grad);
    TORCH_CHECK(grad.scalar_type() == param.grad_dtype, "the gradient of ", param.name, " is ", grad.scalar_type(),
                "; it must be ", param.grad_dtype, ", the grad_dtype of its parameter when it was added");
    TORCH_CHECK(grad.numel() == param.numel, "the gradient of ", param.name, " has ", grad.numel(),
                " elements; it must have ", param.numel, ", as many as its parameter");
    return grad.mutable_data_ptr();
  }

  const at::Device device_;          // of all tensors
  mutable radam::Optimizer radam_;  // saving is const in torch::optim
  std::vector<Param> params_;        // in the order of their ids
  std::vector<void*> data_, grads_;  // which a GPU's table has
};

}  // namespace radam_torch

#endif  // RADAM_TORCH_HPP
