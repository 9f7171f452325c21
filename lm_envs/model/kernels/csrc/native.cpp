// The operations of a decoding step on CPUs other than attention (native_attention.cpp) and linear
// layers (native_linear.cpp): embeddings, residual sums and norms, the top tokens of a row of logits.
//
// Compiled on first use by build.py; native.py passes pointers and sizes. Arrays are dense and
// row-major; `width` is a multiple of LANES. Rows are divided among threads and no sum is split, so
// that a row's numbers depend on no other row and not on the number of threads. Functions that take
// indices return how many rows had one out of range; those rows are skipped.

#include <limits>
#include <utility>
#include <vector>

#include "native_vectors.h"

namespace {

constexpr int64_t GROUP = 128;  // tokens whose largest logit is compared first

template <typename T>
int embed(const int64_t* tokens, const int64_t* positions, const T* token_embeddings,
          const float* position_embeddings, float* x, int64_t rows, int64_t width,
          int64_t vocab_size, int64_t num_positions, int threads) {
  int num_invalid = 0;
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static) reduction(+ : num_invalid)
  for (int64_t row = 0; row < rows; ++row) {
    if (!is_within(tokens[row], vocab_size) || !is_within(positions[row], num_positions)) {
      ++num_invalid;
      continue;
    }
    const T* token = token_embeddings + tokens[row] * width;
    const float* position = position_embeddings + positions[row] * width;
    for (int64_t i = 0; i < width; i += LANES)
      store(x + row * width + i, load(token + i) + load(position + i));
  }
  return num_invalid;
}

// Adds y, unless it is null, to the residual stream x, and norms the sum.
template <typename In, typename Out>
void add_norm(float* x, const In* y, const float* gain, const float* bias, float epsilon, Out* out,
              int64_t rows, int64_t width, int threads) {
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    float* stream = x + row * width;
    Floats total = all(0.0f), squares = all(0.0f);
    for (int64_t i = 0; i < width; i += LANES) {
      Floats value = load(stream + i);
      if (y != nullptr) {
        value += load(y + row * width + i);
        store(stream + i, value);
      }
      total += value;
    }
    const float mean = sum(total) / width;
    for (int64_t i = 0; i < width; i += LANES) {
      const Floats centered = load(stream + i) - mean;
      squares += centered * centered;
    }
    const float scale = 1.0f / std::sqrt(sum(squares) / width + epsilon);
    for (int64_t i = 0; i < width; i += LANES) {
      const Floats normed = (load(stream + i) - mean) * scale;
      store(out + row * width + i, normed * load(gain + i) + load(bias + i));
    }
  }
}

constexpr float ZERO_POINT = 128.0f;  // the uint8 value that represents 0

// Rounds each row to uint8 values with one scale, by the row's largest magnitude.
template <typename T>
void quantize(const T* x, uint8_t* values, float* scales, int64_t rows, int64_t width,
              int threads) {
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    const Magnitude found = magnitude(x + row * width, width);
    const float inverse = LARGEST_INT8 / found.largest;
    scales[row] = found.largest / LARGEST_INT8 + found.nonfinite;
    for (int64_t i = 0; i < width; i += LANES) {
      const Floats shifted = load(x + row * width + i) * inverse + (ZERO_POINT + 0.5f);
      const Bytes rounded = __builtin_convertvector(__builtin_convertvector(shifted, Ints), Bytes);
      std::memcpy(values + row * width + i, &rounded, sizeof rounded);
    }
  }
}

// Sums of products of quantized values, times the scale of their row, plus a bias.
template <typename T>
void dequantize(const float* sums, const float* scales, const float* bias, int has_gelu, T* out,
             int64_t rows, int64_t width, int threads) {
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = sums + row * width;
    T* to = out + row * width;
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
      Floats value = load(from + i) * scales[row];
      if (bias != nullptr) value += load(bias + i);
      store(to + i, has_gelu ? gelu(value) : value);
    }
    if (i == width) continue;
    float last[LANES] = {};  // the width may be no multiple of LANES
    std::copy(from + i, from + width, last);
    Floats value = load(last) * scales[row];
    if (bias != nullptr) {
      float shift[LANES] = {};
      std::copy(bias + i, bias + width, shift);
      value += load(shift);
    }
    T rounded[LANES];
    store(rounded, has_gelu ? gelu(value) : value);
    std::copy(rounded, rounded + (width - i), to + i);
  }
}

