// The arguments of the kernels that test the stand-in itself.
#pragma once

struct CountArgs {
  unsigned *counters;  // one for each thread of the grid
  unsigned by;
};
struct SumArgs {
  const float *from;
  float *to;  // a sum of each block
  unsigned long long *total, *largest;
  unsigned count;
};
struct ReachArgs {
  unsigned char *array;
  long long index;
  unsigned bytes;  // 0: reads one byte there; 1, 4, 16: writes so many
};
struct MeetArgs {
  unsigned how;
  unsigned *to;
};
enum { EXITED_LANES = 0, SPLIT_WARP, SPLIT_BLOCK, ABSENT_LANE, HALF_WARPS };
struct OrderArgs {
  unsigned *order, *next;
};
struct FloatArgs {
  float *values;
};
