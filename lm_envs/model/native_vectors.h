// Vectors of LANES numbers, and functions of them that every kernel needs.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int64_t LANES = 16;

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));

struct BFloat16 {
  uint16_t bits;
};

inline Floats all(float value) { return value - Floats{}; }

inline Floats load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

inline Floats load(const BFloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  return (Floats)(__builtin_convertvector(halves, Bits) << 16);
}

inline float load_one(const float* from) { return *from; }

inline float load_one(const BFloat16* from) {
  const uint32_t bits = uint32_t{from->bits} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void store(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

inline void store(BFloat16* to, Floats values) {  // to the nearest, ties to even
  const Bits bits = (Bits)values;
  const Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Bits chosen = values == values ? rounded : (rounded & 0) + 0x7fc0;  // not a number
  const Halves halves = __builtin_convertvector(chosen, Halves);
  std::memcpy(to, &halves, sizeof halves);
}

inline float sum(Floats values) {
  typedef float Half __attribute__((vector_size(2 * LANES)));
  typedef float Quarter __attribute__((vector_size(LANES)));
  Half half[2];
  std::memcpy(half, &values, sizeof half);
  const Half halved = half[0] + half[1];
  Quarter quarter[2];
  std::memcpy(quarter, &halved, sizeof quarter);
  const Quarter four = quarter[0] + quarter[1];
  return (four[0] + four[1]) + (four[2] + four[3]);
}

inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }

inline float largest(Floats values) {
  float found = values[0];
  for (int64_t lane = 1; lane < LANES; ++lane) found = std::max(found, values[lane]);
  return found;
}

// e^x for x <= 0, to about 1e-7 of itself; 0 below -87. Cody and Waite's reduction, and the
// polynomial for 2^f of Cephes' expf.
inline Floats exponential(Floats x) {
  const Floats floor = all(-87.0f);
  const Floats inside = x > floor ? x : floor;
  const Ints power = __builtin_convertvector(inside * 1.44269504f - 0.5f, Ints);
  const Floats whole = __builtin_convertvector(power, Floats);
  const Floats f = inside - whole * 0.693359375f + whole * 2.12194440e-4f;
  Floats p = all(1.9875691500e-4f);
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * f * f + f + 1.0f;
  const Floats scaled = p * (Floats)((power + 127) << 23);
  const Floats nothing = all(0.0f);
  return x >= floor ? scaled : x < floor ? nothing : x;  // what is no number stays so
}

// GPT-2's GELU: x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
inline Floats gelu(Floats x) {
  const Floats twice = 1.5957691216f * (x + 0.044715f * x * x * x);
  const Floats e = exponential(twice < 0.0f ? twice : -twice);
  return x * (twice < 0.0f ? e : all(1.0f)) / (1.0f + e);
}

}  // namespace
