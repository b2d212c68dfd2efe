/*
 * radam: rectified Adam (RAdam) for every program that can call C.
 *
 * Generated from the library's source; `make header` writes it anew. SPDX: MIT OR Apache-2.0
 *
 * In short
 *   radam_create makes an optimizer, radam_add_param_group gives it parameters with their options,
 *   radam_step updates them from their gradients, radam_free ends it.
 *
 * Memory
 *   Parameters and gradients are flat, contiguous arrays that belong to the caller, who keeps them
 *   alive and in place while the optimizer holds their pointers. The library writes parameters
 *   (and gradients in radam_zero_grad only) and nothing else of the caller's. It owns the
 *   optimizer's state. Structs and strings that are passed in are copied and may be freed at once.
 *
 * Errors
 *   Functions return a radam_status. A failed call changes nothing, except for its error sentence,
 *   which radam_last_error copies: given the handle, or NULL where the call had no valid one
 *   (radam_create and the init functions). Outputs are written on success only.
 *
 * Handles
 *   A radam_optimizer pointer is a token and points at nothing. NULL, a freed handle or any other
 *   value gives RADAM_ERROR_INVALID_HANDLE.
 *
 * Threads
 *   Different optimizers are independent. On one optimizer, calls are exclusive: a second thread
 *   inside gets RADAM_ERROR_BUSY, and may try again. Only radam_step_param on different
 *   parameters, and the functions that take a const radam_optimizer, may overlap one another.
 *   The library starts threads only as radam_options.num_threads says, with the first step that is
 *   large enough to gain from them. They sleep between steps, end in radam_free, and never run
 *   anything of the caller's. After a fork, both processes may go on, the
 *   child with threads of its own; an optimizer that another thread was inside at the fork stays
 *   busy in the child.
 *
 * Results
 *   The same bits for every instruction set, number of threads, alignment and order of parameters.
 *   Calls run in the default floating-point mode (round to nearest, denormals kept) and restore
 *   the caller's mode when they return.
 */

#ifndef RADAM_H
#define RADAM_H

#include <stdint.h>

// The values of radam_status.
typedef enum radam_status_values {
  // The call did what its description says.
  RADAM_OK = 0,
  // An argument is NULL that must point to something.
  RADAM_ERROR_NULL_POINTER = 1,
  // The optimizer handle is NULL, was freed, or never came from radam_create.
  RADAM_ERROR_INVALID_HANDLE = 2,
  // An argument has a value that it must not have.
  RADAM_ERROR_INVALID_ARGUMENT = 3,
  // Another thread is inside the same optimizer, or the same parameter; try again later.
  RADAM_ERROR_BUSY = 4,
  // The call does not fit what the optimizer is set up for.
  RADAM_ERROR_INVALID_STATE = 5,
  // There is no memory for it.
  RADAM_ERROR_OUT_OF_MEMORY = 6,
  // A file could not be read or written.
  RADAM_ERROR_IO = 7,
  // A checkpoint is damaged.
  RADAM_ERROR_CORRUPT = 8,
  // A checkpoint does not fit the optimizer.
  RADAM_ERROR_MISMATCH = 9,
  // The library has a bug; the optimizer can only be freed.
  RADAM_ERROR_PANIC = 10,
} radam_status_values;

// The values of radam_dtype.
typedef enum radam_dtype_values {
  // IEEE single precision, C's float.
  RADAM_DTYPE_F32 = 1,
  // IEEE double precision, C's double.
  RADAM_DTYPE_F64 = 2,
  // IEEE half precision.
  RADAM_DTYPE_F16 = 3,
  // bfloat16, the upper half of a float.
  RADAM_DTYPE_BF16 = 4,
} radam_dtype_values;

// The values of radam_toggle.
typedef enum radam_toggle_values {
  // What the description of the option says.
  RADAM_AUTO = 0,
  // Yes.
  RADAM_ON = 1,
  // No.
  RADAM_OFF = 2,
} radam_toggle_values;

// An optimizer. A pointer to one is a handle: a token that points at nothing.
typedef struct radam_optimizer radam_optimizer;

// What a call came to: RADAM_OK, which is 0, or one of the RADAM_ERROR_… constants.
//
// Later versions may have more of them.
typedef int32_t radam_status;

// Options of a whole optimizer. Fill them by radam_options_init first.
typedef struct radam_options {
  // sizeof(radam_options), as radam_options_init leaves it.
  uint32_t struct_size;
  // How many threads may work at once, the caller's among them, up to 1024. 0, the default: one
  // per available core. They are started when work is first large enough to gain from them, one for
  // every 128K elements. 1: the library never starts a thread.
  uint32_t num_threads;
} radam_options;

