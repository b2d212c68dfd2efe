/*
 * radam: rectified Adam (RAdam), an optimizer for training neural networks, with a C interface.
 *
 * Generated from src/ffi; `make header` regenerates it. SPDX: MIT OR Apache-2.0
 *
 * Overview
 *   radam_create            creates an optimizer
 *   radam_add_param_group   adds parameters and the options that they share
 *   radam_step              updates the parameters from their gradients
 *   radam_step_with         the same, with gradient scaling, clipping, skipping, and a report
 *   radam_step_tensor       updates one parameter in arrays passed to the call (no pointer is kept)
 *   radam_save, radam_load  write the optimizer's state to a file and read it back
 *   radam_free              frees the optimizer
 *
 * Memory
 *   Parameters and gradients are flat, contiguous arrays that belong to the caller. A registered
 *   array must stay valid until its address is replaced, the parameter is removed or the optimizer
 *   is freed. The library writes to parameters, to the copies and state arrays given in
 *   radam_param, and to gradients only to zero them. It allocates all other state itself, with
 *   radam_options.allocator if that is set. Structs, strings and arrays of pointers that are passed
 *   to a call are copied, and may be freed when it returns.
 *
 * Errors
 *   Functions return a radam_status. A call that fails changes nothing (radam_save describes the
 *   one exception) and writes no outputs. radam_last_error(NULL, ...) on the same thread then copies
 *   its message; with a handle, it copies that of the last call on the optimizer that failed on any
 *   thread, except with RADAM_ERROR_BUSY. Do not parse messages; their wording may change in any
 *   version.
 *
 *   Where the library allocates, running out of memory is an error: RADAM_ERROR_OUT_OF_MEMORY. Two
 *   of its dependencies end the process instead. The thread pool (rayon) allocates a few KiB when
 *   threads start and in parallel steps: the library first makes sure that this much is available,
 *   and otherwise runs on the calling thread, but another thread may take the memory in between.
 *   The JSON parser (serde_json) allocates when the header of a checkpoint is malformed or unusual
 *   (docs/checkpoint.md has the details).
 *
 * Handles
 *   A radam_optimizer pointer is a token, which is looked up and never dereferenced. NULL, a freed
 *   handle and any other value give RADAM_ERROR_INVALID_HANDLE.
 *
 * Threads
 *   Different optimizers are independent of each other. On the same optimizer:
 *
 *     call                                  may run at the same time as
 *     getters                               any call
 *     radam_step_param, radam_step_tensor   each other, for different parameters; radam_step_chunk
 *     radam_step_chunk                      itself, for different chunks; the two above
 *     radam_free                            any call (it takes effect when the last one returns)
 *     all others                            getters only
 *
 *   A call that may not run at the same time as another returns RADAM_ERROR_BUSY at once, changes
 *   nothing, and can be repeated. Getters are the functions that take a const radam_optimizer, and
 *   radam_param_state. Stepping, measuring, saving and loading do not keep them waiting; a call
 *   that changes what they read does, for up to a second, after which they return RADAM_ERROR_BUSY
 *   (at once, from inside a callback of such a call). Functions without a radam_optimizer may be
 *   called at any time.
 *
 *   The library starts threads of its own only if radam_options allow it (num_threads, executor),
 *   with the first step that is large enough to gain from them; if the system refuses some, it runs
 *   with fewer. They sleep between steps, block all signals, never run code of the caller, and end
 *   in radam_free. A process may fork at any time; the child starts threads of its own. An
 *   optimizer that another thread was using during the fork stays busy in the child. One on a GPU
 *   can only be freed there.
 *
 *   pthread_cancel takes effect after a call has returned, never inside one or inside a function that
 *   it calls of the caller's: there, cancellation is disabled. Such a function must not enable it, and
 *   must not end its thread in another way (pthread_exit).
 *
 * Loading and unloading
 *   The environment is read only while the library is loaded (RADAM_ISA, see radam_create), so
 *   other threads may set variables at any later time. Before the library is unloaded (dlclose,
 *   FreeLibrary), every optimizer must have been freed and every call must have returned: threads
 *   that are left would run code that is gone. Then nothing of the library stays, except that its
 *   thread pool (rayon) keeps about 10 KiB if there were threads. At the end of a process nothing
 *   need be freed.
 *
 * Results
 *   The same bits for every instruction set, number of threads, executor, alignment and order of
 *   parameters, and however a step is sliced. Where a result is NaN, it is NaN everywhere, but its
 *   sign and payload may differ. Calls use the default floating-point mode (round to nearest,
 *   denormals kept), whatever mode the caller's thread is in, and restore that mode.
 *
 * Versions
 *   Every struct begins with its struct_size, which must be the sizeof of some version, so that
 *   programs work with a later library without being recompiled. A later version may add functions,
 *   constants (of radam_status, radam_dtype and radam_state, too) and fields at the end of structs.
 *   Fill structs with their init functions, never with zeros, and leave reserved fields at 0. While
 *   the major version is 0, a minor version may break compatibility; the shared library then has
 *   another SONAME (now libradam.so.0.2).
 */

#ifndef RADAM_H
#define RADAM_H

#include <stdint.h>

// The version of this header; radam_version() returns that of the loaded library.
typedef enum radam_version_values {
  RADAM_VERSION_MAJOR = 0,
  RADAM_VERSION_MINOR = 2,
  RADAM_VERSION_PATCH = 0,
  // major * 1000000 + minor * 1000 + patch.
  RADAM_VERSION = 2000,
} radam_version_values;

// The values of radam_status.
typedef enum radam_status_values {
  // The call succeeded.
  RADAM_OK = 0,
  // A required pointer argument is NULL.
  RADAM_ERROR_NULL_POINTER = 1,
  // The optimizer handle is NULL, has been freed, or did not come from radam_create.
  RADAM_ERROR_INVALID_HANDLE = 2,
  // An argument has a value that is not allowed.
  RADAM_ERROR_INVALID_ARGUMENT = 3,
  // Another call is using the optimizer or the parameter, or a step is open; try again later.
  RADAM_ERROR_BUSY = 4,
  // The call does not apply to the optimizer in its present state.
  RADAM_ERROR_INVALID_STATE = 5,
  // There is not enough memory.
  RADAM_ERROR_OUT_OF_MEMORY = 6,
  // A file could not be read or written, or a progress callback cancelled the call.
  RADAM_ERROR_IO = 7,
  // The checkpoint is damaged, or the file is not a checkpoint.
  RADAM_ERROR_CORRUPT = 8,
  // The checkpoint does not fit the optimizer, or has a format of a later version.
  RADAM_ERROR_MISMATCH = 9,
  // There is a bug in the library. From now on, the optimizer can only be freed.
  RADAM_ERROR_PANIC = 10,
  // There is no GPU or no driver, or the driver reported a failure, perhaps of an earlier call.
  RADAM_ERROR_DEVICE = 11,
} radam_status_values;

// The values of radam_dtype.
typedef enum radam_dtype_values {
  // IEEE 754 single precision: float.
  RADAM_DTYPE_F32 = 1,
  // IEEE 754 double precision: double.
  RADAM_DTYPE_F64 = 2,
  // IEEE 754 half precision.
  RADAM_DTYPE_F16 = 3,
  // bfloat16: the upper 16 bits of a float.
  RADAM_DTYPE_BF16 = 4,
  // For state_dtype only: exp_avg and exp_avg_sq in 8 bits each.
  RADAM_DTYPE_Q8 = 5,
} radam_dtype_values;

// The values of radam_toggle.
typedef enum radam_toggle_values {
  // Off.
  RADAM_OFF = 0,
  // On.
  RADAM_ON = 1,
  // The default, which the description of each option states.
  RADAM_AUTO = 2,
} radam_toggle_values;

// The values of radam_device.
typedef enum radam_device_values {
  // Memory of the process, stepped by its processors.
  RADAM_DEVICE_CPU = 0,
  // Memory of an NVIDIA GPU, stepped there.
  RADAM_DEVICE_CUDA = 1,
} radam_device_values;

