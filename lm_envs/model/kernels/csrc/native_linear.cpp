// Linear layers, x W^T + b and optionally GELU, on CPUs with vectors of 512 bits.
//
// Weights are packed in panels of PANEL outputs. A panel holds one unit of inputs after the other:
// 4 bytes of each of its outputs, which are one float, two bfloat16 or four int8 values. Threads take
// whole panels, and while one is multiplied the next is prefetched, so that a few dozen rows do not
// wait for memory. A row's sums run over its inputs in order, for any number of rows, so that its
// numbers depend on no other row and not on the number of threads.
//
// A function that the processor has no instructions for is not in the library, nor is one that AMX,
// which oneDNN uses, computes faster.

#ifdef __AVX512F__

#include <immintrin.h>

#include "native_vectors.h"

namespace {

constexpr int VECTORS = 2;                     // of outputs in a panel
constexpr int64_t PANEL = VECTORS * LANES;     // outputs in a panel
constexpr int64_t MOST_ROWS = 14;              // rows whose sums fit into registers
constexpr int64_t BLOCK = 128;                 // rows that stay in the cache while all panels are read
constexpr int64_t LINE = 64;                   // bytes of a cache line
constexpr int64_t UNIT = 4;                    // bytes of inputs that one instruction multiplies

// How the products of one unit of a row with a unit of each output are added to the sums.
struct FloatProducts {
  typedef Floats Sums;
  static Sums add(Sums sums, __m512i unit, __m512i weights) {
    return (Floats)_mm512_fmadd_ps((__m512)unit, (__m512)weights, (__m512)sums);
  }
};

#ifdef __AVX512BF16__
struct BFloat16Products {
  typedef Floats Sums;
  static Sums add(Sums sums, __m512i unit, __m512i weights) {
    return (Floats)_mm512_dpbf16_ps((__m512)sums, (__m512bh)unit, (__m512bh)weights);
  }
};
#endif

#ifdef __AVX512VNNI__
struct Int8Products {
  typedef Ints Sums;
  static Sums add(Sums sums, __m512i unit, __m512i weights) {
    return (Ints)_mm512_dpbusd_epi32((__m512i)sums, unit, weights);
  }
};
#endif

// Sums (ROWS, PANEL) of the products of some rows with one panel. With each unit, one cache line at
// `ahead` is prefetched.
template <typename Kind, int ROWS>
void multiply(const char* x, int64_t stride, const char* panel, int64_t units, const char* ahead,
              typename Kind::Sums* out) {
  typename Kind::Sums sums[ROWS][VECTORS] = {};
  for (int64_t unit = 0; unit < units; ++unit) {
    __m512i weights[VECTORS];
#pragma GCC unroll 2
    for (int i = 0; i < VECTORS; ++i)
      weights[i] = _mm512_loadu_si512(panel + (unit * VECTORS + i) * sizeof(__m512i));
#pragma GCC unroll 14
    for (int row = 0; row < ROWS; ++row) {
      int32_t own;
      std::memcpy(&own, x + row * stride + unit * UNIT, sizeof own);
      const __m512i everywhere = _mm512_set1_epi32(own);
#pragma GCC unroll 2
      for (int i = 0; i < VECTORS; ++i)
        sums[row][i] = Kind::add(sums[row][i], everywhere, weights[i]);
    }
    __builtin_prefetch(ahead + unit * LINE, 0, 2);
  }
#pragma GCC unroll 14
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 2
    for (int i = 0; i < VECTORS; ++i) out[row * VECTORS + i] = sums[row][i];
}

template <typename Kind>
void multiply_some(int64_t rows, const char* x, int64_t stride, const char* panel, int64_t units,
                   const char* ahead, typename Kind::Sums* out) {
  switch (rows) {
#define CASE(ROWS)                                                                                 \
  case ROWS:                                                                                       \
    return multiply<Kind, ROWS>(x, stride, panel, units, ahead, out);
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7)
    CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#undef CASE
  }
}

// Turns sums into outputs; arrays with one value an output are padded to whole panels.
struct Epilogue {
  const float* bias;        // of each output, or null
  const float* scales;      // of each output's int8 values
  const int32_t* shifts;    // of each output: the sum for a row of zeros, which are 128
  const float* row_scales;  // of each row's uint8 values
  int has_gelu;

