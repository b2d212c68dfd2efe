// The driver API: modules and launches. The kernels are those of the table, but the PTX must have them too, with
// arguments of the same size, and is asked how large blocks may be.
#include "block.hpp"
#include "contexts.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace stand_in;

struct CUfunc_st {
  CUmodule module;
  const Kernel *kernel;
  unsigned max_threads;
};

struct CUmod_st {
  CUcontext context;
  uint64_t life;
  std::vector<std::unique_ptr<CUfunc_st>> functions;
};

namespace {

// What stands between the name of a kernel and its code, or "".
std::string head_of(const std::string &ptx, const char *name) {
  std::string entry = std::string(".entry ") + name;
  for (size_t at = ptx.find(entry); at != std::string::npos; at = ptx.find(entry, at + 1)) {
    size_t after = at + entry.size();
    if (std::strchr("( \n\t", ptx[after]) != nullptr) return ptx.substr(at, ptx.find('{', at) - at);
  }
  return "";
}

// The number behind a word, or 0.
unsigned long number_after(const std::string &text, const std::string &word) {
  size_t at = text.find(word);
  return at == std::string::npos ? 0 : std::strtoul(text.c_str() + at + word.size(), nullptr, 10);
}

// Whether a kernel takes what the head of its code says.
bool takes(const Kernel &kernel, const std::string &head) {
  for (size_t i = 0; i <= kernel.sizes.size(); i++) {
    unsigned long there = number_after(head, std::string(kernel.name) + "_param_" + std::to_string(i) + "[");
    size_t here = i < kernel.sizes.size() ? kernel.sizes[i] : 0;
    if (there == here) continue;
    std::fprintf(stderr, "stand-in: argument %zu of %s has %zu bytes, but %lu in the PTX\n", i, kernel.name, here, there);
    return false;
  }
  return true;
}

CUresult read_functions(const std::string &ptx, CUmodule module) {
  for (const Kernel *kernel = KERNELS; kernel->name != nullptr; kernel++) {
    std::string head = head_of(ptx, kernel->name);
    if (!takes(*kernel, head)) return CUDA_ERROR_INVALID_PTX;
    unsigned long most = number_after(head, ".maxntid ");
    auto function = std::make_unique<CUfunc_st>();
    *function = {module, kernel, most == 0 ? 1024 : static_cast<unsigned>(most)};
    module->functions.push_back(std::move(function));
  }
  return CUDA_SUCCESS;
}

std::shared_ptr<CUmod_st> module_of(CUfunction function) {
  for (const auto &[handle, module] : state().modules.all()) {
    for (const auto &known : module->functions) {
      if (known.get() == function) return state().modules.find(handle);
    }
  }
  return nullptr;
}

// The arguments of a launch.
struct Arguments {
  std::vector<std::vector<char>> copies;
  std::vector<const void *> pointers;

  Arguments(const Kernel &kernel, void *const *params) : copies(kernel.sizes.size()) {
    for (size_t i = 0; i < copies.size(); i++) {
      auto first = static_cast<const char *>(params[i]);
      copies[i].assign(first, first + kernel.sizes[i]);
      pointers.push_back(copies[i].data());
    }
  }
};

Job launch(const std::shared_ptr<CUmod_st> &module, const Kernel &kernel, void *const *params, unsigned blocks,
           unsigned threads) {
  auto args = std::make_shared<Arguments>(kernel, params);
  std::weak_ptr<CUmod_st> alive = module;
  auto prepare = [alive]() -> std::string {
    auto module = alive.lock();
    if (module == nullptr) return "its module was unloaded";
    state().device.open_all(module->context);
    return "";
  };
  auto run = [&kernel, args, blocks, threads] { run_kernel(kernel, args->pointers.data(), blocks, threads); };
  return {kernel.name, prepare, run};
}

}  // namespace

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  return call("cuModuleLoadData", INITIALIZED | IN_CONTEXT | UNSAFE, [&] {
    std::string ptx = static_cast<const char *>(image);
    if (ptx.find(".version ") == std::string::npos || ptx.find(".target ") == std::string::npos) {
      return CUDA_ERROR_INVALID_IMAGE;
    }
    auto loaded = std::make_shared<CUmod_st>();
    loaded->context = current_context();
    loaded->life = loaded->context->life;
    CUresult result = read_functions(ptx, loaded.get());
    if (result == CUDA_SUCCESS) *module = state().modules.add(std::move(loaded));
    return result;
  });
}

CUresult cuModuleUnload(CUmodule module) {
  return call("cuModuleUnload", INITIALIZED | IN_CONTEXT | GIVES_BACK | UNSAFE, [&] {
    if (state().modules.find(module) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    finish_all(*module->context);
    state().modules.remove(module);
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  return call("cuModuleGetFunction", INITIALIZED | IN_CONTEXT, [&] {
    if (state().modules.find(module) == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    for (const auto &known : module->functions) {
      if (std::strcmp(known->kernel->name, name) == 0) return *function = known.get(), CUDA_SUCCESS;
    }
    return CUDA_ERROR_NOT_FOUND;
  });
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream stream, void **params,
                        void **extra) {
  return call("cuLaunchKernel", INITIALIZED | IN_CONTEXT, [&] {
    auto module = module_of(function);
    if (module == nullptr || module->context != current_context()) return CUDA_ERROR_INVALID_HANDLE;
    bool one_dimension = grid_y == 1 && grid_z == 1 && block_y == 1 && block_z == 1 && shared_bytes == 0;
    if (!one_dimension || grid_x == 0 || grid_x > 0x7fffffff || block_x == 0) return CUDA_ERROR_INVALID_VALUE;
    if (block_x > function->max_threads || params == nullptr || params[0] == nullptr || extra != nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    return submit(stream, {launch(module, *function->kernel, params, grid_x, block_x)});
  });
}
