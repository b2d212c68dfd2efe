// Tests radam_torch.hpp with CUDA tensors where no GPU is: their memory is that of a stand-in for the driver (tests/cuda), and
// PyTorch's part of CUDA, the current stream, is a stand-in too. Prints "ok" if everything holds.

#include "../../cuda/driver_api.h"
#include "radam_torch.hpp"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

using radam_torch::RAdam;

// What CUDA streams PyTorch has: their ids are their addresses.
struct Streams final : c10::impl::DeviceGuardImplInterface {
  static inline c10::StreamId current = 0;

  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  c10::Device getDevice() const override { return {c10::kCUDA, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 2; }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::Stream getStream(c10::Device device) const override { return c10::Stream(c10::Stream::UNSAFE, device, current); }
  void* getStreamNativeHandle(const c10::Stream stream) const override { return reinterpret_cast<void*>(stream.id()); }
};
C10_REGISTER_GUARD_IMPL(CUDA, Streams)

void cuda(CUresult result) { TORCH_CHECK(result == CUDA_SUCCESS, "the error ", result, " of CUDA"); }

// A copy of a tensor in the GPU's memory.
at::Tensor on_gpu(const at::Tensor& tensor, int device = 0) {
  CUdeviceptr memory = 0;
  cuda(cuMemAlloc_v2(&memory, tensor.nbytes()));
  cuda(cuMemcpyHtoD_v2(memory, tensor.const_data_ptr(), tensor.nbytes()));
  const c10::Device place(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
  return at::from_blob(reinterpret_cast<void*>(memory), tensor.sizes(), tensor.strides(), [](void*) {},
                       tensor.options().device(place), place);
}

at::Tensor on_cpu(const at::Tensor& tensor) {
  at::Tensor copy = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
  cuda(cuStreamSynchronize(reinterpret_cast<CUstream>(Streams::current)));
  cuda(cuMemcpyDtoH_v2(copy.mutable_data_ptr(), reinterpret_cast<CUdeviceptr>(tensor.const_data_ptr()), tensor.nbytes()));
  return copy;
}

RAdam::NamedParameters named(const std::vector<at::Tensor>& tensors) {
  RAdam::NamedParameters params;
  for (const at::Tensor& tensor : tensors) params.insert("tensor" + std::to_string(params.size()), tensor);
  return params;
}

template <typename Call>
void refused(const Call& call, const std::string& words) {
  try {
    call();
  } catch (const std::exception& error) {
    TORCH_CHECK(std::string(error.what()).find(words) != std::string::npos, "not \"", words, "\" in: ", error.what());
    return;
  }
  TORCH_CHECK(false, "not refused: ", words);
}

// Steps have the bits of the CPU: with new gradients in each, on two streams, and with a learning rate that changes.
void steps_are_those_of_the_cpu(at::ScalarType dtype) {
  const at::Tensor param = torch::randn({3, 1000}, dtype), other = torch::randn({7}, dtype);
  const std::vector<at::Tensor> cpu = {param.clone().requires_grad_(), other.clone().requires_grad_()};
  const std::vector<at::Tensor> gpu = {on_gpu(param).requires_grad_(), on_gpu(other).requires_grad_()};
  const radam::GroupOptions options{.lr = 0.01, .weight_decay = 0.1, .decouple_wd = true};
  RAdam expected(named(cpu), options), found(named(gpu), options);
  CUstream second = nullptr;
  cuda(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
  at::Tensor grad;
  for (int step = 0; step < 10; ++step) {
    if (step % 3 != 1) {  // else the gradients are the same tensors
      grad = torch::randn({3, 1000}, dtype);
      cpu[0].mutable_grad() = grad;
      gpu[0].mutable_grad() = on_gpu(grad);
    }
    if (step == 5) {
      cpu[1].mutable_grad() = torch::ones({7}, dtype);
      gpu[1].mutable_grad() = on_gpu(cpu[1].grad());
      Streams::current = reinterpret_cast<c10::StreamId>(second);
    }
    for (RAdam* optimizer : {&expected, &found}) optimizer->param_groups()[0].options().set_lr(0.01 / (1 + step));
    expected.step();
    const auto version = gpu[0]._version();
    found.step();
    TORCH_CHECK(gpu[0]._version() == version + 1);
    for (int i = 0; i < 2; ++i) TORCH_CHECK(on_cpu(gpu[i].detach()).equal(cpu[i].detach()), dtype, ", step ", step);
  }
  TORCH_CHECK(found.step_with({.max_grad_norm = 1}).grad_norm == expected.step_with({.max_grad_norm = 1}).grad_norm);
  TORCH_CHECK(found.radam().save_to_buffer() == expected.radam().save_to_buffer());
  Streams::current = 0;
}

void mixtures_of_devices_are_refused() {
  const at::Tensor here = torch::zeros({2}), there = on_gpu(here), elsewhere = on_gpu(here, 1);
  refused([&] { RAdam(named({here.clone().requires_grad_(), there.detach().requires_grad_()}), {.lr = 0.1}); },
          "tensor1 is a Strided tensor on cuda:0; it must be a strided one on cpu, where this optimizer's other tensors are");
  refused([&] { RAdam(named({there.detach().requires_grad_(), elsewhere.detach().requires_grad_()}), {.lr = 0.1}); },
          "tensor1 is a Strided tensor on cuda:1; it must be a strided one on cuda:0");
  const at::Tensor param = there.detach().requires_grad_();
  RAdam optimizer(named({param}), {.lr = 0.1});
  refused([&] { optimizer.add_param_group(named({here.clone().requires_grad_()}), {.lr = 0.1}); }, "on cpu; it must be");
}

int main() try {
  torch::manual_seed(1);
  CUdevice device = 0;
  CUcontext context = nullptr;
  cuda(cuInit(0));
  cuda(cuDeviceGet(&device, 0));
  cuda(cuDevicePrimaryCtxRetain(&context, device));
  cuda(cuCtxPushCurrent_v2(context));
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) steps_are_those_of_the_cpu(dtype);
  mixtures_of_devices_are_refused();
  std::puts("ok");
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
