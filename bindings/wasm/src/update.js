// One step of one tensor whose state is the caller's.

import { checkObject } from "./error.js";
import { call, withScope } from "./library.js";
import { checkState } from "./state.js";
import { dtypeNumber, newStruct, u64 } from "./structs.js";
import { arrayType, checkApart, checkArray, lend, takeBack } from "./tensor.js";

/** The arrays, each of which is a Tensor or an ordinary array, are those of radam_update or radam_update_q8. */
export function update(arrays, options, step) {
  checkObject("arrays", arrays);
  const { dtype, gradDtype = dtype, stateDtype = dtype, param, grad, expAvg, expAvgSq, stateScale, kahanComp = null } = arrays;
  arrayType("dtype", dtype);
  const isQ8 = stateDtype === "q8";
  const length = param?.length;
  checkArray("param", param, dtype, length);
  checkArray("grad", grad, gradDtype, length);
  const state = { expAvg, expAvgSq, ...(isQ8 && { stateScale }) };
  for (const [name, array] of Object.entries(state)) checkState(name, array, { name, dtype: stateDtype, length });
  if (kahanComp) {
    const name = options?.masterRemainder === true ? "masterRemainder" : "kahanComp";
    checkState("kahanComp", kahanComp, { name, dtype: isQ8 ? dtype : stateDtype, length });
    state.kahanComp = kahanComp;
  }
  checkApart({ param, grad, ...state });
  withScope((scope) => {
    const paramAt = lend(scope, param);
    const lent = Object.entries(state).map(([name, array]) => ({ name, array, start: lend(scope, array) }));
    const compensationAt = lent.find(({ name }) => name === "kahanComp")?.start ?? 0;
    const averagesAt = lent.filter(({ name }) => name !== "kahanComp").map(({ start }) => start);
    const dtypes = [dtypeNumber("dtype", dtype), dtypeNumber("gradDtype", gradDtype)];
    if (!isQ8) dtypes.push(dtypeNumber("stateDtype", stateDtype));
    const struct = newStruct(scope, "radam_group_options", options);
    call(isQ8 ? "radam_update_q8" : "radam_update", ...dtypes, paramAt, lend(scope, grad), ...averagesAt, compensationAt,
      BigInt(length), struct, u64("step", step));
    takeBack(param, paramAt);
    for (const { array, start } of lent) takeBack(array, start);
  });
}