// A choice: RADAM_ON, RADAM_OFF, or RADAM_AUTO, which is 0 and leaves it to the library.
typedef int32_t radam_toggle;

// What a tensor's elements are: one of the RADAM_DTYPE_… constants, or 0 for the default of the
// field that it is in.
typedef int32_t radam_dtype;

// Options of one parameter group; the names are those of the Python library optimi. Fill them by
// radam_group_options_init first, and then set lr, which has no default.
typedef struct radam_group_options {
  // sizeof(radam_group_options), as radam_group_options_init leaves it.
  uint32_t struct_size;
  // Decoupled weight decay, as in AdamW: each step takes lr * weight_decay of the parameter.
  // AUTO: off, so that weight decay is an L2 penalty on the gradient.
  radam_toggle decouple_wd;
  // Fully decoupled weight decay: each step takes lr / max_lr * weight_decay of the parameter, so
  // that weight_decay does not depend on the choice of lr. It wins over decouple_wd. AUTO: off.
  radam_toggle decouple_lr;
  // Kahan summation: a compensation beside each parameter keeps what rounding loses, so that
  // 16-bit parameters train without a copy in f32. AUTO: on for f16 and bf16.
  radam_toggle kahan_sum;
  // Whether all tensors of the group are stepped as one parallel queue of work (AUTO and ON,
  // optimi's foreach) or one after another (OFF). Same results.
  radam_toggle for_each;
  // Whether the group is stepped by radam_step_param from inside the backward pass. radam_step
  // and radam_zero_grad then skip it. AUTO: off.
  radam_toggle gradient_release;
  // Steps up the gradient and not down. AUTO: off.
  radam_toggle maximize;
  // Rectification, the R of RAdam. OFF: every step is rectified by 1, which is Adam, or AdamW
  // with decouple_wd. AUTO: on.
  radam_toggle rectify;
  // What exp_avg, exp_avg_sq and the compensation are stored in: 0 for each parameter's own
  // dtype, or RADAM_DTYPE_F32, or the dtype that all parameters of the group have.
  radam_dtype state_dtype;
  // The learning rate; finite, at least 0. There is no default: radam_group_options_init sets
  // NaN, which is refused.
  double lr;
  // The decay rate of the average of gradients, in [0, 1). Default: 0.9.
  double beta1;
  // The decay rate of the average of squared gradients, in [0, 1). Default: 0.99.
  double beta2;
  // How strongly parameters decay; finite, at least 0. Default: 0.
  double weight_decay;
  // Added to the root of exp_avg_sq; finite, at least 0. Default: 1e-6.
  double eps;
  // The highest lr of the schedule, which decouple_lr divides by; finite, at least 0, and above 0
  // with decouple_lr. NaN, the default: the lr that is given with it.
  double max_lr;
} radam_group_options;

// One parameter: a tensor, flat and contiguous, that belongs to the caller. Fill it by
// radam_param_init first.
typedef struct radam_param {
  // sizeof(radam_param), as radam_param_init leaves it. In an array of them it is the stride, and
  // must be the same in all.
  uint32_t struct_size;
  // What the elements of data are. There is no default.
  radam_dtype dtype;
  // What the elements of grad are. 0, the default: dtype.
  radam_dtype grad_dtype;
  // The number of elements; may be 0.
  uint64_t len;
  // The elements, aligned to the size of one; they must not overlap another parameter or a
  // gradient. NULL only where len is 0.
  void *data;
  // The gradient, len elements aligned to the size of one. NULL, the default: the parameter is
  // skipped until it has one.
  void *grad;
  // A name that no other parameter of the optimizer has, UTF-8, copied; checkpoints find
  // parameters by it. NULL, the default: "param." and its id.
  const char *name;
} radam_param;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns the version of the library: major * 1000000 + minor * 1000 + patch.
uint32_t radam_version(void);

// Returns the version of the library as a string such as "1.2.3", which is not to be freed.
const char *radam_version_string(void);

// Returns the name of a status, such as "RADAM_ERROR_BUSY", which is not to be freed.
//
// A number that is no status gives "unknown radam_status".
const char *radam_status_string(radam_status status);