// The values of radam_state.
typedef enum radam_state_values {
  // The exponential moving average of gradients, debiased; in the dtype of the state. With 8-bit
  // state (RADAM_DTYPE_Q8), int8_t codes.
  RADAM_STATE_EXP_AVG = 1,
  // The exponential moving average of squared gradients, debiased; in the dtype of the state. With
  // 8-bit state, uint8_t codes.
  RADAM_STATE_EXP_AVG_SQ = 2,
  // The compensation of Kahan summation (kahan_sum); in the dtype of the state. With 8-bit state, in
  // the dtype of the parameter.
  RADAM_STATE_KAHAN_COMP = 3,
  // The lower parts of the master weights (master_remainder); int16_t, for which there is no
  // radam_dtype.
  RADAM_STATE_MASTER_REMAINDER = 4,
  // What the codes of 8-bit state stand for: a uint32_t for each block of 128 elements;
  // docs/q8.md describes it. There is no radam_dtype for it.
  RADAM_STATE_SCALE = 5,
} radam_state_values;

// An optimizer. A pointer to it is a handle: a token that is never dereferenced.
typedef struct radam_optimizer radam_optimizer;

// The outcome of a call: RADAM_OK (0) or one of the RADAM_ERROR_... constants.
//
// A later version may add constants; treat an unknown one as a failure.
typedef int32_t radam_status;

// The caller's allocator for the optimizer's state.
//
// The functions are called on the calling thread, from radam_add_param_group, radam_add_params,
// radam_add_param, radam_remove_param, radam_set_group_options and radam_free. They must return
// normally (no exception, no longjmp) and must not call the library for the same optimizer.
typedef struct radam_allocator {
  // Returns size bytes aligned to alignment, or NULL if there is no memory: then the call returns
  // RADAM_ERROR_OUT_OF_MEMORY. alignment is a power of two and size a multiple of it, as
  // aligned_alloc requires. The memory need not be zeroed. If the pointer is not aligned, it is
  // released again and the call returns RADAM_ERROR_INVALID_ARGUMENT. NULL, the default: the
  // system's allocator.
  void *(*allocate)(uint64_t size, uint64_t alignment, void *user);
  // Frees memory that allocate returned, given the same size and alignment; pointer is never NULL.
  // Must be set if and only if allocate is.
  void (*release)(void *pointer, uint64_t size, uint64_t alignment, void *user);
  // Passed to both functions; the library never dereferences it.
  void *user;
} radam_allocator;

// The caller's threads, as a parallel loop that runs on them.
typedef struct radam_executor {
  // Calls body(index, body_data) once for each index from 0 to count - 1, on any threads and in any
  // order, and returns when all these calls have returned. NULL, the default: the library runs
  // threads of its own.
  //
  // Each index stands for one piece of work, about 10 microseconds or more, and for the same piece
  // in every step. A static schedule, which gives each thread the same indices every time,
  // therefore finds its data in the caches and memory near that thread, and is usually fastest.
  //
  // It is called on the thread that called the stepping or measuring function, if the work is large
  // enough (radam_options.parallel_from). It must return normally (no exception, no longjmp).
  // Indices that it leaves out are done on the calling thread afterwards. Calling an index twice,
  // or after parallel_for has returned, does nothing; but no such call may be in progress when
  // radam_free is called, or begin later.
  void (*parallel_for)(uint64_t count,
                       void (*body)(uint64_t index, void *body_data),
                       void *body_data,
                       void *user);
  // Passed to parallel_for; the library never dereferences it.
  void *user;
} radam_executor;

// Where an optimizer and its arrays are: one of the RADAM_DEVICE_... constants. A later version may
// add constants.
typedef int32_t radam_device;

// Options of an optimizer. Call radam_options_init first.
typedef struct radam_options {
  // sizeof(radam_options); set by radam_options_init.
  uint32_t struct_size;
  // The maximum number of threads that work on a step, including the calling one; at most 1024. The
  // library's threads start with the first step that is large enough to gain from them. 0, the
  // default: one per available core. 1: the library never starts a thread, and everything runs on
  // the calling one.
  uint32_t num_threads;
  // Allocates the optimizer's state. Default: the system's allocator.
  radam_allocator allocator;
  // Runs parallel work on the caller's threads. With it, the library never starts a thread, and the
  // executor decides how many take part; num_threads 1 still keeps all work on the calling thread.
  // Default: the library's own threads.
  radam_executor executor;
  // The number of elements from which a step runs on several threads; of measuring gradients it takes
  // 4 times as many, since it is less work. 0, the default: chosen by the library, for threads that
  // sleep between steps and have to be woken up. With an executor whose threads are already awake
  // when a step begins, about 65536 pays off.
  uint64_t parallel_from;
  // Where the optimizer is: one of the RADAM_DEVICE_... constants. With RADAM_DEVICE_CUDA, data, grad,
  // copy and state arrays are device pointers, an allocator returns device memory, and calls enqueue
  // their work on a stream; docs/gpu.md describes it. num_threads, executor, parallel_from and steps in
  // slices are for the CPU. Default: the CPU.
  radam_device device;
  // The number of the GPU, whose primary context is used, as the CUDA runtime does. 0, the default, on
  // the CPU.
  int32_t cuda_device;
  // The CUstream or cudaStream_t that work is enqueued on; radam_set_stream changes it. It must exist
  // until the optimizer is freed or has moved to another stream. NULL, the default: the legacy default
  // stream, or none on the CPU.
  void *cuda_stream;
} radam_options;

// A switch with a default: RADAM_OFF (0, false), RADAM_ON (1, true) or RADAM_AUTO (2, the default
// of the option). The init functions set RADAM_AUTO, so a switch in a zeroed struct is off.
typedef int32_t radam_toggle;

// The type of the elements of an array: one of the RADAM_DTYPE_... constants, or 0 for the default
// of the field or argument. A later version may add constants.
typedef int32_t radam_dtype;

// Options of a parameter group. Call radam_group_options_init first, then set lr, which has no
// default. A struct that was zeroed instead is rejected, because beta1, beta2 and eps are all 0.
// The names are those of the Python library optimi.
typedef struct radam_group_options {
  // sizeof(radam_group_options); set by radam_group_options_init.
  uint32_t struct_size;
  // Decoupled weight decay, as in AdamW: each step multiplies the parameter by
  // 1 - lr * weight_decay. AUTO: off, which makes weight_decay an L2 penalty added to the gradient.
  radam_toggle decouple_wd;
  // Fully decoupled weight decay: each step multiplies the parameter by 1 - lr /
  // max_lr * weight_decay, so the best weight_decay does not depend on lr. Takes precedence over
  // decouple_wd. AUTO: off.
  radam_toggle decouple_lr;
  // Kahan summation: a compensation array beside each parameter keeps what rounding loses, so
  // 16-bit parameters train without an f32 copy. AUTO: on for f16 and bf16, unless master_remainder
  // or stochastic_rounding is on. Turning it on starts with a compensation of 0; turning it off
  // discards the compensation.
  radam_toggle kahan_sum;
  // AUTO and ON (optimi's foreach): a step runs over all tensors of the group in one parallel loop.
  // OFF: one tensor after another. The results are the same.
  radam_toggle for_each;
  // The group is stepped one parameter at a time with radam_step_param or radam_step_tensor, for
  // example from inside the backward pass; radam_step, radam_step_with, radam_measure and
  // radam_zero_grad skip it. AUTO: off.
  radam_toggle gradient_release;
  // Maximizes: the gradient is negated before anything else. AUTO: off.
  radam_toggle maximize;
  // Rectification, the R of RAdam. OFF: every step uses r = 1, which makes this Adam, or AdamW with
  // decouple_wd. AUTO: on.
  radam_toggle rectify;
  // The dtype of exp_avg, exp_avg_sq and kahan_comp. 0: that of each parameter. Otherwise
  // RADAM_DTYPE_F32, the dtype of all parameters of the group, or RADAM_DTYPE_Q8. Changing it
  // converts the state, rounding to nearest even.
  //
  // RADAM_DTYPE_Q8, for f32, f16 and bf16 parameters, keeps exp_avg and exp_avg_sq in 2.03 bytes an
  // element together, and trains as well as f32: the ratio exp_avg / (sqrt(exp_avg_sq) + eps) and
  // the root are coded in 8 bits each, rounded at random, with a scale for each block of 128
  // elements. Results have the same bits on every machine; the random numbers depend on seed, as
  // those of stochastic_rounding do. kahan_comp has the dtype of the parameter. Tensors of fewer than
  // 4096 elements (of the whole tensor) keep f32 state. docs/q8.md describes the format.
  radam_dtype state_dtype;
  // Exact f32 master weights at 16 bits per parameter, instead of Kahan summation: for each bf16
  // parameter, a signed 16-bit remainder holds the rest of its f32 master. The bits of the master
  // are those of the parameter, shifted left by 16, plus the remainder; the parameter is the master
  // rounded to nearest, ties away from zero. Results are bit for bit those of f32 parameters with
  // the same state_dtype (set it to f32 for f32 training). For groups of bf16 parameters only;
  // cannot be combined with kahan_sum or stochastic_rounding. Turning it on starts with remainders
  // of 0; turning it off discards them. AUTO: off.
  radam_toggle master_remainder;
  // Stochastic rounding of bf16 parameters, instead of Kahan summation: each new value is rounded
  // up or down at random, with probabilities that make it right on average. It needs no memory. The
  // random number of an element is a hash of seed, the parameter's name, its step number and the
  // element's index in the whole tensor (radam_param.tensor_offset included), so results do not
  // depend on the machine, the order in which parameters were added, or how a tensor is sharded.
  // For groups of bf16 parameters only; cannot be combined with kahan_sum or master_remainder.
  // AUTO: off.
  radam_toggle stochastic_rounding;
  // What to do in unrectified steps, the first ones, while rho does not exceed rectify_threshold.
  // AUTO and ON: parameters move by lr * exp_avg, as in the paper, optimi and PyTorch. OFF: only
  // exp_avg and exp_avg_sq are updated, by the gradient without an L2 penalty, and weight decay of
  // any kind waits too, as the paper's authors recommend if the first steps diverge.
  radam_toggle unrectified;
  // The learning rate; finite, at least 0. Required: radam_group_options_init sets NaN, which is
  // rejected.
  double lr;
  // The decay rate of exp_avg, in [0, 1). Default: 0.9.
  double beta1;
  // The decay rate of exp_avg_sq, in [0, 1). Default: 0.99.
  double beta2;
  // The weight decay; finite, at least 0. Default: 0.
  double weight_decay;
  // Added to the square root of exp_avg_sq in the denominator; finite, at least 0. Default: 1e-6.
  double eps;
  // The highest lr of the schedule, by which decouple_lr divides; finite, at least 0, and above 0
  // if decouple_lr is on. NaN, the default: the value of lr in the same struct.
  double max_lr;
  // A step is rectified if rho, the length of the approximated simple moving average, exceeds this;
  // finite, at least 4, since r does not exist below. Default: 5, as in optimi and PyTorch; the
  // paper has 4.
  double rectify_threshold;
  // The seed of stochastic_rounding and of 8-bit state. Default: 0.
  uint64_t seed;
} radam_group_options;

