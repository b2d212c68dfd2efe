// The 16-bit floats as bits in Uint16Array, and ordinary floats, rounded to nearest even.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds away the lower bits of an integer, to nearest even. */
const rounded = (value, shift) => (value + ((1 << (shift - 1)) - 1) + ((value >>> shift) & 1)) >>> shift;

function bf16Of(value) {
  float[0] = value;
  return Number.isNaN(value) ? 0x7fc0 : rounded(bits[0], 16);
}

function f16Of(value) {
  float[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536 and more
  // Below 2^-14 there are denormals, multiples of 2^-24: adding 1/2 leaves them in the lowest bits of the sum.
  if (magnitude < 0x38800000) {
    float[0] = Math.abs(float[0]) + 0.5;
    return sign | (bits[0] - 0x3f000000);
  }
  return sign | rounded(magnitude - 0x38000000, 13);
}

function ofF16(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >>> 10) & 0x1f, half & 0x3ff];
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function ofBf16(half) {
  bits[0] = half << 16;
  return float[0];
}

export const toFloat16 = (values) => Uint16Array.from(values, f16Of);
export const fromFloat16 = (halves) => Float32Array.from(halves, ofF16);
export const toBfloat16 = (values) => Uint16Array.from(values, bf16Of);
export const fromBfloat16 = (halves) => Float32Array.from(halves, ofBf16);
