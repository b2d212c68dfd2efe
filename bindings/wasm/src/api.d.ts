// Generated from include/radam.h by `make bindings`.

import type { GradSums, StateDtype } from "./index.js";

export type StateName = "expAvg" | "expAvgSq" | "kahanComp" | "masterRemainder" | "stateScale";

/**
 * Options of a parameter group. The names are those of the Python library optimi.
 */
export interface GroupOptions {
  /**
   * Decoupled weight decay, as in AdamW: each step multiplies the parameter by 1 - lr * weightDecay. AUTO: off,
   * which makes weightDecay an L2 penalty added to the gradient.
   */
  decoupleWd?: boolean | "auto";
  /**
   * Fully decoupled weight decay: each step multiplies the parameter by 1 - lr / maxLr * weightDecay, so the best
   * weightDecay does not depend on lr. Takes precedence over decoupleWd. AUTO: off.
   */
  decoupleLr?: boolean | "auto";
  /**
   * Kahan summation: a compensation array beside each parameter keeps what rounding loses, so 16-bit parameters
   * train without an f32 copy. AUTO: on for f16 and bf16, unless masterRemainder or stochasticRounding is on.
   * Turning it on starts with a compensation of 0; turning it off discards the compensation.
   */
  kahanSum?: boolean | "auto";
  /**
   * AUTO and ON (optimi's foreach): a step runs over all tensors of the group in one parallel loop. OFF: one
   * tensor after another. The results are the same.
   */
  forEach?: boolean | "auto";
  /**
   * The group is stepped one parameter at a time with stepTensor, for example from inside the backward pass; step,
   * measure and zeroGrad skip it. AUTO: off.
   */
  gradientRelease?: boolean | "auto";
  /**
   * Maximizes: the gradient is negated before anything else. AUTO: off.
   */
  maximize?: boolean | "auto";
  /**
   * Rectification, the R of RAdam. OFF: every step uses r = 1, which makes this Adam, or AdamW with decoupleWd.
   * AUTO: on.
   */
  rectify?: boolean | "auto";
  /**
   * The dtype of expAvg, expAvgSq and kahanComp. 0: that of each parameter. Otherwise "f32", the dtype of all
   * parameters of the group, or "q8". Changing it converts the state, rounding to nearest even.
   *
   * "q8", for f32, f16 and bf16 parameters, keeps expAvg and expAvgSq in 2.03 bytes an element together, and
   * trains as well as f32: the ratio expAvg / (sqrt(expAvgSq) + eps) and the root are coded in 8 bits each,
   * rounded at random, with a scale for each block of 128 elements. Results have the same bits on every machine;
   * the random numbers depend on seed, as those of stochasticRounding do. kahanComp has the dtype of the
   * parameter. Tensors of fewer than 4096 elements (of the whole tensor) keep f32 state. docs/q8.md describes the
   * format.
   */
  stateDtype?: StateDtype | null;
  /**
   * Exact f32 master weights at 16 bits per parameter, instead of Kahan summation: for each bf16 parameter, a
   * signed 16-bit remainder holds the rest of its f32 master. The bits of the master are those of the parameter,
   * shifted left by 16, plus the remainder; the parameter is the master rounded to nearest, ties away from zero.
   * Results are bit for bit those of f32 parameters with the same stateDtype (set it to f32 for f32 training). For
   * groups of bf16 parameters only; cannot be combined with kahanSum or stochasticRounding. Turning it on starts
   * with remainders of 0; turning it off discards them. AUTO: off.
   */
  masterRemainder?: boolean | "auto";
  /**
   * Stochastic rounding of bf16 parameters, instead of Kahan summation: each new value is rounded up or down at
   * random, with probabilities that make it right on average. It needs no memory. The random number of an element
   * is a hash of seed, the parameter's name, its step number and the element's index in the whole tensor
   * (param.tensorOffset included), so results do not depend on the machine, the order in which parameters were
   * added, or how a tensor is sharded. For groups of bf16 parameters only; cannot be combined with kahanSum or
   * masterRemainder. AUTO: off.
   */
  stochasticRounding?: boolean | "auto";
  /**
   * What to do in unrectified steps, the first ones, while rho does not exceed rectifyThreshold. AUTO and ON:
   * parameters move by lr * expAvg, as in the paper, optimi and PyTorch. OFF: only expAvg and expAvgSq are
   * updated, by the gradient without an L2 penalty, and weight decay of any kind waits too, as the paper's authors
   * recommend if the first steps diverge.
   */
  unrectified?: boolean | "auto";
  /**
   * The learning rate; finite, at least 0. Required.
   */
  lr: number;
  /**
   * The decay rate of expAvg, in [0, 1). Default: 0.9.
   */
  beta1?: number;
  /**
   * The decay rate of expAvgSq, in [0, 1). Default: 0.99.
   */
  beta2?: number;
  /**
   * The weight decay; finite, at least 0. Default: 0.
   */
  weightDecay?: number;
  /**
   * Added to the square root of expAvgSq in the denominator; finite, at least 0. Default: 1e-6.
   */
  eps?: number;
  /**
   * The highest lr of the schedule, by which decoupleLr divides; finite, at least 0, and above 0 if decoupleLr is
   * on. NaN, the default: the value of lr in the same struct.
   */
  maxLr?: number;
  /**
   * A step is rectified if rho, the length of the approximated simple moving average, exceeds this; finite, at
   * least 4, since r does not exist below. Default: 5, as in optimi and PyTorch; the paper has 4.
   */
  rectifyThreshold?: number;
  /**
   * The seed of stochasticRounding and of 8-bit state. Default: 0.
   */
  seed?: bigint | number;
}