// One parameter: a flat, contiguous tensor owned by the caller. Call radam_param_init first.
//
// All arrays have len elements, aligned to the element size, and must not overlap one another or
// the arrays of another parameter; only gradients may overlap gradients.
typedef struct radam_param {
  // sizeof(radam_param); set by radam_param_init. In an array of structs it is the stride, and must
  // be the same in all of them.
  uint32_t struct_size;
  // The dtype of data. Required.
  radam_dtype dtype;
  // The dtype of grad. 0, the default: dtype.
  radam_dtype grad_dtype;
  // The dtype of copy: RADAM_DTYPE_BF16, RADAM_DTYPE_F16 or RADAM_DTYPE_F32. 0, the default:
  // RADAM_DTYPE_BF16.
  radam_dtype copy_dtype;
  // The number of elements, which may be 0.
  uint64_t len;
  // The elements. NULL, the default: the parameter is unbound; radam_step skips it, radam_set_data
  // and radam_set_tensors bind it, and radam_step_tensor steps it in arrays passed to the call. It
  // must not have a registered gradient when it is stepped: radam_step then returns
  // RADAM_ERROR_INVALID_STATE.
  void *data;
  // The gradient. NULL, the default: steps skip the parameter, and its step count does not change.
  void *grad;
  // The parameter's name: UTF-8, unique within the optimizer, copied. Checkpoints identify
  // parameters by name. NULL, the default: "param." and its id.
  const char *name;
  // For f32 and f64 parameters, a second array that receives the new values, rounded to nearest
  // even to copy_dtype, in the same pass: f32 master weights get their bf16 working copy this way.
  // It is written only by steps that change the parameter, so not before the first step, during
  // optimizer accumulation, or in unrectified steps with unrectified off. NULL, the default: no
  // copy.
  void *copy;
  // The state, for callers who allocate it themselves: an array in the dtype of the group's state.
  // NULL, the default: the library allocates it.
  //
  // The array must hold zeros before the first step, or the state of an earlier run (see
  // radam_set_step_count). The optimizer uses it until the parameter is removed or the optimizer is
  // freed. The caller still owns it and may read it between steps.
  void *exp_avg;
  // As exp_avg.
  void *exp_avg_sq;
  // As exp_avg; with 8-bit state, in the dtype of data. Must be NULL unless kahan_sum is on for this
  // dtype, or master_remainder, in which case it is an array of int16_t.
  void *kahan_comp;
  // For data-parallel sharding: the parameter is the slice of len elements that begins at element
  // tensor_offset of a larger tensor, which has this name in all processes and tensor_len elements
  // in all. Checkpoints of several processes can then be loaded by processes with other shards
  // (radam_load_shards); stochastic rounding gives each element the same random numbers as in the
  // whole tensor; and shards cut at multiples of 16384 elements give the same norms, bit for bit,
  // as the whole tensor (radam_grad_sums). With 8-bit state, cut at multiples of 128:
  // tensor_offset must be one. Default: 0.
  uint64_t tensor_offset;
  // The number of elements of the whole tensor. 0, the default: the parameter is the whole tensor.
  uint64_t tensor_len;
  // As exp_avg, for 8-bit state, of which exp_avg is then an array of int8_t and exp_avg_sq one of
  // uint8_t: an array of uint32_t, one for each block of 128 elements, the last of which may be
  // shorter. Must be NULL unless state_dtype is RADAM_DTYPE_Q8 and the whole tensor has at least
  // 4096 elements. Since 0.2.
  void *state_scale;
} radam_param;

// The exact sum of squares of any number of gradient elements, and how many of them are infinite or
// NaN. Call radam_grad_sums_init first, which makes it the sum of nothing.
//
// To combine two of these, add their words as plain 64-bit integers; with MPI, all-reduce the 72
// words with MPI_INT64_T and MPI_SUM. The result describes the gradients of both, and its norm has
// the same bits in whatever order up to 2^31 sums are added.
//
// Squares are first added up in f64 over pieces of 16384 elements, counted from the start of the
// whole tensor (radam_param.tensor_offset included); these partial sums are then added exactly.
// Shards that are cut at multiples of 16384 elements therefore give the same bits as one process
// with the whole tensor. With other cuts, the norm may differ in its last place.
typedef struct radam_grad_sums {
  // sizeof(radam_grad_sums); set by radam_grad_sums_init.
  uint32_t struct_size;
  // Must be 0.
  uint32_t reserved;
  // None is negative. Words 0 to 67 are the digits of the sum of squares in base 2^32, least
  // significant first: word i counts multiples of 2^(32 * i - 1074). Word 68 is the number of
  // infinite elements, word 69 that of NaN elements, and word 70 that of partial sums of finite
  // elements that overflowed. Word 71 is 0.
  int64_t words[72];
} radam_grad_sums;