// Copies the sentence of the last failed call: what was wrong with which argument, its value, and
// what would be right.
//
// Each optimizer keeps the sentence of its last failed call, on whatever thread that was. opt NULL,
// or any other value that is not a handle, stands for the calling thread's last failure without an
// optimizer: of radam_create, of the init functions, or of a call with an invalid handle. A call
// that succeeds leaves the sentence as it is.
//
// buf takes up to cap bytes of it, cut between characters if need be, and always ends in NUL unless
// cap is 0. It is UTF-8. buf may be NULL, to ask for the size only.
//
// Returns the bytes that the whole sentence takes, its NUL included: 1 where nothing has failed.
//
// Threads: may be called from any, at any time.
//
// Undefined behaviour unless:
// buf is NULL or has cap writable bytes.
uint64_t radam_last_error(const radam_optimizer *opt, char *buf, uint64_t cap);

// Fills options with their defaults.
//
// struct_size is sizeof(radam_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_options_init(radam_options *options, uint32_t struct_size);

// Fills the options of a parameter group with their defaults; lr has none and must be set.
//
// struct_size is sizeof(radam_group_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_group_options_init(radam_group_options *options, uint32_t struct_size);

// Fills a parameter with its defaults; dtype, len and data have none and must be set.
//
// struct_size is sizeof(radam_param).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// param is NULL or points to struct_size writable bytes.
radam_status radam_param_init(radam_param *param, uint32_t struct_size);

// Makes an optimizer without any parameters.
//
// options may be NULL, for the defaults. On success *opt is the handle, for the caller to free by
// radam_free.
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had, for too many threads, and where the environment variable RADAM_ISA names an instruction set
// that this machine lacks (it is for tests; the results are the same on all);
// RADAM_ERROR_OUT_OF_MEMORY. The sentence is at radam_last_error(NULL, ...).
//
// Threads: may be called from any.
//
// Undefined behaviour unless:
// options is NULL or points to as many bytes as its struct_size says; opt is NULL or writable.
radam_status radam_create(const radam_options *options, radam_optimizer **opt);

// Frees an optimizer with its state, and joins its threads. Parameters and gradients are the
// caller's and stay.
//
// From then on the handle is invalid. Where other threads are inside the optimizer, they finish
// their calls first, and the last of them does the work.
//
// Errors: RADAM_ERROR_INVALID_HANDLE, also for NULL and for a handle that was freed.
//
// Threads: may be called from any, at any time.
radam_status radam_free(radam_optimizer *opt);

// Adds a group of parameters that share options: all of it or, on an error, nothing.
//
// params is an array of count parameters; it may be NULL where count is 0, and more can follow by
// radam_add_param. group, which may be NULL, gets the id of the group. Groups and parameters are
// numbered 0, 1, 2, ... in the order of adding, across all groups. Groups can be added at any time,
// also between steps; the step count of a new parameter is 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER for options, params or a data that
// must not be NULL; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range, an unknown dtype
// or toggle, a struct_size that no version had, a length that cannot be, misaligned memory, a
// parameter that overlaps another or a gradient, or a name that is used twice;
// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// options and params are NULL or as their struct_size and count say; data and grad stay valid while
// the optimizer has them.
radam_status radam_add_param_group(radam_optimizer *opt,
                                   const radam_group_options *options,
                                   const radam_param *params,
                                   uint64_t count,
                                   uint32_t *group);

// Adds one parameter to a group; the same as radam_add_param_group without structs, for FFI.
//
// dtype and grad_dtype (0: dtype) are those of the elements of data and grad, len is their number.
// grad may be NULL: the parameter is skipped until it has one. name is UTF-8, copied, that no other
// parameter has, or NULL for "param." and its id. param, which may be NULL, gets the id.
//
// Errors: those of radam_add_param_group, and RADAM_ERROR_INVALID_ARGUMENT for an unknown group.
//
// Undefined behaviour unless:
// data and grad stay valid while the optimizer has them; name is NULL or ends in NUL; param is NULL
// or writable.
radam_status radam_add_param(radam_optimizer *opt,
                             uint32_t group,
                             radam_dtype dtype,
                             radam_dtype grad_dtype,
                             void *data,
                             void *grad,
                             uint64_t len,
                             const char *name,
                             uint32_t *param);

// Tells where the elements of a parameter are from now on, for a caller that has moved them.
//
// data has the length and dtype of before; the optimizer's state goes on with it. It must not be
// NULL unless the length is 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param, misaligned memory or an overlap; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// data stays valid while the optimizer has it.
radam_status radam_set_data(radam_optimizer *opt, uint32_t param, void *data);