// Logit of a token after a hidden state, by its embedding less the mean embedding.
template <typename T>
float logit(const float* hidden, const T* embedding, const float* center, int64_t width) {
  Floats product = all(0.0f);
  for (int64_t i = 0; i < width; i += LANES) {
    Floats vector = load(embedding + i);
    if (center != nullptr) vector -= load(center + i);
    product += vector * load(hidden + i);
  }
  return sum(product);
}

template <typename T>
int token_logits(const float* hidden, const T* embeddings, const float* center,
                 const int64_t* tokens, float* logits, int64_t rows, int64_t width,
                 int64_t vocab_size, int64_t count, int threads) {
  int num_invalid = 0;
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static) reduction(+ : num_invalid)
  for (int64_t place = 0; place < rows * count; ++place) {
    if (!is_within(tokens[place], vocab_size)) {
      ++num_invalid;
      continue;
    }
    logits[place] = logit(hidden + place / count * width, embeddings + tokens[place] * width, center,
                          width);
  }
  return num_invalid;
}

using Candidate = std::pair<float, int64_t>;  // logit and token id

inline bool is_more_likely(const Candidate& a, const Candidate& b) {
  return a.first > b.first || (a.first == b.first && a.second < b.second);
}

template <typename T>
float largest_of(const T* logits, int64_t count) {
  float found = -std::numeric_limits<float>::infinity();
  int64_t i = 0;
  if (count >= LANES) {
    Floats highest = load(logits);
    for (i = LANES; i + LANES <= count; i += LANES) highest = larger(highest, load(logits + i));
    found = largest(highest);
  }
  for (; i < count; ++i) found = std::max(found, load_one(logits + i));
  return found;
}

// Log of the sum of exponentials; not finite if a logit is not.
template <typename T>
float log_sum_exp(const T* logits, int64_t count, float top) {
  Floats total = all(0.0f);
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) total += exponential(load(logits + i) - top);
  float rest = 0.0f;
  for (; i < count; ++i) rest += std::exp(load_one(logits + i) - top);
  return top + std::log(sum(total) + rest);
}

// The `count` largest of a row's `vocab_size` logits, ties by id. A group of tokens is searched only
// if its largest logit is among the `count` largest of all groups.
template <typename T>
void find_top_k(const T* logits, int64_t vocab_size, int64_t count, std::vector<float>& tops,
                std::vector<Candidate>& found) {
  float least = -std::numeric_limits<float>::infinity();
  const int64_t groups = static_cast<int64_t>(tops.size());
  if (groups > count) {
    std::vector<float> ordered(tops);
    std::nth_element(ordered.begin(), ordered.begin() + (count - 1), ordered.end(),
                     [](float a, float b) { return a > b; });
    least = ordered[count - 1];
  }
  found.clear();
  for (int64_t group = 0; group < groups; ++group) {
    if (tops[group] < least) continue;
    const int64_t end = std::min(vocab_size, (group + 1) * GROUP);
    for (int64_t token = group * GROUP; token < end; ++token) {
      const float value = load_one(logits + token);
      if (value >= least) found.emplace_back(value, token);
    }
  }
  std::partial_sort(found.begin(), found.begin() + count, found.end(), is_more_likely);
  found.resize(count);
}