// Options of one step. Call radam_step_options_init first.
//
// The step applies them as it goes: gradients are written only if zero_grad is on, and read a
// second time only if all of them must be known before the first update (max_grad_norm,
// skip_nonfinite, or a report, unless grad_sums is set). Groups with gradient_release take no part
// in radam_step_with. Neither do frozen parameters, except that zero_grad zeroes their gradients
// too.
typedef struct radam_step_options {
  // sizeof(radam_step_options); set by radam_step_options_init.
  uint32_t struct_size;
  // Skips the step if any gradient element is infinite or NaN: parameters, state and step counts
  // keep their bits. The call still succeeds, and the report says so. AUTO: off.
  radam_toggle skip_nonfinite;
  // Zeroes each gradient once it is no longer needed, also if the step is skipped; the same as
  // calling radam_zero_grad afterwards. AUTO: off.
  radam_toggle zero_grad;
  // Measures update_norm and param_norm for the report, which is about as much work as the update
  // itself. AUTO: off.
  radam_toggle report_norms;
  // What is already known of all gradients, for example of several processes or of tensors that are
  // stepped one by one: max_grad_norm and skip_nonfinite use these sums, and the step measures
  // nothing. The sums are of gradients before grad_scale. NULL, the default: the step measures its
  // own gradients if it needs to.
  const radam_grad_sums *grad_sums;
  // Multiplies every gradient before anything else; finite, above 0. With loss scaling, it is 1 /
  // loss scale. Default: 1.
  double grad_scale;
  // Clips gradients by their norm: the maximum L2 norm of all gradients together, after grad_scale;
  // finite, at least 0. If max_grad_norm / (norm + 1e-6) is below 1, all gradients are multiplied
  // by it, as torch.nn.utils.clip_grad_norm_ does. An infinite norm therefore turns finite
  // gradients into 0 and infinite ones into NaN, and a NaN norm turns all of them into NaN. 0, the
  // default: no limit.
  double max_grad_norm;
  // Clips gradients by value, after grad_scale and max_grad_norm: each element is clamped to
  // [-max_grad_value, max_grad_value], and NaN stays NaN. Finite, at least 0. 0, the default: no
  // limit.
  double max_grad_value;
} radam_step_options;

// The outcome of a step. Call radam_step_report_init first.
//
// Norms are L2 norms over all parameters that were stepped. They have the same bits on every
// machine, for any number of threads and any order of parameters.
typedef struct radam_step_report {
  // sizeof(radam_step_report); set by radam_step_report_init.
  uint32_t struct_size;
  // 1 if skip_nonfinite skipped the step, else 0.
  int32_t skipped;
  // The number of gradient elements that are infinite or NaN.
  uint64_t nonfinite;
  // The norm of the gradients after grad_scale and before clipping; 0 if there are none.
  double grad_norm;
  // What max_grad_norm multiplied the gradients by; 1 if they were within the limit.
  double clip_coefficient;
  // The norm of the change of the parameters, as stored; 0 if the step was skipped. NaN unless
  // report_norms is on.
  double update_norm;
  // The norm of the parameters after the step, as stored. NaN if the step was skipped, and unless
  // report_norms is on.
  double param_norm;
  // The number of parameters that were stepped: 0 if none has a gradient, or if the step was
  // skipped.
  uint64_t params_stepped;
  // The number of threads that worked on the step, including the calling one; 0 for a step in
  // slices, which the caller distributes. A thread of an executor that works for two optimizers in
  // turns may be counted more than once.
  uint32_t threads;
  // 0.
  uint32_t reserved;
} radam_step_report;

// The scalars of a group's next step, for training loops that log them. Call
// radam_group_report_init first.
//
// Source: Liu et al. 2019, arXiv 1908.03265, with bias correction as in the Python library optimi.
typedef struct radam_group_report {
  // sizeof(radam_group_report); set by radam_group_report_init.
  uint32_t struct_size;
  // 1 if the step will be rectified (always, with rectify off), else 0: then it moves parameters by
  // lr * exp_avg, without a square root, or not at all with unrectified off.
  int32_t rectified;
  // The number t of the step, starting at 1, of the parameter that has made the most steps.
  // Parameters that joined late or were paused have lower ones.
  uint64_t step;
  // The length of the approximated simple moving average. A step is rectified if it exceeds
  // rectify_threshold.
  double rho;
  // The limit of rho: 2 / (1 - beta2) - 1.
  double rho_inf;
  // The rectification term, in [0, 1]; 0 in unrectified steps, 1 with rectify off.
  double r;
  // The factor of exp_avg: lr * r in rectified steps; otherwise lr, or 0 with unrectified off.
  double effective_lr;
  // The debiased beta1: (beta1^t - beta1) / (beta1^t - 1).
  double beta1_hat;
  // The debiased beta2: (beta2^t - beta2) / (beta2^t - 1).
  double beta2_hat;
  // The factor by which weight decay multiplies each parameter: 1 - lr * weight_decay with
  // decouple_wd, 1 - lr / max_lr * weight_decay with decouple_lr, else 1.
  double decay_factor;
} radam_group_report;

// An array of a parameter's state: one of the RADAM_STATE_... constants. A later version may add
// constants.
typedef int32_t radam_state;

// Options of saving. Call radam_save_options_init first.
typedef struct radam_save_options {
  // sizeof(radam_save_options); set by radam_save_options_init.
  uint32_t struct_size;
  // Must be 0.
  uint32_t reserved;
  // Called on the calling thread after about every MiB, with the number of bytes done and the
  // total. If it returns anything but 0, the call is cancelled: it returns RADAM_ERROR_IO, and the
  // file stays as it was. It must return normally (no exception, no longjmp) and must not call the
  // library for the same optimizer. NULL, the default: no progress is reported.
  int32_t (*progress)(uint64_t bytes_done, uint64_t bytes_total, void *user);
  // Passed to progress; the library never dereferences it.
  void *user;
} radam_save_options;

// Options of loading. Call radam_load_options_init first.
typedef struct radam_load_options {
  // sizeof(radam_load_options); set by radam_load_options_init.
  uint32_t struct_size;
  // Requires that the checkpoint has exactly the parameters of the optimizer. OFF: parameters that
  // are only in one of the two are left alone; those in both must still match. AUTO: on.
  radam_toggle strict;
  // Restores options from the checkpoint too, so that the run continues exactly: lr, beta1, beta2,
  // weight_decay, eps, max_lr, decouple_wd, decouple_lr, maximize, rectify, unrectified,
  // rectify_threshold and seed of each group, whether each parameter is frozen, and whether
  // optimizer accumulation is on. OFF: the optimizer keeps its own. AUTO: on.
  radam_toggle hyperparameters;
  // Converts state that the optimizer has in another state_dtype, among them RADAM_DTYPE_Q8. For
  // conversions to and from 8-bit state, the shards in the files must be cut at multiples of 128
  // elements. OFF and AUTO: such state does not fit.
  radam_toggle convert_state;
  // As in radam_save_options, of the bytes that have been read and verified. A call that is
  // cancelled changes nothing.
  int32_t (*progress)(uint64_t bytes_done, uint64_t bytes_total, void *user);
  // Passed to progress; the library never dereferences it.
  void *user;
} radam_load_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns the version of the loaded library: major * 1000000 + minor * 1000 + patch. Compare it
// with RADAM_VERSION, the version of this header.
uint32_t radam_version(void);

// Returns the version of the loaded library as a string, such as "1.2.3". The string is static.
const char *radam_version_string(void);

// Returns the name of a status, such as "RADAM_ERROR_BUSY". The string is static.
//
// An unknown status gives "unknown radam_status".
const char *radam_status_string(radam_status status);

// Copies the error message of the last failed call: one sentence that names the argument, its value
// and what is allowed.
//
// If opt is NULL or not a valid handle, the message is that of the last call that failed on the
// calling thread, for any reason and on any optimizer or none: after a call has failed, ask like
// this. If opt is a handle, the message is that of the last call on this optimizer that failed, on
// whatever thread, except with RADAM_ERROR_BUSY. Calls that succeed do not clear messages.
//
// buf receives up to cap bytes of UTF-8, always ending in NUL unless cap is 0; 2048 bytes are always
// enough. In a smaller buffer, the message is cut at a character boundary. buf may be NULL to query
// the size.
//
// Control characters in names and paths are escaped. A message that would be longer than 2047 bytes
// has an ellipsis in the place of its middle.
//
// Returns the size of the whole message in bytes, including the NUL: 1 if there is none.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// buf is NULL or has cap writable bytes.
uint64_t radam_last_error(const radam_optimizer *opt,
                          char *buf,
                          uint64_t cap);

// Fills options with the default values.
//
// struct_size is sizeof(radam_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_options_init(radam_options *options, uint32_t struct_size);

// Fills options with the default values; lr has none and must be set.
//
// struct_size is sizeof(radam_group_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_group_options_init(radam_group_options *options, uint32_t struct_size);

// Gets all options of a group as they were set. A max_lr that was never set is the lr that the
// group was added with.
//
// Set options->struct_size first, which radam_group_options_init does.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown group or a wrong struct_size.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// options is NULL or points to as many writable bytes as its struct_size says.
radam_status radam_get_group_options(const radam_optimizer *opt,
                                     uint32_t group,
                                     radam_group_options *options);

