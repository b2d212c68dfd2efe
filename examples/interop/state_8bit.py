"""Codes and decodes radam's 8-bit state with NumPy, to the bit as the library does. docs/q8.md describes it.

SPDX: MIT OR Apache-2.0
"""

import numpy

from radam_checkpoint import BLOCK

DTYPES = {"exp_avg": "<i1", "exp_avg_sq": "<u1", "state_scale": "<u4"}
CODED_FROM = 4096  # elements of a whole tensor; smaller ones keep f32
AT_A_TIME = 8192 * BLOCK  # elements, so that what is in between takes little memory
LEAST_ROOT = 64 << 23  # the bits of 2^-63
LEAST_DIRECTION, LARGEST_DIRECTION = 0x1F800000, 0x7F000000  # the bits of 2^-64 and 2^127
FINEST, WIDEST = 16, 19  # shifts of root codes
FRACTION_BITS = 24
HALF = 1 << (FRACTION_BITS - 1)
DIRECTION_CODES = 126
UNIT = 1 / numpy.float32(DIRECTION_CODES)


def floats(bits):
    return bits.astype(numpy.uint32).view(numpy.float32)


def bits(values):
    return values.view(numpy.uint32).astype(numpy.int64)


def in_pieces(convert, arrays, steps):
    """The results of a conversion of arrays, of which so many elements at a time belong together."""
    count = max(1, -(-arrays[0].size // steps[0]))
    parts = [
        convert(*(array[part * step : (part + 1) * step] for array, step in zip(arrays, steps)))
        for part in range(count)
    ]
    return [numpy.concatenate(results) for results in zip(*parts)]


def decode(directions, roots, scale, eps):
    """The moments that codes stand for, as f32. The arrays are flat: int8, uint8, and uint32 for each block."""
    steps = (AT_A_TIME, AT_A_TIME, AT_A_TIME // BLOCK)
    return in_pieces(lambda *piece: decode_blocks(*piece, eps), (directions, roots, scale), steps)


def decode_tensors(arrays, eps):
    """The same of the arrays of a parameter of a checkpoint."""
    return decode(*(numpy.frombuffer(arrays[array].data, dtype) for array, dtype in DTYPES.items()), eps)


def encode(exp_avg, exp_avg_sq, eps):
    """The codes of moments, flat arrays of f32, rounded to nearest. What is not finite starts anew, as 0."""
    return in_pieces(lambda *piece: encode_blocks(*piece, eps), (exp_avg, exp_avg_sq), (AT_A_TIME, AT_A_TIME))


def decode_blocks(directions, roots, scale, eps):
    word = scale.astype(numpy.int64).repeat(BLOCK)[: directions.size]
    low = word & 0xFFFF
    lowest = low & -low
    shift = numpy.where(low == 0, WIDEST, FINEST + numpy.log2(numpy.maximum(lowest, 1)).astype(numpy.int64))
    base = (low ^ lowest) << 15
    root = floats(numpy.where(roots == 0, 0, base + (roots.astype(numpy.int64) << shift)))
    with numpy.errstate(all="ignore"):
        direction = directions * (floats(word & 0xFFFF0000) * UNIT)
        return direction * (root + numpy.float32(eps)), root * root


def encode_blocks(exp_avg, exp_avg_sq, eps):
    size = exp_avg.size
    exp_avg, exp_avg_sq = (numpy.pad(moment, (0, -size % BLOCK)).reshape(-1, BLOCK) for moment in (exp_avg, exp_avg_sq))
    with numpy.errstate(all="ignore"):
        root = numpy.abs(numpy.sqrt(exp_avg_sq))  # of -0, it is 0
        direction = exp_avg / (root + numpy.float32(eps))
        is_finite = numpy.isfinite(root) & (numpy.abs(direction) <= numpy.float32(2.0**127))
    root, direction = (numpy.where(is_finite, values, numpy.float32(0)) for values in (root, direction))
    root_bits = bits(root)
    largest = root_bits.max(1, keepdims=True)
    least = numpy.where(root > 0, root_bits, largest).min(1, keepdims=True)

    # The finest shift whose 254 codes reach from the least root to the largest.
    reach = largest - least + ((largest - least) >> 6)
    shift = FINEST + sum((reach >> place > 0).astype(numpy.int64) for place in (24, 25, 26))
    top = (largest + (1 << shift) - 1) >> shift
    base = (numpy.maximum(top, 255 + (LEAST_ROOT >> shift)) - 255) << shift
    unit = bits(numpy.abs(direction)).max(1, keepdims=True).clip(LEAST_DIRECTION, LARGEST_DIRECTION)
    unit = (unit + 0xFFFF) & 0xFFFF0000
    word = unit | base >> 15 | 1 << (shift - FINEST)

    scaled = direction * (numpy.float32(DIRECTION_CODES << FRACTION_BITS) / floats(unit))
    codes = (scaled.astype(numpy.int64) + HALF) >> FRACTION_BITS
    above = numpy.maximum(root_bits - base, 0) << (FRACTION_BITS - shift)
    root_codes = numpy.maximum((above + HALF) >> FRACTION_BITS, codes != 0)  # what moves never gets the root 0
    flat = (codes.astype(numpy.int8).ravel()[:size], root_codes.astype(numpy.uint8).ravel()[:size])
    return *flat, word.astype(numpy.uint32).ravel()