/**
 * Options of one step.
 *
 * The step applies them as it goes: gradients are written only if zeroGrad is on, and read a second time only if
 * all of them must be known before the first update (maxGradNorm, skipNonfinite, or a report, unless gradSums is
 * set). Groups with gradientRelease take no part in step. Neither do frozen parameters, except that zeroGrad
 * zeroes their gradients too.
 */
export interface StepOptions {
  /**
   * Skips the step if any gradient element is infinite or NaN: parameters, state and step counts keep their bits.
   * The call still succeeds, and the report says so. AUTO: off.
   */
  skipNonfinite?: boolean | "auto";
  /**
   * Zeroes each gradient once it is no longer needed, also if the step is skipped; the same as calling zeroGrad
   * afterwards. AUTO: off.
   */
  zeroGrad?: boolean | "auto";
  /**
   * Measures updateNorm and paramNorm for the report, which is about as much work as the update itself. AUTO: off.
   */
  reportNorms?: boolean | "auto";
  /**
   * What is already known of all gradients, for example of several processes or of tensors that are stepped one by
   * one: maxGradNorm and skipNonfinite use these sums, and the step measures nothing. The sums are of gradients
   * before gradScale. null, the default: the step measures its own gradients if it needs to.
   */
  gradSums?: GradSums;
  /**
   * Multiplies every gradient before anything else; finite, above 0. With loss scaling, it is 1 / loss scale.
   * Default: 1.
   */
  gradScale?: number;
  /**
   * Clips gradients by their norm: the maximum L2 norm of all gradients together, after gradScale; finite, at
   * least 0. If maxGradNorm / (norm + 1e-6) is below 1, all gradients are multiplied by it, as
   * torch.nn.utils.clip_grad_norm_ does. An infinite norm therefore turns finite gradients into 0 and infinite
   * ones into NaN, and a NaN norm turns all of them into NaN. 0, the default: no limit.
   */
  maxGradNorm?: number;
  /**
   * Clips gradients by value, after gradScale and maxGradNorm: each element is clamped to [-maxGradValue,
   * maxGradValue], and NaN stays NaN. Finite, at least 0. 0, the default: no limit.
   */
  maxGradValue?: number;
}

/**
 * The outcome of a step.
 *
 * Norms are L2 norms over all parameters that were stepped. They have the same bits on every machine, for any
 * number of threads and any order of parameters.
 */
export interface StepReport {
  /**
   * 1 if skipNonfinite skipped the step, else 0.
   */
  skipped: boolean;
  /**
   * The number of gradient elements that are infinite or NaN.
   */
  nonfinite: bigint;
  /**
   * The norm of the gradients after gradScale and before clipping; 0 if there are none.
   */
  gradNorm: number;
  /**
   * What maxGradNorm multiplied the gradients by; 1 if they were within the limit.
   */
  clipCoefficient: number;
  /**
   * The norm of the change of the parameters, as stored; 0 if the step was skipped. NaN unless reportNorms is on.
   */
  updateNorm: number;
  /**
   * The norm of the parameters after the step, as stored. NaN if the step was skipped, and unless reportNorms is
   * on.
   */
  paramNorm: number;
  /**
   * The number of parameters that were stepped: 0 if none has a gradient, or if the step was skipped.
   */
  paramsStepped: bigint;
}

/**
 * The scalars of a group's next step, for training loops that log them.
 *
 * Source: Liu et al. 2019, arXiv 1908.03265, with bias correction as in the Python library optimi.
 */
export interface GroupReport {
  /**
   * 1 if the step will be rectified (always, with rectify off), else 0: then it moves parameters by lr * expAvg,
   * without a square root, or not at all with unrectified off.
   */
  rectified: boolean;
  /**
   * The number t of the step, starting at 1, of the parameter that has made the most steps. Parameters that joined
   * late or were paused have lower ones.
   */
  step: bigint;
  /**
   * The length of the approximated simple moving average. A step is rectified if it exceeds rectifyThreshold.
   */
  rho: number;
  /**
   * The limit of rho: 2 / (1 - beta2) - 1.
   */
  rhoInf: number;
  /**
   * The rectification term, in [0, 1]; 0 in unrectified steps, 1 with rectify off.
   */
  r: number;
  /**
   * The factor of expAvg: lr * r in rectified steps; otherwise lr, or 0 with unrectified off.
   */
  effectiveLr: number;
  /**
   * The debiased beta1: (beta1^t - beta1) / (beta1^t - 1).
   */
  beta1Hat: number;
  /**
   * The debiased beta2: (beta2^t - beta2) / (beta2^t - 1).
   */
  beta2Hat: number;
  /**
   * The factor by which weight decay multiplies each parameter: 1 - lr * weightDecay with decoupleWd, 1 - lr /
   * maxLr * weightDecay with decoupleLr, else 1.
   */
  decayFactor: number;
}

/**
 * Options of loading.
 */
export interface LoadOptions {
  /**
   * Requires that the checkpoint has exactly the parameters of the optimizer. OFF: parameters that are only in one
   * of the two are left alone; those in both must still match. AUTO: on.
   */
  strict?: boolean | "auto";
  /**
   * Restores options from the checkpoint too, so that the run continues exactly: lr, beta1, beta2, weightDecay,
   * eps, maxLr, decoupleWd, decoupleLr, maximize, rectify, unrectified, rectifyThreshold and seed of each group,
   * whether each parameter is frozen, and whether optimizer accumulation is on. OFF: the optimizer keeps its own.
   * AUTO: on.
   */
  hyperparameters?: boolean | "auto";
  /**
   * Converts state that the optimizer has in another stateDtype, among them "q8". For conversions to and from
   * 8-bit state, the shards in the files must be cut at multiples of 128 elements. OFF and AUTO: such state does
   * not fit.
   */
  convertState?: boolean | "auto";
}
