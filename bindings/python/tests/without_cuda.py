"""Makes `import torch` work with PyTorch's wheel alone, for the tests: without the 3 GB of CUDA that it depends on.

What libtorch_python.so needs of them is in libraries that without_cuda.sh makes. RADAM_TEST_WITHOUT_CUDA says that they
are there; without it, this does nothing. Processes on other machines (torch.distributed) and kernels for GPUs
(torch._native) cannot be had this way; torch does without the first if its C module has no such function.
"""

import os
import sys
import types
from importlib.machinery import ExtensionFileLoader

if "RADAM_TEST_WITHOUT_CUDA" in os.environ:
    exec_module = ExtensionFileLoader.exec_module

    def without_distributed(self, module):
        exec_module(self, module)
        if module.__name__ == "torch._C":
            del module._c10d_init, module._rpc_init

    ExtensionFileLoader.exec_module = without_distributed
    sys.modules["torch._native"] = types.ModuleType("torch._native")