// Sets all options of a group: all of them or, on error, none.
//
// To change some, get the options, modify them and set them again. They apply from the next step
// on. Changes of state_dtype, kahan_sum, master_remainder and stochastic_rounding convert the state
// at once; where 8-bit state comes or goes, with the eps that it had before the call.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown group, an option out of range or a wrong struct_size; RADAM_ERROR_INVALID_STATE if the
// state would change its dtype but is in the caller's arrays (radam_param.exp_avg, ...);
// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// options is NULL or points to as many bytes as its struct_size says; state arrays of the caller
// are valid.
radam_status radam_set_group_options(radam_optimizer *opt,
                                     uint32_t group,
                                     const radam_group_options *options);

// Sets the learning rate of a group, as a schedule does before each step. max_lr does not change.
//
// lr is finite and at least 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or an lr
// out of range; RADAM_ERROR_BUSY.
radam_status radam_set_lr(radam_optimizer *opt, uint32_t group, double lr);

// Gets the learning rate of a group.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown group.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// lr is NULL or writable.
radam_status radam_get_lr(const radam_optimizer *opt, uint32_t group, double *lr);

// Sets the weight decay of a group. decouple_wd and decouple_lr decide how it is applied.
//
// weight_decay is finite and at least 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a
// weight_decay out of range; RADAM_ERROR_BUSY.
radam_status radam_set_weight_decay(radam_optimizer *opt,
                                    uint32_t group,
                                    double weight_decay);

// Gets the weight decay of a group.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown group.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// weight_decay is NULL or writable.
radam_status radam_get_weight_decay(const radam_optimizer *opt,
                                    uint32_t group,
                                    double *weight_decay);

// Fills param with the default values; dtype has none and must be set.
//
// struct_size is sizeof(radam_param).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// param is NULL or points to struct_size writable bytes.
radam_status radam_param_init(radam_param *param, uint32_t struct_size);

// Sets sums to the sum of no gradients.
//
// struct_size is sizeof(radam_grad_sums).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// sums is NULL or points to struct_size writable bytes.
radam_status radam_grad_sums_init(radam_grad_sums *sums, uint32_t struct_size);

// Adds to sums the gradients that radam_step would use: those of all parameters with data and a
// gradient that are not frozen, except in groups with gradient_release.
//
// Large work runs on several threads, as in radam_step.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if
// sums is not as radam_grad_sums describes it; RADAM_ERROR_INVALID_STATE if a parameter has a
// gradient but no data; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// All registered gradients are valid and not written to during the call; sums is NULL or points to
// as many writable bytes as its struct_size says.
radam_status radam_measure(radam_optimizer *opt, radam_grad_sums *sums);

// Adds to sums the gradient of one tensor, without an optimizer.
//
// grad is an array of len elements of grad_dtype, aligned to the element size; it may be NULL if
// len is 0. It is taken to be a whole tensor: its pieces of 16384 elements begin at its first
// element. All work runs on the calling thread.
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown grad_dtype, a len
// beyond the address space, a misaligned grad, or if sums is not as radam_grad_sums describes it.
//
// Threads: may be called at any time, also at the same time with different sums.
//
// Undefined behaviour unless:
// grad is valid and not written to during the call; sums is NULL or points to as many writable
// bytes as its struct_size says.
radam_status radam_measure_tensor(radam_dtype grad_dtype,
                                  const void *grad,
                                  uint64_t len,
                                  radam_grad_sums *sums);

// Gets the L2 norm of the gradients in sums, and how many elements are infinite or NaN.
//
// norm and nonfinite may be NULL. The norm is NaN if any element is NaN; otherwise infinite if any
// element is infinite or a partial sum overflowed; and 0 for no gradients.
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if sums is not as radam_grad_sums
// describes it.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// sums is NULL or points to as many bytes as its struct_size says; norm and nonfinite are NULL or
// writable.
radam_status radam_grad_sums_value(const radam_grad_sums *sums,
                                   double *norm,
                                   uint64_t *nonfinite);

// Fills options with the default values: a plain update.
//
// struct_size is sizeof(radam_step_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_step_options_init(radam_step_options *options, uint32_t struct_size);

// Fills report with initial values, which steps overwrite.
//
// struct_size is sizeof(radam_step_report).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// report is NULL or points to struct_size writable bytes.
radam_status radam_step_report_init(radam_step_report *report, uint32_t struct_size);

// Fills report with initial values, which radam_get_group_report overwrites.
//
// struct_size is sizeof(radam_group_report).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// report is NULL or points to struct_size writable bytes.
radam_status radam_group_report_init(radam_group_report *report, uint32_t struct_size);

// Gets the scalars of a group's next step, as its present options give them.
//
// Set report->struct_size first, which radam_group_report_init does.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown group or a wrong struct_size.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// report is NULL or points to as many writable bytes as its struct_size says.
radam_status radam_get_group_report(const radam_optimizer *opt,
                                    uint32_t group,
                                    radam_group_report *report);

// Creates an optimizer without parameters.
//
// options may be NULL for the defaults. *opt receives the handle, which the caller frees with
// radam_free.
//
// Errors: RADAM_ERROR_NULL_POINTER if opt is NULL, or only one of the two functions of
// options->allocator is set; RADAM_ERROR_INVALID_ARGUMENT if num_threads is out of range,
// struct_size is wrong, or the environment variable RADAM_ISA named an instruction set that this
// machine lacks when the library was loaded (the variable is for tests; results are the same with
// all of them); RADAM_ERROR_OUT_OF_MEMORY, also if there are 65536 optimizers (on 32-bit machines
// 4096), which is as many as can exist at a time. With options->device RADAM_DEVICE_CUDA:
// RADAM_ERROR_DEVICE if there is no GPU or no driver; RADAM_ERROR_INVALID_ARGUMENT if cuda_device is
// not the number of one; RADAM_ERROR_INVALID_STATE if an option is set that is for the CPU only. With
// RADAM_DEVICE_CPU: RADAM_ERROR_INVALID_ARGUMENT if cuda_device or cuda_stream is set.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// options is NULL or points to as many bytes as its struct_size says; opt is NULL or writable.
radam_status radam_create(const radam_options *options,
                          radam_optimizer **opt);

// Frees an optimizer and its state, and joins the library's threads. Parameters, gradients and
// other arrays of the caller are left as they are.
//
// The handle becomes invalid at once. If other threads are inside calls on the optimizer,
// radam_free returns without waiting, those calls finish, and the last one frees the optimizer.
//
// Errors: RADAM_ERROR_INVALID_HANDLE, also for NULL and a handle that has already been freed.
//
// Threads: may be called at any time. On Windows, not from DllMain or a destructor of a global
// object in a DLL, since threads cannot end before it returns.
radam_status radam_free(radam_optimizer *opt);

// Enqueues the work of an optimizer on another CUDA stream from now on.
//
// stream is a CUstream or cudaStream_t of the optimizer's device; NULL is the legacy default stream. It
// must exist until the optimizer is freed or has moved on. Work that is enqueued already is done first:
// the new stream waits for it, unless one of the two is being captured into a graph, which cannot.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if the optimizer is on the CPU;
// RADAM_ERROR_DEVICE; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// stream is NULL or a stream that exists, and so does the stream before.
radam_status radam_set_stream(radam_optimizer *opt,
                              void *stream);

// Adds a group of parameters with common options: all of them or, on error, nothing.
//
// params is an array of count parameters; it may be NULL if count is 0, and more parameters can be
// added later. *group, if group is not NULL, receives the id of the group. Groups are numbered 0,
// 1, 2, ... in the order of adding, and so are parameters, across all groups. Groups may be added
// at any time, also between steps; the step count of a new parameter is 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER if options is NULL, or if params is
// NULL and count is not 0; RADAM_ERROR_INVALID_ARGUMENT for an option out of range, an unknown
// dtype or toggle, a len beyond the address space, a misaligned or overlapping array, a name that
// is already taken or a wrong struct_size; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// options and params are NULL or have as many bytes as struct_size and count say; data, grad and
// the other arrays are valid for as long as they are registered.
radam_status radam_add_param_group(radam_optimizer *opt,
                                   const radam_group_options *options,
                                   const radam_param *params,
                                   uint64_t count,
                                   uint32_t *group);

