/*
 * radam: rectified Adam (RAdam) for every program that can call C.
 *
 * Generated from the library's source; `make header` writes it anew. SPDX: MIT OR Apache-2.0
 *
 * In short
 *   radam_create makes an optimizer, radam_add_param_group gives it parameters with their options,
 *   radam_step updates them from their gradients (radam_step_with with clipping and more),
 *   radam_save and radam_load keep its state in a file, radam_free ends it.
 *
 * Memory
 *   Parameters and gradients are flat, contiguous arrays that belong to the caller, who keeps them
 *   alive and in place while the optimizer holds their pointers. The library writes parameters, the
 *   copies and state that came with them (radam_param), and gradients only to zero them. All other
 *   state is its own, from radam_options.allocator if there is one. Structs and strings that are
 *   passed in are copied and may be freed at once.
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
 *   parameters, radam_step_chunk on different chunks, radam_param_state and the functions that take
 *   a const radam_optimizer may overlap one another.
 *   The library starts threads only as radam_options.num_threads says, with the first step that is
 *   large enough to gain from them, and none with radam_options.executor. They sleep between steps,
 *   end in radam_free, and never run anything of the caller's. After a fork, both processes may go on, the
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

// The version of this header. That of the library which is loaded is radam_version().
typedef enum radam_version_values {
  RADAM_VERSION_MAJOR = 0,
  RADAM_VERSION_MINOR = 2,
  RADAM_VERSION_PATCH = 0,
  // major * 1000000 + minor * 1000 + patch.
  RADAM_VERSION = 2000,
} radam_version_values;

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
  // No.
  RADAM_OFF = 0,
  // Yes.
  RADAM_ON = 1,
  // What the description of the option says. The init functions set it.
  RADAM_AUTO = 2,
} radam_toggle_values;

// The values of radam_state.
typedef enum radam_state_values {
  // The average of gradients, debiased, in the dtype of the state.
  RADAM_STATE_EXP_AVG = 1,
  // The average of squared gradients, debiased, in the dtype of the state.
  RADAM_STATE_EXP_AVG_SQ = 2,
  // What Kahan summation keeps of the parameter, in the dtype of the state.
  RADAM_STATE_KAHAN_COMP = 3,
  // What master_remainder keeps of the parameter: int16_t, which is no radam_dtype.
  RADAM_STATE_MASTER_REMAINDER = 4,
} radam_state_values;

// An instruction set that this machine has: values are only made where that was detected. Loops of all of
// them give the same bits.
typedef struct InstructionSet InstructionSet;

typedef struct Kind Kind;

// The key to the random numbers of one step of one parameter.
typedef struct Noise Noise;

// An optimizer. A pointer to one is a handle: a token that points at nothing.
typedef struct radam_optimizer radam_optimizer;

// What a call came to: RADAM_OK, which is 0, or one of the RADAM_ERROR_… constants.
//
// Later versions may have more of them.
typedef int32_t radam_status;

// The caller's functions for the memory of the optimizer's state.
//
// They are called from inside radam_add_param_group, radam_add_params, radam_add_param, radam_remove_param,
// radam_set_group_options and radam_free, on the thread that called these. They must not throw, nor call
// the library for the same optimizer (that gives RADAM_ERROR_BUSY).
typedef struct radam_allocator {
  // Returns size bytes at a multiple of alignment, a power of two, or NULL where it has none: the library's
  // call then gives RADAM_ERROR_OUT_OF_MEMORY and changes nothing. (A misaligned pointer is released
  // again and gives RADAM_ERROR_INVALID_ARGUMENT.) The bytes need not be zero. NULL, the default: the
  // program's own allocator is used.
  void *(*allocate)(uint64_t size, uint64_t alignment, void *user);
  // Takes back what allocate returned, with the size and alignment of then. It is never called with
  // NULL. It must be set if allocate is.
  void (*release)(void *pointer, uint64_t size, uint64_t alignment, void *user);
  // Passed to both, and never dereferenced.
  void *user;
} radam_allocator;

// The caller's threads: a function that runs the iterations of a loop on them.
typedef struct radam_executor {
  // Calls body(index, body_data) once for each index from 0 to count - 1, on any threads and in any
  // order, and returns when all of these calls have returned. An iteration takes about 10 microseconds
  // or more, and does the piece of work that its index stands for: the same at every step, so that
  // threads that get the same indices each time (static scheduling) find what they need in their caches
  // and in memory near them.
  //
  // It is called from inside the functions that step, on the thread that called these, and only for
  // work that is large enough (parallel_from). It must not throw. Iterations that it leaves out are
  // done by that thread afterwards, and those that it runs twice or too late do nothing, as long as
  // the optimizer exists; so the step is complete in any case. NULL, the default: the library uses
  // threads of its own.
  void (*parallel_for)(uint64_t count,
                       void (*body)(uint64_t index, void *body_data),
                       void *body_data,
                       void *user);
  // Passed to parallel_for, and never dereferenced.
  void *user;
} radam_executor;

// Options of a whole optimizer. Fill them by radam_options_init first.
typedef struct radam_options {
  // sizeof(radam_options), as radam_options_init leaves it.
  uint32_t struct_size;
  // How many threads may work at once, the caller's among them, up to 1024. 0, the default: one
  // per available core. They are started with the first step that is large enough to gain from them.
  // 1: everything happens on the calling thread, and the library never starts a thread.
  uint32_t num_threads;
  // Where the optimizer's state comes from.
  radam_allocator allocator;
  // The caller's threads, in the place of the library's: with it, the library never starts one. It is
  // not used with num_threads 1.
  radam_executor executor;
  // From how many elements on a step runs on several threads. 0, the default: the library's choice, which
  // assumes threads that sleep between steps and have to be woken. Engines whose threads are busy or
  // spinning when a step begins gain from about 65536 on.
  uint64_t parallel_from;
} radam_options;

// A choice: RADAM_OFF, which is C's false, RADAM_ON, which is true, or RADAM_AUTO, which leaves it to the
// library.
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
  // 16-bit parameters train without a copy in f32. AUTO: on for f16 and bf16, unless
  // master_remainder or stochastic_rounding is on. When it is switched on, the compensation begins at
  // 0; when it is switched off, the compensation is dropped.
  radam_toggle kahan_sum;
  // Whether all tensors of the group are stepped as one parallel queue of work (AUTO and ON,
  // optimi's foreach) or one after another (OFF). Same results.
  radam_toggle for_each;
  // Whether the group is stepped tensor by tensor, by radam_step_param or radam_step_tensor, for example
  // from inside the backward pass. radam_step and radam_zero_grad then skip it. AUTO: off.
  radam_toggle gradient_release;
  // Steps up the gradient instead of down. AUTO: off.
  radam_toggle maximize;
  // Rectification, the R of RAdam. OFF: every step is rectified by 1, which is Adam, or AdamW
  // with decouple_wd. AUTO: on.
  radam_toggle rectify;
  // What exp_avg, exp_avg_sq and kahan_comp are stored in: 0 for each parameter's own dtype, or
  // RADAM_DTYPE_F32, or the dtype that all parameters of the group have. When it changes, the state is
  // converted, rounded to nearest even.
  radam_dtype state_dtype;
  // Exact master weights in 16 bits: beside each bf16 parameter, in the place of Kahan summation, a
  // signed 16-bit remainder makes an f32 master of it. The parameter is the master rounded to
  // nearest (ties away from zero); the master's bits are the parameter's, shifted up by 16, plus the
  // remainder. The results are bit for bit those of f32 parameters with the same state_dtype (f32, for
  // f32 training). For groups of bf16 parameters only, and not with kahan_sum on. The remainders begin
  // at 0, and are dropped when it is switched off. AUTO: off.
  radam_toggle master_remainder;
  // Stochastic rounding of bf16 parameters, in the place of Kahan summation: each is rounded up or
  // down at random, so that it is right on average and takes no memory. The random numbers are a
  // hash of seed, the parameter's name, the number of its step and the place of the element in the whole
  // tensor (tensor_offset included), so the results are the same on every machine, in any order of
  // adding and however a tensor is cut into shards. For groups of bf16 parameters only, and not with
  // kahan_sum or master_remainder on. AUTO: off.
  radam_toggle stochastic_rounding;
  // What happens in the steps that are not rectified, while rho is not above rectify_threshold. AUTO and
  // ON: parameters move by lr * exp_avg, as in the paper, optimi and torch. OFF: only exp_avg and
  // exp_avg_sq move, and parameters wait, as the paper's authors advise where the first steps explode.
  radam_toggle unrectified;
  // The learning rate; finite, at least 0. There is no default: radam_group_options_init sets
  // NaN, which is refused.
  double lr;
  // The decay rate of exp_avg, the average of gradients, in [0, 1). Default: 0.9.
  double beta1;
  // The decay rate of exp_avg_sq, the average of squared gradients, in [0, 1). Default: 0.99.
  double beta2;
  // How strongly parameters decay; finite, at least 0. Default: 0.
  double weight_decay;
  // Added to the square root of exp_avg_sq; finite, at least 0. Default: 1e-6.
  double eps;
  // The highest lr of the schedule, which decouple_lr divides by; finite, at least 0, and above 0
  // with decouple_lr. NaN, the default: the lr that is given with it.
  double max_lr;
  // What rho, the length of the approximated simple moving average, must exceed for a step to be
  // rectified; finite, at least 4, below which r does not exist. Default: 5, as in optimi and torch. The
  // text of the paper has 4.
  double rectify_threshold;
  // What the random numbers of stochastic_rounding begin with. Default: 0.
  uint64_t seed;
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
  // What the elements of copy are: RADAM_DTYPE_BF16, RADAM_DTYPE_F16 or RADAM_DTYPE_F32. 0, the default:
  // RADAM_DTYPE_BF16.
  radam_dtype copy_dtype;
  // The number of elements; may be 0.
  uint64_t len;
  // The elements, aligned to the size of one; they must not overlap another parameter or a
  // gradient. NULL, the default: the parameter has no place yet. radam_step skips it, radam_set_data
  // gives it a place, and radam_step_tensor steps it in arrays that are passed to the call.
  void *data;
  // The gradient, len elements aligned to the size of one. NULL, the default: the parameter is
  // skipped until it has one.
  void *grad;
  // A name that no other parameter of the optimizer has, UTF-8, copied; checkpoints find
  // parameters by it. NULL, the default: "param." and its id.
  const char *name;
  // For f32 and f64: whenever a step changes the parameter, its new values are written here too,
  // rounded to nearest even in copy_dtype; len elements aligned to the size of one, apart from all other
  // arrays. So f32 masters get bf16 working weights in the same pass. It is not written before the
  // first step, nor in steps that leave the parameter as it is (optimizer accumulation, unrectified off).
  // NULL, the default: no copy.
  void *copy;
  // The state, for callers who place it themselves: each is NULL, the default, for the library to
  // allocate it, or len elements in the dtype of the group's state, aligned to the size of one and
  // apart from all other arrays, which the optimizer works on until the parameter is removed. They
  // are used as they are: zeros before the first step, or what an earlier run left there (see
  // radam_set_step_count). They stay the caller's, who may read them between steps.
  void *exp_avg;
  // As exp_avg.
  void *exp_avg_sq;
  // As exp_avg. It must be NULL unless the group has Kahan summation for the dtype, or
  // master_remainder, whose int16_t it then holds.
  void *kahan_comp;
  // For data-parallel sharding: that the parameter is the elements from tensor_offset on, len of them,
  // of the tensor of this name, which has tensor_len elements. Checkpoints that several processes have
  // saved can then be loaded by any number of processes with other shards; stochastic rounding gives each
  // element the random numbers that it has in the whole tensor; and norms of shards that are cut at
  // multiples of 16384 elements are the same bits as those of the whole.
  uint64_t tensor_offset;
  // 0, the default: the parameter is the whole tensor.
  uint64_t tensor_len;
} radam_param;

// What is known of many gradients, exactly: the sum of their squares, and how many are infinite or NaN.
//
// Of two such sums, add the words as plain 64-bit integers (with MPI: MPI_INT64_T, MPI_SUM, 72 of them): the
// result stands for the gradients of both, and its norm has the same bits in whatever order up to 2^31 of
// them are added. Fill it by radam_grad_sums_init first, which makes it the sum of nothing.
//
// The squares are first added up in f64 over pieces of 16384 elements, counted from the start of the whole
// tensor (radam_param.tensor_offset included), and these partial sums exactly. So shards that are cut at
// multiples of 16384 elements give together the same bits as one process; other cuts may change the last place
// of the norm.
typedef struct radam_grad_sums {
  // sizeof(radam_grad_sums), as radam_grad_sums_init leaves it.
  uint32_t struct_size;
  // 0.
  uint32_t reserved;
  // None is negative. words[0] to words[67] are the digits of the sum of squares in base 2^32, the least
  // significant first: the sum is that of words[i] * 2^(32 i - 1074). words[68] counts the infinities among
  // the gradients, words[69] the NaN, and words[70] the partial sums of finite gradients that overflowed.
  // words[71] is 0.
  int64_t words[72];
} radam_grad_sums;

// Options of one step. Fill them by radam_step_options_init first.
//
// All of it is folded into the step, which reads the gradients once more where all of them have to be
// known first (max_grad_norm, skip_nonfinite, a report), and never writes them unless zero_grad is on.
// Gradients of groups with gradient_release take no part in radam_step_with, nor do those of frozen
// parameters, which only zero_grad zeroes too.
typedef struct radam_step_options {
  // sizeof(radam_step_options), as radam_step_options_init leaves it.
  uint32_t struct_size;
  // Whether a step in which any gradient value is infinite or NaN is skipped: parameters, state and
  // step counts stay bit for bit as they were. It is no error; the report says so. AUTO: off.
  radam_toggle skip_nonfinite;
  // Whether the gradients are filled with zeros once they are not needed any more, as by
  // radam_zero_grad, also if the step is skipped. AUTO: off.
  radam_toggle zero_grad;
  // Whether update_norm and param_norm are measured for the report, on the way: about as much work as
  // the update itself. AUTO: off.
  radam_toggle report_norms;
  // Every gradient is multiplied by it, before anything else; finite, above 0. With loss scaling it
  // is 1 / loss scale. Default: 1.
  double grad_scale;
  // The largest L2 norm of all gradients together, after grad_scale; finite, at least 0. All gradients
  // are multiplied by max_grad_norm / (norm + 1e-6) where that is below 1, as
  // torch.nn.utils.clip_grad_norm_ does it; so a norm that is infinite makes them 0 (and infinite
  // ones NaN), and one that is NaN makes them NaN. 0, the default: no limit.
  double max_grad_norm;
  // The largest size of a gradient value, after grad_scale and max_grad_norm: values outside of
  // [-max_grad_value, max_grad_value] become its ends, and NaN stays NaN. Finite, at least 0. 0, the
  // default: no limit.
  double max_grad_value;
  // What is known of all gradients already, for example those of several processes or of many tensors
  // that are stepped one by one: max_grad_norm and skip_nonfinite go by these sums, and the step does not
  // measure. grad_scale applies to them as it does to the gradients. NULL, the default: the step
  // measures its own gradients, if it needs to.
  const radam_grad_sums *grad_sums;
} radam_step_options;

// What became of a step. Fill it by radam_step_report_init before it is first used.
//
// The norms are L2 norms over everything that stepped, the same bits on every machine, for any number
// of threads and any order of parameters.
typedef struct radam_step_report {
  // sizeof(radam_step_report), as radam_step_report_init leaves it.
  uint32_t struct_size;
  // 1 if the step was skipped by skip_nonfinite, else 0.
  int32_t skipped;
  // How many gradient values are infinite or NaN.
  uint64_t nonfinite;
  // The norm of the gradients after grad_scale and before clipping; 0 if there are none.
  double grad_norm;
  // What max_grad_norm multiplied the gradients by: 1 if they were not too long.
  double clip_coefficient;
  // The norm of the change of the parameters, as they are stored. NaN unless report_norms is on; 0 if
  // the step was skipped.
  double update_norm;
  // The norm of the parameters after the step, as they are stored. NaN unless report_norms is on, or
  // if the step was skipped.
  double param_norm;
  // How many parameters were stepped: 0 if none has a gradient, or if the step was skipped.
  uint64_t params_stepped;
  // How many threads worked on the step, the caller's among them; 0 for a step in slices, which its
  // caller divides among threads.
  uint32_t threads;
  // 0.
  uint32_t reserved;
} radam_step_report;

// The scalars of a group's next step, for training loops that plot them. Fill it by
// radam_group_report_init before it is first used.
//
// The names and formulas are those of Liu et al. 2019, arXiv 1908.03265, with beta_hat as the Python
// library optimi has it.
typedef struct radam_group_report {
  // sizeof(radam_group_report), as radam_group_report_init leaves it.
  uint32_t struct_size;
  // 1 if the step is rectified (also with rectify off, where r is 1), 0 if not: then it goes by lr *
  // exp_avg, without a square root, or leaves the parameters as they are with unrectified off.
  int32_t rectified;
  // The number t of the step, the first being 1: that of the parameter with the most steps. Other
  // parameters, which joined late or paused, have their own.
  uint64_t step;
  // The length of the approximated simple moving average. Steps are rectified while it is above
  // rectify_threshold.
  double rho;
  // Its limit: 2 / (1 - beta2) - 1.
  double rho_inf;
  // The rectification term, in [0, 1]. 0 in steps that are not rectified; 1 with rectify off.
  double r;
  // What exp_avg is multiplied by: lr * r if rectified, else lr, or 0 with unrectified off.
  double effective_lr;
  // The debiased beta1: (beta1^t - beta1) / (beta1^t - 1).
  double beta1_hat;
  // The debiased beta2.
  double beta2_hat;
  // What decoupled weight decay multiplies each parameter by: 1 - lr * weight_decay, or 1 - lr / max_lr
  // * weight_decay, or 1 where there is none or it is an L2 penalty.
  double decay_factor;
} radam_group_report;

// An array that belongs to a parameter's state: one of the RADAM_STATE_... constants.
typedef int32_t radam_state;

// Options of saving. Fill them by radam_save_options_init first.
typedef struct radam_save_options {
  // sizeof(radam_save_options), as radam_save_options_init leaves it.
  uint32_t struct_size;
  // 0.
  uint32_t reserved;
  // Called now and then, on the calling thread, with the bytes that are done and those there are in
  // all. Returning anything but 0 cancels the call: it gives RADAM_ERROR_IO, and the file stays what it
  // was. It must not throw, nor call the library for the same optimizer. NULL, the default: it is not called.
  int32_t (*progress)(uint64_t bytes_done, uint64_t bytes_total, void *user);
  // Passed to progress, and never dereferenced.
  void *user;
} radam_save_options;

// Options of loading. Fill them by radam_load_options_init first.
typedef struct radam_load_options {
  // sizeof(radam_load_options), as radam_load_options_init leaves it.
  uint32_t struct_size;
  // Whether every parameter of the optimizer must be in the checkpoint, and nothing else. OFF: what is
  // in only one of the two stays as it is; what is in both must fit all the same. AUTO: on.
  radam_toggle strict;
  // Whether groups get lr, beta1, beta2, weight_decay, eps, max_lr, decouple_wd, decouple_lr, maximize,
  // rectify, unrectified, rectify_threshold and seed from the checkpoint, parameters whether they are frozen, and the optimizer whether
  // it accumulates, so that the run goes on exactly. OFF: they keep their own. AUTO: on.
  radam_toggle hyperparameters;
  // 0.
  uint32_t reserved;
  // As in radam_save_options. Every byte comes twice, to be checked and to be taken over; during the
  // second, the call cannot be cancelled any more.
  int32_t (*progress)(uint64_t bytes_done, uint64_t bytes_total, void *user);
  // Passed to progress, and never dereferenced.
  void *user;
} radam_load_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns the version of the library that is loaded: major * 1000000 + minor * 1000 + patch, as RADAM_VERSION.
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
// Each optimizer keeps the sentence of its last failed call, on whatever thread that was, so that
// runtimes which move between threads get the right one; RADAM_ERROR_BUSY does not replace it. opt NULL,
// or any other value that is not a handle, stands for the calling thread's last failure of any kind, on
// any optimizer or none (of which it keeps 2048 bytes). A call that succeeds leaves both as they are.
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
uint64_t radam_last_error(const radam_optimizer *opt,
                          char *buf,
                          uint64_t cap);

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

// Gets all options of a group, as they were set; max_lr is the lr that the group was added with where it was
// never given.
//
// options is filled in the version that its struct_size says: call radam_group_options_init on it first.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
// group or a struct_size that no version had.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// options is NULL or points to as many writable bytes as its struct_size says.
radam_status radam_get_group_options(const radam_optimizer *opt,
                                     uint32_t group,
                                     radam_group_options *options);

// Sets all options of a group at once: all of them or, on an error, none.
//
// Get them first, change some, and set them. Later steps go by the new values; what is stored is brought into
// the form that state_dtype, kahan_sum, master_remainder and stochastic_rounding ask for.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
// group, an option out of its range or a struct_size that no version had; RADAM_ERROR_INVALID_STATE where
// the caller keeps state of another dtype; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// options is NULL or points to as many bytes as its struct_size says; state of the caller's is valid.
radam_status radam_set_group_options(radam_optimizer *opt,
                                     uint32_t group,
                                     const radam_group_options *options);

// Sets the learning rate of a group, as a schedule does before each step.
//
// lr is finite and at least 0. max_lr stays as it is.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or an lr that is
// refused; RADAM_ERROR_BUSY.
radam_status radam_set_lr(radam_optimizer *opt,
                          uint32_t group,
                          double lr);

// Gets the learning rate of a group.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
// group.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// lr is NULL or writable.
radam_status radam_get_lr(const radam_optimizer *opt,
                          uint32_t group,
                          double *lr);

// Sets the weight decay of a group.
//
// weight_decay is finite and at least 0; decouple_wd and decouple_lr say what it does.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown group or a weight_decay
// that is refused; RADAM_ERROR_BUSY.
radam_status radam_set_weight_decay(radam_optimizer *opt,
                                    uint32_t group,
                                    double weight_decay);

// Gets the weight decay of a group.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown
// group.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// weight_decay is NULL or writable.
radam_status radam_get_weight_decay(const radam_optimizer *opt,
                                    uint32_t group,
                                    double *weight_decay);

// Fills a parameter with its defaults; dtype has none and must be set.
//
// struct_size is sizeof(radam_param).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// param is NULL or points to struct_size writable bytes.
radam_status radam_param_init(radam_param *param, uint32_t struct_size);

// Makes sums those of no gradients.
//
// struct_size is sizeof(radam_grad_sums).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// sums is NULL or points to struct_size writable bytes.
radam_status radam_grad_sums_init(radam_grad_sums *sums, uint32_t struct_size);

// Adds the gradients that radam_step would step by to sums: those of all parameters that have data and a
// gradient and are not frozen, groups with gradient_release excepted.
//
// Large work runs on up to num_threads threads, as in radam_step.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for sums that are
// not as radam_grad_sums describes them; RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no
// data; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// All gradients that the optimizer has are valid, and nobody writes them during the call; sums is NULL or
// points to as many writable bytes as its struct_size says.
radam_status radam_measure(radam_optimizer *opt,
                           radam_grad_sums *sums);

// Adds the gradient of one tensor to sums, without an optimizer.
//
// grad has len elements of grad_dtype, aligned to the size of one, and may be NULL where len is 0. Everything
// happens on the calling thread. The tensor counts as a whole one: its pieces of 16384 elements begin at its
// first element.
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown dtype, a length that cannot be,
// misaligned memory, or sums that are not as radam_grad_sums describes them. The sentence is at
// radam_last_error(NULL, ...).
//
// Threads: may be called from any, also at once with different sums.
//
// Undefined behaviour unless:
// grad is valid, and nobody writes it during the call; sums is NULL or points to as many writable bytes as its
// struct_size says.
radam_status radam_measure_tensor(radam_dtype grad_dtype,
                                  const void *grad,
                                  uint64_t len,
                                  radam_grad_sums *sums);

// Tells what sums come to: the L2 norm of the gradients, and how many of them are infinite or NaN.
//
// norm and nonfinite may be NULL. The norm is NaN if a gradient is, or else infinite if one is or a partial
// sum overflowed, and 0 of no gradients.
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for sums that are not as radam_grad_sums
// describes them. The sentence is at radam_last_error(NULL, ...).
//
// Threads: may be called from any.
//
// Undefined behaviour unless:
// sums is NULL or points to as many bytes as its struct_size says; norm and nonfinite are NULL or writable.
radam_status radam_grad_sums_value(const radam_grad_sums *sums,
                                   double *norm,
                                   uint64_t *nonfinite);

// Fills the options of a step with their defaults: an update and nothing else.
//
// struct_size is sizeof(radam_step_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_step_options_init(radam_step_options *options, uint32_t struct_size);

// Fills a report, which steps then overwrite.
//
// struct_size is sizeof(radam_step_report).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// report is NULL or points to struct_size writable bytes.
radam_status radam_step_report_init(radam_step_report *report, uint32_t struct_size);

// Fills a report, which radam_get_group_report then overwrites.
//
// struct_size is sizeof(radam_group_report).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// report is NULL or points to struct_size writable bytes.
radam_status radam_group_report_init(radam_group_report *report, uint32_t struct_size);

// Gets the scalars of a group's next step, by its present options.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown group or a struct_size that no version had.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// report is NULL or points to as many writable bytes as its struct_size says.
radam_status radam_get_group_report(const radam_optimizer *opt,
                                    uint32_t group,
                                    radam_group_report *report);

// Makes an optimizer without any parameters.
//
// options may be NULL, for the defaults. On success *opt is the handle, for the caller to free by
// radam_free.
//
// Errors: RADAM_ERROR_NULL_POINTER, also for an allocator that lacks one of its functions; RADAM_ERROR_INVALID_ARGUMENT for a
// struct_size that no version had, for too many threads, and where the environment variable RADAM_ISA
// names an instruction set that this machine lacks (it is for tests; the results are the same on all);
// RADAM_ERROR_OUT_OF_MEMORY. The sentence is at radam_last_error(NULL, ...).
//
// Threads: may be called from any.
//
// Undefined behaviour unless:
// options is NULL or points to as many bytes as its struct_size says; opt is NULL or writable.
radam_status radam_create(const radam_options *options,
                          radam_optimizer **opt);

// Frees an optimizer with its state, and joins its threads. Parameters and gradients are the
// caller's and stay.
//
// From then on the handle is invalid. Where other threads are inside the optimizer, they finish
// their calls first, and the last of them does the work.
//
// Errors: RADAM_ERROR_INVALID_HANDLE, also for NULL and for a handle that was freed.
//
// Threads: may be called from any, at any time; but on Windows not inside of DllMain, where the
// destructors of a DLL's global objects run too, since no thread can end until that returns.
radam_status radam_free(radam_optimizer *opt);

// Adds a group of parameters that share options: all of it or, on an error, nothing.
//
// params is an array of count parameters; it may be NULL where count is 0, and more can follow by
// radam_add_param. group, which may be NULL, gets the id of the group. Groups and parameters are
// numbered 0, 1, 2, ... in the order of adding, across all groups. Groups can be added at any time,
// also between steps; the step count of a new parameter is 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER for options or params;
// RADAM_ERROR_INVALID_ARGUMENT for an option out of its range, an unknown dtype
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

// Adds parameters to a group that is there: all of them or, on an error, nothing.
//
// params is an array of count parameters. first, which may be NULL, gets the id of the first; the others
// follow it.
//
// Errors: those of radam_add_param_group, and RADAM_ERROR_INVALID_ARGUMENT for an unknown group.
//
// Undefined behaviour unless:
// As for radam_add_param_group; first is NULL or writable.
radam_status radam_add_params(radam_optimizer *opt,
                              uint32_t group,
                              const radam_param *params,
                              uint64_t count,
                              uint32_t *first);

// Adds one parameter to a group; the same as radam_add_params without structs, for FFI.
//
// dtype and grad_dtype (0: dtype) are those of the elements of data and grad, len is their number.
// data may be NULL: the parameter has no place yet (see radam_param). grad may be NULL: the parameter is
// skipped until it has one. name is UTF-8, copied, that no other
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
// data has the length and dtype of before; the optimizer's state goes on with it. NULL: the parameter has
// no place for now, and radam_step skips it.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, misaligned memory
// or an overlap; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// data stays valid while the optimizer has it.
radam_status radam_set_data(radam_optimizer *opt,
                            uint32_t param,
                            void *data);

// Tells where the gradient of a parameter is from now on.
//
// grad has the parameter's length and grad_dtype. NULL: the parameter has no gradient, so that
// radam_step skips it and its step count stands still.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param, misaligned
// memory or an overlap with a parameter (gradients may overlap each other); RADAM_ERROR_OUT_OF_MEMORY;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// grad stays valid while the optimizer has it.
radam_status radam_set_grad(radam_optimizer *opt,
                            uint32_t param,
                            void *grad);

// Tells where the elements and gradients of many parameters are from now on: all of them or, on an error,
// none. So buffers can be swapped, which one by one would overlap on the way.
//
// data and grads are arrays of count pointers, for the parameters first_param, first_param + 1, ..., each
// as for radam_set_data and radam_set_grad. data or grads may be NULL: those stay as they are.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for parameters that there are not or that
// were removed, misaligned memory or an overlap; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// data and grads are NULL or have count pointers; what these point to stays valid while the optimizer has
// it.
radam_status radam_set_tensors(radam_optimizer *opt,
                               uint32_t first_param,
                               uint64_t count,
                               void *const *data,
                               void *const *grads);

// Finds a parameter by its name, the default names included.
//
// *param receives its id.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT where no parameter
// has the name.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// name is NULL or ends in NUL; param is NULL or writable.
radam_status radam_param_id(const radam_optimizer *opt,
                            const char *name,
                            uint32_t *param);

// Gets how many steps a parameter has made: those in which it had a gradient.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// steps is NULL or writable.
radam_status radam_step_count(const radam_optimizer *opt, uint32_t param, uint64_t *steps);

// Updates every parameter that has a gradient, and counts a step for each.
//
// Groups with gradient_release are skipped. Large work runs on up to num_threads threads. Small work runs on
// the caller's, allocates nothing and waits for nothing. A step in which no parameter has a gradient succeeds
// too; radam_step_report.params_stepped tells how many were stepped.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no
// data; RADAM_ERROR_BUSY.
//
// Source: Liu et al. 2019, arXiv 1908.03265, algorithm 2, with moments that are stored debiased and
// the other options of the Python library optimi.
//
// Undefined behaviour unless:
// All parameters and gradients that the optimizer has are valid, and nobody else uses them during
// the call.
radam_status radam_step(radam_optimizer *opt);

// Steps as radam_step does, on scaled and clipped gradients, skipping a step that has values which are
// not finite, zeroing the gradients on the way; and reports what happened.
//
// options may be NULL, for those of radam_step. report may be NULL; otherwise the gradients are measured
// for it, unless options have grad_sums. Norm and clipping are over all groups that step.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range or a
// struct_size that no version had; RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no data;
// RADAM_ERROR_BUSY.
//
// Source: clipping as torch.nn.utils.clip_grad_norm_, skipping as torch.amp.GradScaler.
//
// Undefined behaviour unless:
// As for radam_step; options and report are NULL or point to as many bytes as their struct_size says,
// those of report writable.
radam_status radam_step_with(radam_optimizer *opt,
                             const radam_step_options *options,
                             radam_step_report *report);

// Updates one parameter of a group with gradient_release, from inside the caller's backward pass.
//
// grad is its gradient, of its length and grad_dtype, only read; when the call returns, the memory
// is the caller's to reuse. It does not become the registered gradient. It must not be NULL unless
// the length is 0. radam_step_tensor does the same with options.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param, misaligned memory or an overlap with a parameter; RADAM_ERROR_INVALID_STATE where
// gradient_release is off or the parameter has no data; RADAM_ERROR_BUSY.
//
// Threads: may be called at once on different parameters of one optimizer; the same parameter at
// once gives one of the callers RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// The parameter and grad are valid, and nobody else writes them during the call.
radam_status radam_step_param(radam_optimizer *opt, uint32_t param, const void *grad);

// Updates one parameter of a group with gradient_release in arrays that are passed to the call, and keeps no
// pointer to them: for languages whose memory moves, and for engines with new buffers at every step.
//
// data and grad are the parameter's elements and gradient, of its length and dtypes. data NULL: the registered
// elements. grad must not be NULL unless the length is 0; it is only read, unless zero_grad is on. options may
// be NULL, for an update and nothing else. To clip by norm, measure all gradients first
// (radam_measure_tensor) and pass grad_sums. report may be NULL; otherwise the gradient is measured for it,
// unless options have grad_sums.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param, misaligned memory, an overlap with another array, an option out of its range, or
// max_grad_norm without grad_sums; RADAM_ERROR_INVALID_STATE where gradient_release is off, or data is NULL and
// none is registered; RADAM_ERROR_BUSY.
//
// Threads: may be called at once on different parameters of one optimizer; the same parameter at
// once gives one of the callers RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// data and grad are valid, and nobody else uses data, nor writes grad, during the call; options and report are
// NULL or point to as many bytes as their struct_size says, those of report writable.
radam_status radam_step_tensor(radam_optimizer *opt,
                               uint32_t param,
                               void *data,
                               void *grad,
                               const radam_step_options *options,
                               radam_step_report *report);

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
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER.
//
// Threads: may be called at any time.
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

// Opens a step that the caller then works on in slices: chunk by chunk on any threads
// (radam_step_wave, radam_step_chunk), or for some time now and then (radam_step_for), or both.
//
// The first step touches the memory of the state for the first time, and the system takes its time to
// give it; where a frame has no time for that, radam_reset_state for all parameters does it before.
//
// options may be NULL, for those of radam_step. Until radam_step_end, gradients and parameters must
// stay where they are; and the calls that change the optimizer, radam_step and radam_step_with give
// RADAM_ERROR_BUSY. Getters may be called, and so may radam_step_param and radam_step_tensor, whose groups
// take no part. Step counts change in radam_step_end. The results are the same bits as those of radam_step_with, however
// the step is sliced.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range;
// RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no data; RADAM_ERROR_BUSY, also where a
// step is open.
//
// Undefined behaviour unless:
// options is NULL or points to as many bytes as its struct_size says. All parameters and gradients that
// the optimizer has are valid, and nobody else writes them until radam_step_end.
radam_status radam_step_begin(radam_optimizer *opt,
                              const radam_step_options *options);

// Goes on to the next wave of the open step: chunks that may be stepped in any order and at once.
//
// *chunks is how many there are; 0: none, and no more waves. All chunks of the wave before must have
// been stepped. Chunks take about as long as one another: some 16K elements each, or 64K where they are
// only measured. With max_grad_norm, skip_nonfinite or report_norms, the first wave measures the
// gradients. A tensor of a group with for_each off has a wave of its own.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_STATE where no step
// is open or chunks of the wave before are left; RADAM_ERROR_BUSY, also while another thread is inside
// radam_step_chunk.
//
// Undefined behaviour unless:
// As for radam_step_begin; chunks is NULL or writable.
radam_status radam_step_wave(radam_optimizer *opt,
                             uint64_t *chunks);

// Steps one chunk of the present wave of the open step, on the calling thread.
//
// chunk is below what radam_step_wave gave; each must be stepped once.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a chunk that the wave does not
// have or that was stepped already; RADAM_ERROR_INVALID_STATE where no step is open or it has no wave;
// RADAM_ERROR_BUSY.
//
// Threads: may be called at once for different chunks, from any threads.
//
// Undefined behaviour unless:
// As for radam_step_begin.
radam_status radam_step_chunk(radam_optimizer *opt,
                              uint64_t chunk);

// Works on the open step for some time, on the calling thread: on what is left of the present wave,
// and then on the waves after it.
//
// budget_ns is in nanoseconds. The call returns when the next chunk would end after that, going by the
// longest one of the call so far; but unless budget_ns is 0, it steps at least one chunk, so that the
// step comes to its end. *chunks_left, where not NULL, is how many chunks are left in all waves: 0 if
// the step is ready for radam_step_end.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE where no step is open; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// As for radam_step_begin; chunks_left is NULL or writable.
radam_status radam_step_for(radam_optimizer *opt,
                            uint64_t budget_ns,
                            uint64_t *chunks_left);

// Ends the open step, all of whose chunks have been stepped, and counts it.
//
// report, which may be NULL, receives what became of it. The gradients were measured only with
// max_grad_norm, skip_nonfinite or report_norms; without, grad_norm is NaN and nonfinite is 0.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a report of a struct_size that no
// version had; RADAM_ERROR_INVALID_STATE where no step is open or chunks are left, in this wave or
// another; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// report is NULL or points to as many writable bytes as its struct_size says.
radam_status radam_step_end(radam_optimizer *opt,
                            radam_step_report *report);

// Gives up the open step, as if it had not begun. It is possible until the first chunk that changes
// anything, which is until the gradients are measured.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE where no step is open, or parameters have
// changed: then the step must be gone through; RADAM_ERROR_BUSY.
radam_status radam_step_abort(radam_optimizer *opt);

// Freezes a parameter, or lets it go on: while it is frozen, steps skip it as if it had no gradient,
// and its step count stands still.
//
// AUTO means off. radam_step_param on a frozen parameter does nothing and succeeds.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param or a value that
// is no radam_toggle; RADAM_ERROR_BUSY.
radam_status radam_set_frozen(radam_optimizer *opt,
                              uint32_t param,
                              radam_toggle frozen);

// Gets whether a parameter is frozen: RADAM_ON or RADAM_OFF.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// frozen is NULL or writable.
radam_status radam_get_frozen(const radam_optimizer *opt,
                              uint32_t param,
                              radam_toggle *frozen);

// Takes a parameter away, with the state that the library keeps for it.
//
// Its memory, its name and any state of the caller's are free for other use. Its id is not given
// again, and the ids of the other parameters stay.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
// RADAM_ERROR_BUSY.
radam_status radam_remove_param(radam_optimizer *opt, uint32_t param);

// Makes the state of a parameter what it was before the first step: zeros, and a step count of 0.
//
// param is its id, or UINT32_MAX for all parameters.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
// RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// State that the caller keeps is valid.
radam_status radam_reset_state(radam_optimizer *opt, uint32_t param);

// Sets how many steps a parameter has made, for a caller who brings its state from elsewhere: the next
// step is number steps + 1.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an unknown param;
// RADAM_ERROR_BUSY.
radam_status radam_set_step_count(radam_optimizer *opt,
                                  uint32_t param,
                                  uint64_t steps);

// Tells where an array of a parameter's state is, and what its elements are.
//
// which is one of the RADAM_STATE_... constants. *pointer is the array, of the parameter's length, the
// caller's own where it was given; NULL if the parameter has none of that kind, or no elements. *dtype,
// where dtype is not NULL, is the dtype of the state, or 0 for RADAM_STATE_MASTER_REMAINDER. The array
// may be read and written between calls on the optimizer, until the parameter is removed, the optimizer
// freed, or an option changed that changes the state's dtype or kind.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an
// unknown param or which.
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// pointer and dtype are NULL or writable.
radam_status radam_param_state(radam_optimizer *opt,
                               uint32_t param,
                               radam_state which,
                               void **pointer,
                               radam_dtype *dtype);

// Tells what is set up in a way that is legal but known to fail in training: sentences, one a line, each with
// the number that it is about and the cure. Empty where nothing is known.
//
// It looks at the options of all groups, and at the dtypes of their parameters and state: for example f16
// exp_avg_sq, which is infinite from gradients of 256 on, or bf16 exp_avg_sq with a beta2 so close to 1 that it
// never decays.
//
// buf takes up to cap bytes of it, cut between characters if need be, and always ends in NUL unless cap is 0.
// It is UTF-8. buf may be NULL, to ask for the size only.
//
// Returns the bytes that all of it takes, the NUL included: 1 where there is nothing to say, and where opt is
// no valid handle or there is no memory for the sentences (radam_last_error(NULL, ...) tells).
//
// Threads: may be called at any time.
//
// Undefined behaviour unless:
// buf is NULL or has cap writable bytes.
uint64_t radam_advice(const radam_optimizer *opt,
                      char *buf,
                      uint64_t cap);

// Makes one step of one tensor, all of whose arrays the caller keeps: for engines that need no
// optimizer.
//
// The arrays have len elements each, aligned to the size of one, apart from each other: param of dtype,
// grad of grad_dtype (0: dtype), exp_avg and exp_avg_sq of state_dtype (0: what options say, which by
// default is dtype). kahan_comp is of state_dtype too, or int16_t with master_remainder; it is looked
// at only where options ask for one of these, as they do by default for f16 and bf16 (kahan_sum). All
// but param and grad are zeros before the first step. step is the number of the step, the first being
// 1.
//
// options are those of a group; for_each and gradient_release mean nothing here. With
// stochastic_rounding the tensor counts as a whole one with the name "param.0": give each tensor a seed of
// its own. The results are the same bits as those of an optimizer. Everything happens on the calling thread;
// nothing is allocated. (The environment variable RADAM_ISA, see radam_create, is read in the first call only.)
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range, an
// unknown dtype, misaligned or overlapping arrays, or a step of 0. The sentence is at
// radam_last_error(NULL, ...).
//
// Threads: may be called from any, also at once on different tensors or different parts of one.
//
// Undefined behaviour unless:
// The arrays are valid, and nobody else writes them during the call, nor reads what is written; options
// is NULL or points to as many bytes as its struct_size says.
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

// Fills the options of saving with their defaults.
//
// struct_size is sizeof(radam_save_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_save_options_init(radam_save_options *options, uint32_t struct_size);

// Fills the options of loading with their defaults.
//
// struct_size is sizeof(radam_load_options).
//
// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
// had.
//
// Undefined behaviour unless:
// options is NULL or points to struct_size writable bytes.
radam_status radam_load_options_init(radam_load_options *options, uint32_t struct_size);

// Saves the optimizer's state, step counts and options to a file: a safetensors file with checksums, which
// docs/checkpoint.md describes. The parameters themselves are the caller's to save.
//
// path is UTF-8. The file appears whole or not at all: it is written under its name with ".tmp" at its
// end, flushed to the disk and then renamed, so that after a crash at any moment the old file or the new
// one is there. What a killed process left under that name is overwritten. On Windows, a file that a
// program has open is replaced only if that program lets it be deleted (FILE_SHARE_DELETE, which fopen does
// not give); otherwise the save fails and the old file stays.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a path
// that is not one of a file; RADAM_ERROR_IO where the system refuses something, which the sentence names;
// RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// path is NULL or ends in NUL; state of the caller's is valid.
radam_status radam_save(radam_optimizer *opt,
                        const char *path);

// Saves as radam_save does, and tells of its progress.
//
// options may be NULL, for the defaults.
//
// Errors: those of radam_save; RADAM_ERROR_IO also where progress cancels the call.
//
// Undefined behaviour unless:
// As for radam_save; options is NULL or points to as many bytes as its struct_size says.
radam_status radam_save_with(radam_optimizer *opt,
                             const char *path,
                             const radam_save_options *options);

// Saves to memory what radam_save saves to a file.
//
// buffer has capacity bytes. *size receives how many bytes the checkpoint has; buffer may be NULL, to ask
// for that only.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER for size; RADAM_ERROR_INVALID_ARGUMENT for a
// capacity that is too small; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// buffer is NULL or has capacity writable bytes; size is NULL or writable; state of the caller's is valid.
radam_status radam_save_to_buffer(radam_optimizer *opt,
                                  void *buffer,
                                  uint64_t capacity,
                                  uint64_t *size);

// Loads what radam_save has saved, into an optimizer whose groups and parameters are there.
//
// Parameters are found by their names. All that does not fit (missing, unexpected, of another length or
// dtype) is told in one sentence. Nothing is changed unless the whole file is sound and fits. Files that
// other programs have written may have the biased moments of torch; see docs/checkpoint.md.
//
// The file is read twice, to be checked and to be taken over. If it cannot be read the second time,
// exp_avg, exp_avg_sq and so on are partly those of the file, as the sentence of the RADAM_ERROR_IO says,
// and the options and step counts those of before.
//
// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_IO where the file cannot be
// read; RADAM_ERROR_CORRUPT for one that is no checkpoint or is damaged; RADAM_ERROR_MISMATCH for one that
// does not fit, or of a later version of the format; RADAM_ERROR_OUT_OF_MEMORY; RADAM_ERROR_BUSY.
//
// Undefined behaviour unless:
// path is NULL or ends in NUL; state of the caller's is valid.
radam_status radam_load(radam_optimizer *opt,
                        const char *path);

// Loads as radam_load does, with options.
//
// options may be NULL, for the defaults.
//
// Errors: those of radam_load; RADAM_ERROR_INVALID_ARGUMENT for a value that is no radam_toggle;
// RADAM_ERROR_IO also where progress cancels the call.
//
// Undefined behaviour unless:
// As for radam_load; options is NULL or points to as many bytes as its struct_size says.
radam_status radam_load_with(radam_optimizer *opt,
                             const char *path,
                             const radam_load_options *options);

// Loads from the checkpoints of several processes, each of which has saved its shards: into shards that
// may be cut otherwise, or into whole parameters.
//
// paths are count of them. Every element of every parameter must be in one of the files. options may be
// NULL, for the defaults.
//
// Errors: those of radam_load_with; RADAM_ERROR_INVALID_ARGUMENT for a count of 0.
//
// Undefined behaviour unless:
// paths is NULL or points to count strings, each of which is NULL or ends in NUL; state of the caller's is
// valid; options is NULL or points to as many bytes as its struct_size says.
radam_status radam_load_shards(radam_optimizer *opt,
                               const char *const *paths,
                               uint64_t count,
                               const radam_load_options *options);

// Loads from memory what radam_save_to_buffer or radam_save has saved.
//
// buffer has size bytes. options may be NULL, for the defaults.
//
// Errors: those of radam_load_with.
//
// Undefined behaviour unless:
// buffer is NULL or has size bytes; state of the caller's is valid, and not in the buffer; options is NULL or
// points to as many bytes as its struct_size says.
radam_status radam_load_from_buffer(radam_optimizer *opt,
                                    const void *buffer,
                                    uint64_t size,
                                    const radam_load_options *options);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RADAM_H */
