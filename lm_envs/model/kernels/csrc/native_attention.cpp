// Attention of new tokens to the slots of a KV cache, on CPUs.
//
// Compiled on first use by build.py; native.py passes pointers and sizes. Arrays are dense and
// row-major, except that queries, keys and values have a stride from token to token; `size` and
// `capacity` are multiples of LANES. Heads are divided among threads and no sum is split, so that a
// row's numbers depend on no other row and not on the number of threads. Functions return how many
// rows or positions were out of range; in that case no attention is computed.

#include <limits>
#include <type_traits>
#include <vector>

#include "native_vectors.h"

namespace {

constexpr int64_t PARALLEL_FROM = 128;  // position from which threads share a single token's heads

// Stored keys or values: vectors of a float type, or of int8 values with one scale a vector.
template <typename S>
struct Stored {
  static constexpr bool HAS_SCALES = std::is_same_v<S, int8_t>;
  S* vectors;     // (..., size)
  float* scales;  // (...), factors of int8 values; null otherwise

  Stored from(int64_t position, int64_t size) const {
    return {vectors + position * size, HAS_SCALES ? scales + position : nullptr};
  }
};

template <typename T>
void store_vector(const T* vector, Stored<T> to, int64_t size) {
  std::memcpy(to.vectors, vector, size * sizeof(T));
}

template <typename T>
void store_vector(const T* vector, Stored<int8_t> to, int64_t size) {
  const Magnitude found = magnitude(vector, size);
  const float scale = found.largest / LARGEST_INT8;
  for (int64_t i = 0; i < size; i += LANES) store(to.vectors + i, load(vector + i) / scale);
  *to.scales = scale + found.nonfinite;
}

// Softmax of `count` scores in place; the array has space for LANES more.
void softmax(float* scores, int64_t count) {
  const int64_t padded = (count + LANES - 1) / LANES * LANES;
  std::fill(scores + count, scores + padded, -std::numeric_limits<float>::infinity());
  Floats highest = load(scores);
  for (int64_t i = LANES; i < padded; i += LANES) highest = larger(highest, load(scores + i));
  const float top = largest(highest);
  Floats total = all(0.0f);
  for (int64_t i = 0; i < padded; i += LANES) {
    const Floats weight = exponential(load(scores + i) - top);
    store(scores + i, weight);
    total += weight;
  }
  const float scale = 1.0f / sum(total);
  for (int64_t i = 0; i < padded; i += LANES) store(scores + i, load(scores + i) * scale);
}

// Products of a query with a key; the sum over the lanes is their dot product.
template <typename T, typename S>
inline Floats products(const T* query, const S* key, int64_t size) {
  Floats products = all(0.0f);
  int64_t i = 0;
#ifdef __AVX512BF16__
  if constexpr (std::is_same_v<T, BFloat16> && std::is_same_v<S, BFloat16>)
    for (; i + 2 * LANES <= size; i += 2 * LANES)
      products = _mm512_dpbf16_ps(products, (__m512bh)_mm512_loadu_si512(query + i),
                                  (__m512bh)_mm512_loadu_si512(key + i));
#endif
  for (; i < size; i += LANES) products += load(query + i) * load(key + i);
  return products;
}

// Attention of one query to the keys and values (capacity, size) of its row and head, up to its
// position. The keys and values of the next query are prefetched meanwhile. Keys and scales are read
// in whole LANES, which a slot has space for; softmax ignores what lies beyond the position.
template <typename T, typename S, int64_t SIZE>
void attend_one(const T* query, Stored<S> keys, Stored<S> values, Stored<S> next_keys,
                Stored<S> next_values, int64_t position, T* out, int64_t any_size) {
  const int64_t size = SIZE > 0 ? SIZE : any_size;  // a constant for the usual size: faster code
  static thread_local std::vector<float> scores;
  scores.resize(position + 1 + LANES);
  float* weights = scores.data();
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  for (int64_t first = 0; first <= position; first += LANES) {
    Floats terms[LANES];
    for (int64_t lane = 0; lane < LANES; ++lane) {
      const int64_t at = (first + lane) * size;
      prefetch(next_keys.vectors + at, size);
      terms[lane] = products(query, keys.vectors + at, size);
    }
    Floats found = sums_of(terms) * scale;
    if constexpr (Stored<S>::HAS_SCALES) {
      prefetch(next_keys.scales + first, LANES);
      prefetch(next_values.scales + first, LANES);
      found *= load(keys.scales + first);
    }
    store(weights + first, found);
  }
  softmax(weights, position + 1);
  if constexpr (Stored<S>::HAS_SCALES)
    for (int64_t first = 0; first <= position; first += LANES)
      store(weights + first, load(weights + first) * load(values.scales + first));
  for (int64_t start = 0; start < size; start += 4 * LANES) {
    const int64_t parts = std::min<int64_t>(4, (size - start) / LANES);
    Floats mixed[4] = {};
    for (int64_t t = 0; t <= position; ++t) {
      if (start == 0) prefetch(next_values.vectors + t * size, size);
      for (int64_t part = 0; part < parts; ++part)
        mixed[part] += weights[t] * load(values.vectors + t * size + start + part * LANES);
    }
    for (int64_t part = 0; part < parts; ++part) store(out + start + part * LANES, mixed[part]);
  }
}

// Writes the keys and values of new tokens to their slots and computes the attention of each token's
// query to its slot, up to and including itself. Token i belongs to row `rows[i]`, or to row i where
// `rows` is null; `stride` is that of queries, keys and values from token to token. Keys and values
// have `kv_heads` heads, each of which is seen by an equal number of the `heads` of queries.
template <typename T, typename S>
int attend(const T* queries, const T* keys, const T* values, int64_t stride, Stored<S> slot_keys,
           Stored<S> slot_values, const int64_t* rows, const int64_t* positions, T* out,
           int64_t tokens, int64_t num_rows, int64_t heads, int64_t kv_heads, int64_t size,
           int64_t capacity, int threads) {
  const int64_t group = heads / kv_heads;
  const auto slot_of = [=](int64_t token, int64_t kv_head) {  // its first position
    return ((rows == nullptr ? token : rows[token]) * kv_heads + kv_head) * capacity;
  };
  int num_invalid = 0;
#pragma omp parallel for num_threads(threads) if (tokens > 1) schedule(static) reduction(+ : num_invalid)
  for (int64_t token = 0; token < tokens; ++token) {
    const int64_t row = rows == nullptr ? token : rows[token];
    if (!is_within(row, num_rows) || !is_within(positions[token], capacity)) {
      ++num_invalid;
      continue;
    }
    for (int64_t head = 0; head < kv_heads; ++head) {
      const int64_t from = token * stride + head * size;
      const int64_t to = slot_of(token, head) + positions[token];
      store_vector(keys + from, slot_keys.from(to, size), size);
      store_vector(values + from, slot_values.from(to, size), size);
    }
  }
  if (num_invalid > 0) return num_invalid;
  const auto one = size == 64 ? attend_one<T, S, 64> : attend_one<T, S, 0>;
  const int64_t places = tokens * heads;
  const int64_t even = std::max<int64_t>(1, (places + threads - 1) / threads);
  const int64_t share = rows == nullptr ? even : 4 * heads;  // later tokens of a row take longer
  const bool is_worth_it = tokens > 1 || positions[0] >= PARALLEL_FROM;
#pragma omp parallel for num_threads(threads) if (is_worth_it) schedule(static, share)
  for (int64_t place = 0; place < places; ++place) {
    const int64_t token = place / heads, head = place % heads, after = (place + 1) % places;
    const int64_t slot = slot_of(token, head / group);
    const int64_t next = slot_of(after / heads, after % heads / group);
    one(queries + token * stride + head * size, slot_keys.from(slot, size),
        slot_values.from(slot, size), slot_keys.from(next, size), slot_values.from(next, size),
        positions[token], out + place * size, size);
  }
  return 0;
}

}  // namespace