// Adds parameters to an existing group: all of them or, on error, nothing.
//
// params is an array of count parameters. *first, if first is not NULL, receives the id of the
// first one; the ids of the others follow.
//
// Errors: as radam_add_param_group; RADAM_ERROR_INVALID_ARGUMENT for an unknown group.
//
// Undefined behaviour unless:
// As for radam_add_param_group; first is NULL or writable.
radam_status radam_add_params(radam_optimizer *opt,
                              uint32_t group,
                              const radam_param *params,
                              uint64_t count,
                              uint32_t *first);

// Adds one parameter to an existing group; a variant of radam_add_params without structs, for FFI.
//
// data has len elements of dtype, and grad len elements of grad_dtype (0: dtype). data may be NULL
// for an unbound parameter, and grad may be NULL (see radam_param). name is UTF-8, unique within
// the optimizer and copied; NULL: "param." and the id. *param, if param is not NULL, receives the
// id.
//
// Errors: as radam_add_params.
//
// Undefined behaviour unless:
// data and grad are valid for as long as they are registered; name is NULL or a NUL-terminated
// string; param is NULL or writable.
radam_status radam_add_param(radam_optimizer *opt,
                             uint32_t group,
                             radam_dtype dtype,
                             radam_dtype grad_dtype,
                             void *data,
                             void *grad,
                             uint64_t len,
                             const char *name,
                             uint32_t *param);

// Sets the address of a parameter's elements, for callers who have moved them.
//
// data has the same length and dtype as before. The state stays with the parameter. NULL unbinds
// the parameter: radam_step skips it until data is set again.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, or if data
// is misaligned or overlaps another array; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// data is valid for as long as it is registered.
radam_status radam_set_data(radam_optimizer *opt, uint32_t param, void *data);

// Sets the address of a parameter's gradient.
//
// grad has the length of the parameter and its grad_dtype. NULL: the parameter has no gradient;
// steps skip it, and its step count does not change.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, or if grad
// is misaligned or overlaps an array other than a gradient; RADAM_ERROR_OUT_OF_MEMORY;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// grad is valid for as long as it is registered.
radam_status radam_set_grad(radam_optimizer *opt, uint32_t param, void *grad);

// Sets the addresses of the elements and gradients of many parameters: all of them or, on error,
// none. Buffers can be swapped this way, which would overlap if set one by one.
//
// data and grads are arrays of count pointers, for the parameters first_param, first_param + 1,
// ...; each pointer is as for radam_set_data and radam_set_grad. If data or grads itself is NULL,
// those addresses do not change.
//
// The time of a call depends on how many parameters the optimizer has, not on count, so set all
// that move in one call. It is shortest if the arrays stay in the order of their addresses.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT if any of the parameters does
// not exist or was removed, or if an array is misaligned or overlaps another;
// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// data and grads are NULL or have count pointers; the arrays they point to are valid for as long as
// they are registered.
radam_status radam_set_tensors(radam_optimizer *opt,
                               uint32_t first_param,
                               uint64_t count,
                               void *const *data,
                               void *const *grads);

// Finds a parameter by its name, which may be a default one, such as "param.0".
//
// *param receives the id.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if no
// parameter has this name.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// name is NULL or a NUL-terminated string; param is NULL or writable.
radam_status radam_param_id(const radam_optimizer *opt, const char *name, uint32_t *param);

// Gets what is registered of a parameter, in the form in which it was added.
//
// *group, if group is not NULL, receives the id of its group. In *description, dtypes are those in
// use, never 0; data and grad are the registered addresses; copy, exp_avg, exp_avg_sq and
// kahan_comp are the caller's own arrays, NULL if there are none (radam_param_state gets those of
// the library); and name is NULL, since radam_param_name copies it. Wrappers in typed languages can
// compare dtypes and len before they pass arrays to a call, which cannot.
//
// Set description->struct_size first, which radam_param_init does.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param or a wrong struct_size.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// group is NULL or writable; description is NULL or points to as many writable bytes as its
// struct_size says.
radam_status radam_get_param(const radam_optimizer *opt,
                             uint32_t param,
                             uint32_t *group,
                             radam_param *description);

// Copies the name of a parameter: the one it was added with, or its default one, such as "param.0".
//
// buf receives up to cap bytes of UTF-8, always ending in NUL unless cap is 0. A longer name is cut
// at a character boundary. buf may be NULL to query the size.
//
// Returns the size of the whole name in bytes, including the NUL. It returns 1 if opt is not a
// valid handle, the parameter does not exist or there is no memory; radam_last_error(NULL, ...)
// then has the message.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// buf is NULL or has cap writable bytes.
uint64_t radam_param_name(const radam_optimizer *opt,
                          uint32_t param,
                          char *buf,
                          uint64_t cap);

// Gets the number of steps that a parameter has made.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// steps is NULL or writable.
radam_status radam_step_count(const radam_optimizer *opt, uint32_t param, uint64_t *steps);

// Updates every parameter that has a gradient, and increments its step count.
//
// Unbound and frozen parameters and groups with gradient_release are skipped. A step in which no
// parameter has a gradient succeeds; radam_step_report.params_stepped tells. Large steps run on
// several threads (radam_options); others run on the calling thread, allocate nothing and wait for
// nothing.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if a parameter has a gradient but
// no data; RADAM_ERROR_BUSY.
//
// Source: Liu et al. 2019, arXiv 1908.03265, algorithm 2, with debiased moments and the options of
// the Python library optimi.
//
// Undefined behaviour unless:
// All registered arrays are valid and not used by anyone else during the call.
radam_status radam_step(radam_optimizer *opt);

// Updates parameters as radam_step does, with gradient scaling, clipping, skipping and zeroing, and
// reports what happened.
//
// options may be NULL for those of radam_step. If report is not NULL, it is filled in, and the
// gradients are measured for it unless options->grad_sums is set. The norm is that of all gradients
// that take part in the step, over all groups.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of range or a
// wrong struct_size; RADAM_ERROR_INVALID_STATE if a parameter has a gradient but no data;
// RADAM_ERROR_BUSY.
//
// Source: clipping as in torch.nn.utils.clip_grad_norm_, skipping as in torch.amp.GradScaler.
//
// Undefined behaviour unless:
// As for radam_step; options and report are NULL or point to as many bytes as their struct_size
// says, those of report writable.
radam_status radam_step_with(radam_optimizer *opt,
                             const radam_step_options *options,
                             radam_step_report *report);

// Updates one parameter of a group with gradient_release, for example from inside the backward
// pass.
//
// grad is its gradient, an array of the parameter's length and grad_dtype; it may be NULL only if
// the length is 0. It is only read, does not become the registered gradient, and may be reused when
// the call has returned. radam_step_tensor does the same with options.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param, or if grad is misaligned or overlaps an array other than a gradient;
// RADAM_ERROR_INVALID_STATE if gradient_release is off or the parameter has no data;
// RADAM_ERROR_BUSY.
//
// Threads: may be called at the same time for different parameters of an optimizer. If it is called
// at the same time for the same parameter, one of the calls returns RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// The parameter and grad are valid and not used by anyone else during the call; grad may be read.
radam_status radam_step_param(radam_optimizer *opt, uint32_t param, const void *grad);

// Updates one parameter of a group with gradient_release in arrays passed to the call, of which it
// keeps no pointer: for languages whose memory moves, and for engines with new gradient buffers in
// every step.
//
// data and grad are arrays of the parameter's length, dtype and grad_dtype. data NULL: the
// registered elements. grad may be NULL only if the length is 0; it is only read, unless zero_grad
// is on. options may be NULL for a plain update. max_grad_norm needs grad_sums: measure all
// gradients first with radam_measure_tensor. If report is not NULL, it is filled in, and the
// gradient is measured for it unless options->grad_sums is set. A frozen parameter is left as it
// is, and the call succeeds.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param, an option out of range, max_grad_norm without grad_sums, if an array is misaligned
// or overlaps another, or for a wrong struct_size; RADAM_ERROR_INVALID_STATE if gradient_release is
// off, or if data is NULL and none is registered; RADAM_ERROR_BUSY.
//
// Threads: as for radam_step_param.
//
// Undefined behaviour unless:
// data and grad are valid and not used by anyone else during the call; grad may be read. options
// and report are NULL or point to as many bytes as their struct_size says, those of report
// writable.
radam_status radam_step_tensor(radam_optimizer *opt,
                               uint32_t param,
                               void *data,
                               void *grad,
                               const radam_step_options *options,
                               radam_step_report *report);