// Tells where the gradient of a parameter is from now on.
//
// grad has the parameter's length and grad_dtype. NULL: the parameter has no gradient, so that
// radam_step skips it and its step count stands still.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, misaligned
// memory or an overlap with a parameter (gradients may overlap each other); RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// grad stays valid while the optimizer has it.
radam_status radam_set_grad(radam_optimizer *opt, uint32_t param, void *grad);

// Gets how many steps a parameter has made: those in which it had a gradient.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// steps is NULL or writable.
radam_status radam_step_count(const radam_optimizer *opt, uint32_t param, uint64_t *steps);

// Updates every parameter that has a gradient, and counts a step for each.
//
// Groups with gradient_release are skipped. Large work runs on up to num_threads threads; small
// work runs on the caller's, allocates nothing and waits for nothing.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_BUSY.
//
// Source: Liu et al. 2019, arXiv 1908.03265, algorithm 2, with moments that are stored debiased and
// the other options of the Python library optimi.
//
// Undefined behaviour unless:
// All parameters and gradients that the optimizer has are valid, and nobody else uses them during
// the call.
radam_status radam_step(radam_optimizer *opt);

// Updates one parameter of a group with gradient_release, from inside the caller's backward pass.
//
// grad is its gradient, of its length and grad_dtype, only read; when the call returns, the memory
// is the caller's to reuse. It does not become the registered gradient. It must not be NULL unless
// the length is 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param, misaligned memory or an overlap with a parameter; RADAM_ERROR_INVALID_STATE where
// gradient_release is off; RADAM_ERROR_BUSY.
//
// Threads: may be called at once on different parameters of one optimizer; the same parameter at
// once gives one of the callers RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// The parameter and grad are valid, and nobody else writes them during the call.
radam_status radam_step_param(radam_optimizer *opt, uint32_t param, void *grad);

// Switches optimizer accumulation on or off: while it is on, steps change only the optimizer's
// state and step counts, and the parameters stay as they are.
//
// So gradients accumulate in exp_avg and exp_avg_sq instead of in their own memory, as in optimi.
// Without accumulation the next step moves the parameters again. AUTO means off. Weight decay of
// any kind and Kahan summation take no part in accumulation.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a value that is no
// radam_toggle; RADAM_ERROR_BUSY.
radam_status radam_set_optimizer_accumulation(radam_optimizer *opt, radam_toggle on);

// Gets whether optimizer accumulation is on: what was set, RADAM_OFF at first.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// on is NULL or writable.
radam_status radam_get_optimizer_accumulation(const radam_optimizer *opt, radam_toggle *on);

// Fills all registered gradients with zeros, those of groups with gradient_release excepted.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// All gradients that the optimizer has are valid, and nobody else uses them during the call.
radam_status radam_zero_grad(radam_optimizer *opt);

// Sets the learning rate, for a group.
//
// value is finite and at least 0. max_lr stays as it is.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_lr(radam_optimizer *opt, uint32_t group, double value);

// Gets the learning rate, of a group.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_lr(const radam_optimizer *opt, uint32_t group, double *value);

// Sets the decay rate of exp_avg, the running average of the gradients, for a group.
//
// value is in [0, 1).
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_beta1(radam_optimizer *opt, uint32_t group, double value);

// Gets the decay rate of exp_avg, the running average of the gradients, of a group.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_beta1(const radam_optimizer *opt, uint32_t group, double *value);

// Sets the decay rate of exp_avg_sq, the running average of the squared gradients, for a group.
//
// value is in [0, 1).
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_beta2(radam_optimizer *opt, uint32_t group, double value);

// Gets the decay rate of exp_avg_sq, the running average of the squared gradients, of a group.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_beta2(const radam_optimizer *opt, uint32_t group, double *value);

// Sets the weight decay, for a group.
//
// value is finite and at least 0. decouple_wd and decouple_lr say what it does.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_weight_decay(radam_optimizer *opt, uint32_t group, double value);

// Gets the weight decay, of a group.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_weight_decay(const radam_optimizer *opt,
                                    uint32_t group,
                                    double *value);

// Sets eps, which is added to the square root of exp_avg_sq, for a group.
//
// value is finite and at least 0.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_eps(radam_optimizer *opt, uint32_t group, double value);

// Gets eps, which is added to the square root of exp_avg_sq, of a group.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_eps(const radam_optimizer *opt, uint32_t group, double *value);

// Sets the highest learning rate of the schedule, by which decouple_lr divides, for a group.
//
// value is finite and at least 0, and above 0 with decouple_lr; NaN stands for the group's present
// lr.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_max_lr(radam_optimizer *opt, uint32_t group, double value);

