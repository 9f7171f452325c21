// The operations of the Llama family on CPUs: root-mean-square norms, rotary positions, and the
// product of a gated perceptron.
//
// Compiled on first use by build.py; native.py passes pointers and sizes. Arrays are dense and
// row-major; `width` and `size` are multiples of LANES. Rows are divided among threads and no sum is
// split, so that a row's numbers depend on no other row and not on the number of threads.

#include <vector>

#include "native_vectors.h"

namespace {

// 1 over the root of the mean square of a vector.
inline float inverse_rms(const float* from, int64_t size, float epsilon) {
  Floats squares = all(0.0f);
  for (int64_t i = 0; i < size; i += LANES) {
    const Floats value = load(from + i);
    squares += value * value;
  }
  return 1.0f / std::sqrt(sum(squares) / size + epsilon);
}

// Adds y, unless it is null, to the residual stream x, and norms the sum.
template <typename In, typename Out>
void add_rms_norm(float* x, const In* y, const float* gain, float epsilon, Out* out, int64_t rows,
                  int64_t width, int threads) {
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    float* stream = x + row * width;
    if (y != nullptr)
      for (int64_t i = 0; i < width; i += LANES)
        store(stream + i, load(stream + i) + load(y + row * width + i));
    const float scale = inverse_rms(stream, width, epsilon);
    for (int64_t i = 0; i < width; i += LANES)
      store(out + row * width + i, load(stream + i) * scale * load(gain + i));
  }
}

// Norms one head, unless `gain` is null, and turns it: number i is paired with number i + size / 2.
// `turns` has the cosines, then the sines; `values` and `turned` have space for the head.
template <typename T>
void turn(T* head, const float* turns, const float* gain, float epsilon, float* values,
          float* turned, int64_t size) {
  const int64_t half = size / 2;
  for (int64_t i = 0; i < size; i += LANES) store(values + i, load(head + i));
  if (gain != nullptr) {
    const float scale = inverse_rms(values, size, epsilon);
    for (int64_t i = 0; i < size; i += LANES)
      store(values + i, load(values + i) * scale * load(gain + i));
  }
  for (int64_t i = 0; i < half; ++i) {
    const float cosine = turns[i], sine = turns[half + i];
    turned[i] = values[i] * cosine - values[half + i] * sine;
    turned[half + i] = values[half + i] * cosine + values[i] * sine;
  }
  for (int64_t i = 0; i < size; i += LANES) store(head + i, load(turned + i));
}

// The first `heads` heads of each row are queries, the next `kv_heads` are keys; what follows stays.
template <typename T>
void rotate(T* qkv, const float* turns, const float* query_gain, const float* key_gain,
            float epsilon, int64_t rows, int64_t stride, int64_t heads, int64_t kv_heads,
            int64_t size, int threads) {
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    static thread_local std::vector<float> space;
    space.resize(2 * size);
    for (int64_t head = 0; head < heads + kv_heads; ++head)
      turn(qkv + row * stride + head * size, turns + row * size,
           head < heads ? query_gain : key_gain, epsilon, space.data(), space.data() + size, size);
  }
}

// SiLU of the first half of each row of x, times the second half: x / (1 + e^-x) y.
template <typename T>
void silu_product(const T* x, T* out, int64_t rows, int64_t width, int threads) {
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    const T* gates = x + row * 2 * width;
    for (int64_t i = 0; i < width; i += LANES) {
      const Floats gate = load(gates + i);
      const Floats silu = gate * inverse(1.0f + exponential(at_most(80.0f, -gate)));
      store(out + row * width + i, silu * load(gates + width + i));
    }
  }
}

}  // namespace

#define FOR_TYPE(NAME, T)                                                                          \
  void add_rms_norm_##NAME(float* x, const T* y, const float* gain, float epsilon, T* out,         \
                           int64_t rows, int64_t width, int threads) {                             \
    add_rms_norm(x, y, gain, epsilon, out, rows, width, threads);                                  \
  }                                                                                                \
  void add_rms_norm_to_float_##NAME(float* x, const T* y, const float* gain, float epsilon,        \
                                    float* out, int64_t rows, int64_t width, int threads) {        \
    add_rms_norm(x, y, gain, epsilon, out, rows, width, threads);                                  \
  }                                                                                                \
  void rotate_##NAME(T* qkv, const float* turns, const float* query_gain, const float* key_gain,   \
                     float epsilon, int64_t rows, int64_t stride, int64_t heads, int64_t kv_heads, \
                     int64_t size, int threads) {                                                  \
    rotate(qkv, turns, query_gain, key_gain, epsilon, rows, stride, heads, kv_heads, size,         \
           threads);                                                                               \
  }                                                                                                \
  void silu_product_##NAME(const T* x, T* out, int64_t rows, int64_t width, int threads) {         \
    silu_product(x, out, rows, width, threads);                                                    \
  }

extern "C" {
FOR_TYPE(float32, float)
FOR_TYPE(bfloat16, BFloat16)
}