// Turns optimizer accumulation on or off. While it is on, steps update exp_avg, exp_avg_sq and the
// step counts, but not the parameters.
//
// Gradients thus accumulate in the optimizer's state instead of in memory of their own, as in
// optimi. The first step after it is turned off moves the parameters again. Weight decay and Kahan
// summation are not applied while it is on. AUTO: off.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT if on is not a radam_toggle;
// RADAM_ERROR_BUSY.
radam_status radam_set_optimizer_accumulation(radam_optimizer *opt, radam_toggle on);

// Gets whether optimizer accumulation is on, as it was set; initially RADAM_OFF.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// on is NULL or writable.
radam_status radam_get_optimizer_accumulation(const radam_optimizer *opt, radam_toggle *on);

// Fills all registered gradients with zeros, except in groups with gradient_release.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// All registered gradients are valid and not used by anyone else during the call.
radam_status radam_zero_grad(radam_optimizer *opt);

// Opens a step that the caller runs in slices: chunk by chunk on any threads (radam_step_wave,
// radam_step_chunk), for a limited time now and then (radam_step_for), or both.
//
// options may be NULL for those of radam_step. Until radam_step_end, registered arrays must stay
// where they are. The getters, radam_step_param and radam_step_tensor may be called while the step
// is open; other calls that are not part of the step return RADAM_ERROR_BUSY. Step counts change in
// radam_step_end. Results have the same bits as those of radam_step_with, however the step is
// sliced.
//
// In the first step, the operating system provides the memory of the state page by page as it is
// touched, which takes time. To do this earlier, call radam_reset_state for all parameters.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of range or a
// wrong struct_size; RADAM_ERROR_INVALID_STATE if a parameter has a gradient but no data;
// RADAM_ERROR_BUSY, also if a step is already open.
//
// Undefined behaviour unless:
// options is NULL or points to as many bytes as its struct_size says. All registered arrays are
// valid and not written by anyone else until radam_step_end.
radam_status radam_step_begin(radam_optimizer *opt,
                              const radam_step_options *options);

// Starts the next wave of the open step: a set of chunks that may run in any order and in parallel.
//
// *chunks receives the number of chunks; 0 means that there are no more waves. All chunks of the
// previous wave must have been stepped. Chunks take about the same time: they have 16384 elements,
// or 65536 if they are only measured. With max_grad_norm, skip_nonfinite or report_norms, and
// without grad_sums, the first wave measures the gradients. Each tensor of a group with for_each off is a wave of its own.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_STATE if no
// step is open or chunks of the previous wave are left; RADAM_ERROR_BUSY, also while another thread
// is inside radam_step_chunk.
//
// Undefined behaviour unless:
// As for radam_step_begin; chunks is NULL or writable.
radam_status radam_step_wave(radam_optimizer *opt,
                             uint64_t *chunks);

// Steps one chunk of the current wave, on the calling thread.
//
// chunk is an index below the number that radam_step_wave gave. Each must be stepped exactly once.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT if the wave has no such chunk or
// it has already been stepped; RADAM_ERROR_INVALID_STATE if no step is open or it has no wave;
// RADAM_ERROR_BUSY.
//
// Threads: may be called at the same time for different chunks.
//
// Undefined behaviour unless:
// As for radam_step_begin.
radam_status radam_step_chunk(radam_optimizer *opt, uint64_t chunk);

// Runs the open step for a limited time, on the calling thread: what is left of the current wave,
// then the waves after it.
//
// budget_ns is the time in nanoseconds. The call returns before a chunk that would exceed it, if
// that chunk took as long as the slowest one of this call so far. It steps at least one chunk
// unless budget_ns is 0, so repeated calls always finish the step. *chunks_left, if chunks_left is
// not NULL, receives the number of chunks left in all waves; at 0, the step is ready for
// radam_step_end.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if no step is open;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// As for radam_step_begin; chunks_left is NULL or writable.
radam_status radam_step_for(radam_optimizer *opt, uint64_t budget_ns, uint64_t *chunks_left);

// Ends the open step, all of whose chunks have been stepped, and increments step counts.
//
// If report is not NULL, it is filled in. Gradients are measured only with max_grad_norm,
// skip_nonfinite or report_norms; otherwise, and without grad_sums, grad_norm is NaN and nonfinite
// is 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size;
// RADAM_ERROR_INVALID_STATE if no step is open or chunks are left, in this wave or a later one;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// report is NULL or points to as many writable bytes as its struct_size says.
radam_status radam_step_end(radam_optimizer *opt, radam_step_report *report);

// Cancels the open step as if it had never begun. This is possible until the first chunk that
// changes anything: before and during the measuring of gradients.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if no step is open, or if
// parameters have already changed: then the step must be completed; RADAM_ERROR_BUSY.
radam_status radam_step_abort(radam_optimizer *opt);

// Freezes or unfreezes a parameter. Steps skip a frozen parameter as if it had no gradient, and its
// step count does not change.
//
// AUTO: off. radam_step_param and radam_step_tensor on a frozen parameter succeed and change
// nothing (zero_grad still zeroes the gradient).
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, or if
// frozen is not a radam_toggle; RADAM_ERROR_BUSY.
radam_status radam_set_frozen(radam_optimizer *opt, uint32_t param, radam_toggle frozen);

// Gets whether a parameter is frozen: RADAM_ON or RADAM_OFF.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// frozen is NULL or writable.
radam_status radam_get_frozen(const radam_optimizer *opt,
                              uint32_t param,
                              radam_toggle *frozen);

// Removes a parameter, and frees the state that the library has for it.
//
// Its arrays and its name can be used again. Its id is not reused, and the ids of other parameters
// do not change.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
// RADAM_ERROR_BUSY.
radam_status radam_remove_param(radam_optimizer *opt, uint32_t param);

// Resets the state of a parameter to that before the first step: zeros, and a step count of 0.
//
// param is its id, or UINT32_MAX for all parameters.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// State arrays of the caller are valid and not used by anyone else during the call.
radam_status radam_reset_state(radam_optimizer *opt, uint32_t param);

// Sets the number of steps that a parameter has made, for callers who restore its state themselves.
// The next step has the number steps + 1.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
// RADAM_ERROR_BUSY.
radam_status radam_set_step_count(radam_optimizer *opt, uint32_t param, uint64_t steps);

// Gets the address of an array of a parameter's state, and its dtype.
//
// which is one of the RADAM_STATE_... constants. *pointer receives the array, which has the
// parameter's length, or one element for each block of it, and may be the caller's own; NULL if the
// parameter has no such array or no elements. *dtype, if dtype is not NULL, receives its dtype, which
// for exp_avg and exp_avg_sq may be RADAM_DTYPE_Q8; 0 for RADAM_STATE_MASTER_REMAINDER, which is
// int16_t, and for RADAM_STATE_SCALE, which is uint32_t.
//
// The array may be read and written between calls on the optimizer. It stays valid until the
// parameter is removed, the optimizer is freed, or the dtype or kind of the state changes
// (radam_set_group_options).
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param or which.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// pointer and dtype are NULL or writable.
radam_status radam_param_state(radam_optimizer *opt,
                               uint32_t param,
                               radam_state which,
                               void **pointer,
                               radam_dtype *dtype);

// Copies advice on settings that are allowed but known to make training fail: one sentence per
// line, with the number in question and a remedy. Empty if there is nothing to report.
//
// It checks the options of all groups and the dtypes of their parameters and state. Examples: f16
// exp_avg_sq, which overflows with gradients of about 256 and more; bf16 exp_avg_sq with beta2 so
// close to 1 that it never decays.
//
// buf receives up to cap bytes of UTF-8, always ending in NUL unless cap is 0. A longer text is cut
// at a character boundary. buf may be NULL to query the size.
//
// Returns the size of the whole text in bytes, including the NUL: 1 if there is none. It also
// returns 1 if opt is not a valid handle or there is no memory for the text; radam_last_error(NULL,
// ...) then has the message.
//
// Threads: a getter; may be called at any time.
//
// Undefined behaviour unless:
// buf is NULL or has cap writable bytes.
uint64_t radam_advice(const radam_optimizer *opt, char *buf, uint64_t cap);