// The most likely next tokens of each row of logits, in order, and their log-probabilities. Unless
// `is_exact`, they are found by the rounded logits and ordered by exact ones. The token `required`
// takes the last place where it is not among them.
template <typename T>
void top_k(const T* logits, const float* hidden, const T* embeddings, const float* center,
           int is_exact, int64_t required, int64_t* candidates, float* logprobs, float* log_z_out,
           int64_t rows, int64_t vocab_size, int64_t width, int64_t count, int threads) {
  const int64_t groups = (vocab_size + GROUP - 1) / GROUP;
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    static thread_local std::vector<float> tops;
    static thread_local std::vector<Candidate> found;
    const T* own = logits + row * vocab_size;
    const float* state = hidden + row * width;
    tops.resize(groups);
    for (int64_t group = 0; group < groups; ++group)
      tops[group] = largest_of(own + group * GROUP, std::min(GROUP, vocab_size - group * GROUP));
    const float top = *std::max_element(tops.begin(), tops.end());
    const float log_z = log_sum_exp(own, vocab_size, top);
    log_z_out[row] = log_z;
    if (!std::isfinite(log_z)) {  // the model computes NaN: nothing can be ordered
      std::fill(logprobs + row * count, logprobs + (row + 1) * count, NAN);
      for (int64_t place = 0; place < count; ++place) candidates[row * count + place] = place;
      continue;
    }
    find_top_k(own, vocab_size, count, tops, found);
    if (!is_exact) {
      for (const Candidate& candidate : found)
        prefetch(embeddings + candidate.second * width, width);
      for (Candidate& candidate : found)
        candidate.first = logit(state, embeddings + candidate.second * width, center, width);
      std::sort(found.begin(), found.end(), is_more_likely);
    }
    const auto is_required = [required](const Candidate& candidate) {
      return candidate.second == required;
    };
    if (std::none_of(found.begin(), found.end(), is_required))
      found.back() = {is_exact ? load_one(own + required)
                               : logit(state, embeddings + required * width, center, width),
                      required};
    for (int64_t place = 0; place < count; ++place) {
      candidates[row * count + place] = found[place].second;
      logprobs[row * count + place] = found[place].first - log_z;
    }
  }
}

}  // namespace

#define FOR_TYPE(NAME, T)                                                                          \
  int embed_##NAME(const int64_t* tokens, const int64_t* positions, const T* token_embeddings,     \
                   const float* position_embeddings, float* x, int64_t rows, int64_t width,        \
                   int64_t vocab_size, int64_t num_positions, int threads) {                       \
    return embed(tokens, positions, token_embeddings, position_embeddings, x, rows, width,         \
                 vocab_size, num_positions, threads);                                              \
  }                                                                                                \
  void add_norm_##NAME(float* x, const T* y, const float* gain, const float* bias, float epsilon,  \
                       T* out, int64_t rows, int64_t width, int threads) {                         \
    add_norm(x, y, gain, bias, epsilon, out, rows, width, threads);                                \
  }                                                                                                \
  void add_norm_to_float_##NAME(float* x, const T* y, const float* gain, const float* bias,        \
                                float epsilon, float* out, int64_t rows, int64_t width,            \
                                int threads) {                                                     \
    add_norm(x, y, gain, bias, epsilon, out, rows, width, threads);                                \
  }                                                                                                \
  int token_logits_##NAME(const float* hidden, const T* embeddings, const float* center,           \
                          const int64_t* tokens, float* logits, int64_t rows, int64_t width,       \
                          int64_t vocab_size, int64_t count, int threads) {                        \
    return token_logits(hidden, embeddings, center, tokens, logits, rows, width, vocab_size,       \
                        count, threads);                                                           \
  }                                                                                                \
  void quantize_##NAME(const T* x, uint8_t* values, float* scales, int64_t rows, int64_t width,    \
                       int threads) {                                                              \
    quantize(x, values, scales, rows, width, threads);                                             \
  }                                                                                                \
  void dequantize_##NAME(const float* sums, const float* scales, const float* bias, int has_gelu,  \
                         T* out, int64_t rows, int64_t width, int threads) {                       \
    dequantize(sums, scales, bias, has_gelu, out, rows, width, threads);                           \
  }                                                                                                \
  void top_k_##NAME(const T* logits, const float* hidden, const T* embeddings,                     \
                    const float* center, int is_exact, int64_t required, int64_t* candidates,      \
                    float* logprobs, float* log_z_out, int64_t rows, int64_t vocab_size,           \
                    int64_t width, int64_t count, int threads) {                                   \
    top_k(logits, hidden, embeddings, center, is_exact, required, candidates, logprobs,            \
          log_z_out, rows, vocab_size, width, count, threads);                                     \
  }

extern "C" {
FOR_TYPE(float32, float)
FOR_TYPE(bfloat16, BFloat16)
}
