// Vectors of LANES numbers, and functions of them that all kernels use.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

constexpr int64_t LANES = 16;

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef int16_t Shorts __attribute__((vector_size(2 * LANES)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));
typedef int8_t SignedBytes __attribute__((vector_size(LANES)));

struct BFloat16 {
  uint16_t bits;
};

inline bool is_within(int64_t index, int64_t count) { return 0 <= index && index < count; }

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

inline Floats load(const int8_t* from) {
  SignedBytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
#ifdef __AVX512F__
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32((__m128i)bytes));
#else
  // In two steps, because compilers make slow code of one.
  const Shorts shorts = __builtin_convertvector(bytes, Shorts);
  return __builtin_convertvector(__builtin_convertvector(shorts, Ints), Floats);
#endif
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
#ifdef __AVX512BF16__
  const __m256bh halves = _mm512_cvtneps_pbh(values);
#else
  const Bits bits = (Bits)values;
  const Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Bits chosen = values == values ? rounded : (rounded & 0) + 0x7fc0;  // not a number
  const Halves halves = __builtin_convertvector(chosen, Halves);
#endif
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

// Loads values into the cache before they are needed.
template <typename T>
inline void prefetch(const T* from, int64_t size) {
  const char* bytes = reinterpret_cast<const char*>(from);
  for (int64_t at = 0; at < size * int64_t{sizeof(T)}; at += 64) __builtin_prefetch(bytes + at);
}

// The sums of LANES vectors, side by side.
inline Floats sums_of(const Floats* vectors) {
#ifdef __AVX512F__
  __m512 fours[4];  // in each quarter the sums of that quarter, of four vectors
  for (int i = 0; i < 4; ++i) {
    const __m512 a = vectors[4 * i], b = vectors[4 * i + 1];
    const __m512 c = vectors[4 * i + 2], d = vectors[4 * i + 3];
    const __m512d ab = (__m512d)(_mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b));
    const __m512d cd = (__m512d)(_mm512_unpacklo_ps(c, d) + _mm512_unpackhi_ps(c, d));
    fours[i] = (__m512)_mm512_unpacklo_pd(ab, cd) + (__m512)_mm512_unpackhi_pd(ab, cd);
  }
  const auto halve = [](__m512 a, __m512 b) {  // even and odd quarters of both, added
    return _mm512_shuffle_f32x4(a, b, 0x88) + _mm512_shuffle_f32x4(a, b, 0xdd);
  };
  return halve(halve(fours[0], fours[1]), halve(fours[2], fours[3]));
#else
  Floats sums;
  for (int64_t lane = 0; lane < LANES; ++lane) sums[lane] = sum(vectors[lane]);
  return sums;
#endif
}

inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }

inline float largest(Floats values) {
  float found = values[0];
  for (int64_t lane = 1; lane < LANES; ++lane) found = std::max(found, values[lane]);
  return found;
}

constexpr float LARGEST_INT8 = 127.0f;  // largest magnitude of a rounded value

struct Magnitude {
  float largest;    // at least 1e-30
  float nonfinite;  // 0, or NaN if an entry is NaN or infinite
};

// Of a vector that will be rounded to int8.
template <typename T>
inline Magnitude magnitude(const T* from, int64_t size) {
  Floats highest = all(1e-30f), nonfinite = all(0.0f);
  for (int64_t i = 0; i < size; i += LANES) {
    const Floats value = load(from + i);
    highest = larger(highest, value < 0.0f ? -value : value);
    nonfinite += value * 0.0f;
  }
  return {largest(highest), sum(nonfinite)};
}

// By the instructions for vectors of 512 bits, and the same without them. Bounds leave NaN as it is.
#ifdef __AVX512F__
inline Floats at_least(float floor, Floats x) { return _mm512_max_ps(all(floor), x); }
inline Floats at_most(float ceiling, Floats x) { return _mm512_min_ps(all(ceiling), x); }
inline Floats nearest(Floats x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
inline Floats times_power(Floats x, Floats power) { return _mm512_scalef_ps(x, power); }
inline Floats inverse(Floats x) {  // 14 bits, and one step of Newton's method
  const Floats near = _mm512_rcp14_ps(x);
  return near * (2.0f - x * near);
}
#else
inline Floats at_least(float floor, Floats x) { return x < floor ? all(floor) : x; }
inline Floats at_most(float ceiling, Floats x) { return x > ceiling ? all(ceiling) : x; }
inline Floats nearest(Floats x) {
  const Floats shift = all(12582912.0f);  // 1.5 2^23: beyond it there are no fractions
  return (x + shift) - shift;
}
inline Floats times_power(Floats x, Floats power) {
  const Ints exponent = __builtin_convertvector(power, Ints) + 127;
  return x * (exponent > 0 ? (Floats)(exponent << 23) : all(0.0f));  // NaN stays NaN
}
inline Floats inverse(Floats x) { return 1.0f / x; }
#endif

inline void store(int8_t* to, Floats values) {  // to the nearest, ties to even
  const Ints whole = __builtin_convertvector(nearest(values), Ints);
  const SignedBytes bytes = __builtin_convertvector(whole, SignedBytes);
  std::memcpy(to, &bytes, sizeof bytes);
}

// e^x for x <= 80, with a relative error of about 1e-7; 0 far below -87. Cody and Waite's reduction, and
// the polynomial for e^f of Cephes' expf.
inline Floats exponential(Floats x) {
  const Floats inside = at_least(-110.0f, x);
  const Floats power = nearest(inside * 1.44269504f);
  const Floats f = inside - power * 0.693359375f + power * 2.12194440e-4f;
  Floats p = all(1.9875691500e-4f);
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  return times_power(p * f * f + f + 1.0f, power);
}

// GPT-2's GELU: x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
inline Floats gelu(Floats x) {
  const Floats minus_twice = x * (-1.5957691216f - 0.0713548163f * x * x);
  return x * inverse(1.0f + exponential(at_most(80.0f, minus_twice)));
}

}  // namespace