#define FOR_TYPE(NAME, T)                                                                          \
  int attend_##NAME(const T* queries, const T* keys, const T* values, int64_t stride,              \
                    T* slot_keys, T* slot_values, const int64_t* rows, const int64_t* positions,   \
                    T* out, int64_t tokens, int64_t num_rows, int64_t heads, int64_t kv_heads,     \
                    int64_t size, int64_t capacity, int threads) {                                 \
    return attend(queries, keys, values, stride, Stored<T>{slot_keys, nullptr},                    \
                  Stored<T>{slot_values, nullptr}, rows, positions, out, tokens, num_rows, heads,  \
                  kv_heads, size, capacity, threads);                                              \
  }                                                                                                \
  int attend_int8_##NAME(const T* queries, const T* keys, const T* values, int64_t stride,         \
                             int8_t* slot_keys, float* key_scales, int8_t* slot_values,            \
                             float* value_scales, const int64_t* rows, const int64_t* positions,   \
                             T* out, int64_t tokens, int64_t num_rows, int64_t heads,              \
                             int64_t kv_heads, int64_t size, int64_t capacity, int threads) {      \
    return attend(queries, keys, values, stride, Stored<int8_t>{slot_keys, key_scales},            \
                  Stored<int8_t>{slot_values, value_scales}, rows, positions, out, tokens, num_rows,\
                  heads, kv_heads, size, capacity, threads);                                       \
  }

extern "C" {
FOR_TYPE(float32, float)
FOR_TYPE(bfloat16, BFloat16)
}
