// The kernels, as one program. `make ptx` compiles it; tests compile it as C++ for the host.
#include "types.cuh"

#include "element.cuh"
#include "rule.cuh"
#include "exact_sum.cuh"
#include "scalars.cuh"
#include "prepare.cuh"
#include "update.cuh"
#include "q8.cuh"
#include "measure.cuh"
#include "list.cuh"