  Floats apply(Floats sums, int64_t, int64_t output) const {
    if (bias != nullptr) sums += load(bias + output);
    return has_gelu ? gelu(sums) : sums;
  }

  Floats apply(Ints sums, int64_t row, int64_t output) const {
    Ints zeros;
    std::memcpy(&zeros, shifts + output, sizeof zeros);
    const Floats exact = __builtin_convertvector(sums - zeros, Floats);
    return apply(exact * load(scales + output) * row_scales[row], row, output);
  }
};

template <typename Sums, typename Out>
void finish(const Sums* sums, const Epilogue& epilogue, int64_t first_row, int64_t rows,
            int64_t first_output, int64_t outputs, Out* out) {
  const int64_t left = std::min(PANEL, outputs - first_output);
  for (int64_t row = 0; row < rows; ++row) {
    Out* to = out + (first_row + row) * outputs + first_output;
    Out whole[PANEL];
    for (int i = 0; i < VECTORS; ++i) {
      const Floats values = epilogue.apply(sums[row * VECTORS + i], first_row + row,
                                         first_output + i * LANES);
      store((left == PANEL ? to : whole) + i * LANES, values);
    }
    if (left < PANEL) std::copy(whole, whole + left, to);
  }
}

// (rows, outputs) from x (rows, inputs) and the panels; `inputs` fill whole units.
template <typename Kind, typename In, typename Out>
void linear(const In* x, const char* panels, const Epilogue& epilogue, Out* out, int64_t rows,
             int64_t inputs, int64_t outputs, int threads) {
  const int64_t stride = inputs * int64_t{sizeof(In)}, units = stride / UNIT;
  const int64_t size = stride * PANEL, count = (outputs + PANEL - 1) / PANEL;
  const char* bytes = reinterpret_cast<const char*>(x);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int thread = 0; thread < threads; ++thread) {
    const int64_t first = count * thread / threads, last = count * (thread + 1) / threads;
    for (int64_t block = 0; block < rows; block += BLOCK) {
      const int64_t size_of_block = std::min(BLOCK, rows - block);
      const int64_t tiles = (size_of_block + MOST_ROWS - 1) / MOST_ROWS;
      for (int64_t panel = first; panel < last; ++panel) {
        const char* next = panels + std::min(panel + 1, last - 1) * size;
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t from = block + size_of_block * tile / tiles;
          const int64_t to = block + size_of_block * (tile + 1) / tiles;
          typename Kind::Sums sums[MOST_ROWS * VECTORS];
          multiply_some<Kind>(to - from, bytes + from * stride, stride, panels + panel * size, units,
                              next + size / LINE * tile / tiles * LINE, sums);
          finish(sums, epilogue, from, to - from, panel * PANEL, outputs, out);
        }
      }
    }
  }
}

}  // namespace

extern "C" {

void linear_float32(const float* x, const char* panels, const float* bias, int has_gelu, float* out,
                     int64_t rows, int64_t inputs, int64_t outputs, int threads) {
  const Epilogue epilogue = {bias, nullptr, nullptr, nullptr, has_gelu};
  linear<FloatProducts>(x, panels, epilogue, out, rows, inputs, outputs, threads);
}

#if defined(__AVX512BF16__) && !defined(__AMX_BF16__)
void linear_bfloat16(const BFloat16* x, const char* panels, const float* bias, int has_gelu,
                      BFloat16* out, int64_t rows, int64_t inputs, int64_t outputs, int threads) {
  const Epilogue epilogue = {bias, nullptr, nullptr, nullptr, has_gelu};
  linear<BFloat16Products>(x, panels, epilogue, out, rows, inputs, outputs, threads);
}
#endif

#if defined(__AVX512VNNI__) && !defined(__AMX_INT8__)
#define FOR_TYPE(NAME, T)                                                                          \
  void linear_int8_##NAME(const uint8_t* values, const float* row_scales, const char* panels,      \
                               const float* scales, const int32_t* shifts, const float* bias,      \
                               int has_gelu, T* out, int64_t rows, int64_t inputs,                 \
                               int64_t outputs, int threads) {                                     \
    const Epilogue epilogue = {bias, scales, shifts, row_scales, has_gelu};                        \
    linear<Int8Products>(values, panels, epilogue, out, rows, inputs, outputs, threads);           \
  }
FOR_TYPE(float32, float)
FOR_TYPE(bfloat16, BFloat16)
#endif
}

#endif