// Performs one step of one tensor whose arrays are all the caller's, without an optimizer.
//
// Each array has len elements, aligned to the element size, and overlaps none of the others:
//
// - param, of dtype, is updated.
// - grad, of grad_dtype (0: dtype), is only read.
// - exp_avg and exp_avg_sq, of state_dtype (0: that of options, by default dtype), are updated;
//   they must hold zeros before the first step.
// - kahan_comp is used only if kahan_sum is on, which by default it is for f16 and bf16, or
//   master_remainder; it is of state_dtype, or int16_t with master_remainder, and must hold zeros
//   before the first step.
//
// options are those of a group; for_each and gradient_release have no effect. step is the number of
// the step, starting at 1. The results have the same bits as those of an optimizer. With
// stochastic_rounding, the tensor is taken to be a whole one named "param.0", so give each tensor
// its own seed.
//
// All work runs on the calling thread, and nothing is allocated.
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an option out of range, an
// unknown dtype, a misaligned or overlapping array, a step of 0 or a wrong struct_size.
//
// Threads: may be called at any time, also at the same time for different tensors or different
// parts of one.
//
// Undefined behaviour unless:
// The arrays are valid and not used by anyone else during the call; grad may be read. options is
// NULL or points to as many bytes as its struct_size says.
radam_status radam_update(radam_dtype dtype,
                          radam_dtype grad_dtype,
                          radam_dtype state_dtype,
                          void *param,
                          const void *grad,
                          void *exp_avg,
                          void *exp_avg_sq,
                          void *kahan_comp,
                          uint64_t len,
                          const radam_group_options *options,
                          uint64_t step);

// Performs one step of one tensor with 8-bit state, without an optimizer.
//
// As radam_update, with these differences:
//
// - exp_avg, of len int8_t, exp_avg_sq, of len uint8_t, and state_scale, of one uint32_t for each
//   block of 128 elements (the last of which may be shorter), are updated; they must hold zeros
//   before the first step. docs/q8.md describes them.
// - kahan_comp is of dtype, which is RADAM_DTYPE_F32, RADAM_DTYPE_F16 or RADAM_DTYPE_BF16.
// - Codes are rounded at random, in any tensor, so give each tensor its own seed. The results have
//   the same bits as those of an optimizer for a tensor named "param.0" of at least 4096 elements.
//
// Errors: as radam_update.
//
// Threads: may be called at any time, also at the same time for different tensors.
//
// Undefined behaviour unless:
// As for radam_update.
radam_status radam_update_q8(radam_dtype dtype,
                             radam_dtype grad_dtype,
                             void *param,
                             const void *grad,
                             int8_t *exp_avg,
                             uint8_t *exp_avg_sq,
                             uint32_t *state_scale,
                             void *kahan_comp,
                             uint64_t len,
                             const radam_group_options *options,
                             uint64_t step);

// Fills options with the default values.
//
// struct_size is sizeof(radam_save_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_save_options_init(radam_save_options *options, uint32_t struct_size);

// Fills options with the default values.
//
// struct_size is sizeof(radam_load_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_load_options_init(radam_load_options *options, uint32_t struct_size);

// Saves the state, step counts and options of the optimizer to a file. The parameters themselves
// are the caller's to save. docs/checkpoint.md describes the format, a safetensors file with
// checksums.
//
// path is a UTF-8 string; except on Windows, its bytes go to the system as they are. The file
// appears whole or not at all: it is written under its name with ".tmp" appended, flushed to disk
// and renamed, so after a crash at any moment there is the old file or the new one. A ".tmp" file
// that a killed process left behind is removed.
//
// Only a regular file is replaced, never a device, a FIFO, a socket or a folder. If path is a
// symbolic link, the file that it leads to is replaced, in its own folder. The new file has the mode
// of the old one, and its owner and group if the process may set them. On Windows, a file that a
// program has open can be replaced only if it was opened with FILE_SHARE_DELETE, which fopen does
// not do; otherwise saving fails and the old file stays.
//
// A call that fails leaves the old file in place, with one exception, of which the message says
// "the new checkpoint is in place": the disk has failed when the folder was flushed, after the
// renaming. Then a loss of power may bring the old file back.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if
// path cannot be that of a file; RADAM_ERROR_IO if the system reports an error, which the message
// names, or something else than a regular file is in the way; RADAM_ERROR_OUT_OF_MEMORY;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// path is NULL or a NUL-terminated string; state arrays of the caller are valid.
radam_status radam_save(radam_optimizer *opt,
                        const char *path);

// Saves as radam_save does, and reports progress.
//
// options may be NULL for the defaults.
//
// Errors: as radam_save; RADAM_ERROR_INVALID_ARGUMENT if options->reserved is not 0, or for a wrong
// struct_size; RADAM_ERROR_IO if progress cancels the call.
//
// Undefined behaviour unless:
// As for radam_save; options is NULL or points to as many bytes as its struct_size says.
radam_status radam_save_with(radam_optimizer *opt,
                             const char *path,
                             const radam_save_options *options);

// Saves to memory what radam_save saves to a file.
//
// buffer has capacity bytes; it may be NULL to query the size. *size receives the size of the
// checkpoint in bytes.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER if size is NULL;
// RADAM_ERROR_INVALID_ARGUMENT if capacity is too small; RADAM_ERROR_OUT_OF_MEMORY;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// buffer is NULL or has capacity writable bytes; size is NULL or writable; state arrays of the
// caller are valid.
radam_status radam_save_to_buffer(radam_optimizer *opt,
                                  void *buffer,
                                  uint64_t capacity,
                                  uint64_t *size);

// Loads a checkpoint into an optimizer that already has its groups and parameters.
//
// path is as for radam_save. Parameters are identified by name. If anything does not match (missing
// or unexpected parameters, lengths, dtypes), one message lists it all. Files written by other
// programs may have biased moments, as PyTorch has them; see docs/checkpoint.md.
//
// The file is read once and verified as a whole before anything changes. Until then, the state in
// it takes memory beside that of the optimizer, which is freed array by array while they are copied.
// Only a regular file is read, through symbolic links; nothing else is opened.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_IO if the file cannot
// be read; RADAM_ERROR_CORRUPT if it is damaged or not a checkpoint; RADAM_ERROR_MISMATCH if it
// does not match the optimizer, or has a format of a later version; RADAM_ERROR_OUT_OF_MEMORY;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// path is NULL or a NUL-terminated string; state arrays of the caller are valid and not used by
// anyone else during the call.
radam_status radam_load(radam_optimizer *opt,
                        const char *path);

// Loads as radam_load does, with options.
//
// options may be NULL for the defaults.
//
// Errors: as radam_load; RADAM_ERROR_INVALID_ARGUMENT if an option is not a radam_toggle, or for a
// wrong struct_size; RADAM_ERROR_IO if progress cancels the call.
//
// Undefined behaviour unless:
// As for radam_load; options is NULL or points to as many bytes as its struct_size says.
radam_status radam_load_with(radam_optimizer *opt,
                             const char *path,
                             const radam_load_options *options);

// Loads the checkpoints of several processes, each of which saved its own shards, into shards that
// may be cut differently or into whole parameters.
//
// paths is an array of count paths. Every element of every parameter must be in one of the files.
// options may be NULL for the defaults.
//
// Errors: as radam_load_with; RADAM_ERROR_INVALID_ARGUMENT if count is 0.
//
// Undefined behaviour unless:
// paths is NULL or has count pointers, each of which is NULL or a NUL-terminated string; state
// arrays of the caller are valid and not used by anyone else during the call; options is NULL or
// points to as many bytes as its struct_size says.
radam_status radam_load_shards(radam_optimizer *opt,
                               const char *const *paths,
                               uint64_t count,
                               const radam_load_options *options);

// Loads a checkpoint from memory, as written by radam_save_to_buffer or radam_save.
//
// buffer has size bytes, which are not copied elsewhere first. options may be NULL for the defaults.
//
// Errors: as radam_load_with.
//
// Undefined behaviour unless:
// buffer is NULL or has size bytes, which are not written to during the call; state arrays of the
// caller are valid, not used by anyone else during the call, and not inside buffer; options is NULL
// or points to as many bytes as its struct_size says.
radam_status radam_load_from_buffer(radam_optimizer *opt,
                                    const void *buffer,
                                    uint64_t size,
                                    const radam_load_options *options);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RADAM_H */