// Gets the highest learning rate of the schedule, by which decouple_lr divides, of a group.
//
// A max_lr that was never given is the lr that the group was added with.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_max_lr(const radam_optimizer *opt, uint32_t group, double *value);

// Sets whether weight decay is decoupled from the gradient, as in AdamW, for a group.
//
// radam_group_options tells what RADAM_AUTO means.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_decouple_wd(radam_optimizer *opt, uint32_t group, radam_toggle value);

// Gets whether weight decay is decoupled from the gradient, as in AdamW, of a group.
//
// *value is what was set, also where that was RADAM_AUTO.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_decouple_wd(const radam_optimizer *opt,
                                   uint32_t group,
                                   radam_toggle *value);

// Sets whether weight decay is decoupled from the learning rate too, for a group.
//
// RADAM_ON is refused while max_lr is 0. radam_group_options tells what RADAM_AUTO means.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_decouple_lr(radam_optimizer *opt, uint32_t group, radam_toggle value);

// Gets whether weight decay is decoupled from the learning rate too, of a group.
//
// *value is what was set, also where that was RADAM_AUTO.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_decouple_lr(const radam_optimizer *opt,
                                   uint32_t group,
                                   radam_toggle *value);

// Sets whether parameters are updated by Kahan summation, for a group.
//
// Switched on, the compensation begins at 0; switched off, it is dropped. radam_group_options
// tells what RADAM_AUTO means.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
radam_status radam_set_kahan_sum(radam_optimizer *opt, uint32_t group, radam_toggle value);

// Gets whether parameters are updated by Kahan summation, of a group.
//
// *value is what was set, also where that was RADAM_AUTO.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_kahan_sum(const radam_optimizer *opt,
                                 uint32_t group,
                                 radam_toggle *value);

// Sets whether all tensors are stepped as one parallel queue of work, for a group.
//
// The results are the same either way. radam_group_options tells what RADAM_AUTO means.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_for_each(radam_optimizer *opt, uint32_t group, radam_toggle value);

// Gets whether all tensors are stepped as one parallel queue of work, of a group.
//
// *value is what was set, also where that was RADAM_AUTO.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_for_each(const radam_optimizer *opt,
                                uint32_t group,
                                radam_toggle *value);

// Sets whether radam_step_param steps the parameters, and not radam_step, for a group.
//
// radam_group_options tells what RADAM_AUTO means.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_gradient_release(radam_optimizer *opt,
                                        uint32_t group,
                                        radam_toggle value);

// Gets whether radam_step_param steps the parameters, and not radam_step, of a group.
//
// *value is what was set, also where that was RADAM_AUTO.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_gradient_release(const radam_optimizer *opt,
                                        uint32_t group,
                                        radam_toggle *value);

// Sets whether steps go up the gradient, for a group.
//
// radam_group_options tells what RADAM_AUTO means.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_maximize(radam_optimizer *opt, uint32_t group, radam_toggle value);

// Gets whether steps go up the gradient, of a group.
//
// *value is what was set, also where that was RADAM_AUTO.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_maximize(const radam_optimizer *opt,
                                uint32_t group,
                                radam_toggle *value);

// Sets whether steps are rectified, for a group.
//
// radam_group_options tells what RADAM_AUTO means.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_rectify(radam_optimizer *opt, uint32_t group, radam_toggle value);

// Gets whether steps are rectified, of a group.
//
// *value is what was set, also where that was RADAM_AUTO.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_rectify(const radam_optimizer *opt,
                               uint32_t group,
                               radam_toggle *value);

// Sets the dtype that exp_avg, exp_avg_sq and kahan_comp are stored in, for a group.
//
// value is 0 for each parameter's own dtype, RADAM_DTYPE_F32, or the dtype that all parameters of
// the group have. The state that there is gets converted, rounded to nearest even.
//
// group is the id of the group. Later steps go by the new value.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a value
// that is refused; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
radam_status radam_set_state_dtype(radam_optimizer *opt, uint32_t group, radam_dtype value);

// Gets the dtype that exp_avg, exp_avg_sq and kahan_comp are stored in, of a group.
//
// *value is what was set, also where that was 0.
//
// group is the id of the group; *value receives the option.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for
// an unknown group; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// value is NULL or writable.
radam_status radam_get_state_dtype(const radam_optimizer *opt,
                                   uint32_t group,
                                   radam_dtype *value);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RADAM_H */
