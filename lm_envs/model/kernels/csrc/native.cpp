// The parts of a decoding step between its matrix products, for CPUs: embeddings, residual sums and
// norms, the best words of a row of logits. Attention is in native_attention.cpp.
//
// Compiled on first use by native.py, which checks shapes and passes pointers. Arrays are dense and
// row-major; `width` is a multiple of LANES. Rows are shared out among threads and no sum is split, so
// that a row's numbers depend on no other row and on no number of threads. Functions that follow
// indices say how many rows had one out of range; those rows are left out.

#include <limits>
#include <utility>
#include <vector>

#include "native_vectors.h"

namespace {

constexpr int64_t GROUP = 128;  // words whose largest logit is looked at first

template <typename T>
int embed(const int64_t* tokens, const int64_t* positions, const T* words, const float* places,
          float* x, int64_t rows, int64_t width, int64_t num_words, int64_t num_places,
          int threads) {
  int broken = 0;
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static) reduction(+ : broken)
  for (int64_t row = 0; row < rows; ++row) {
    if (!is_within(tokens[row], num_words) || !is_within(positions[row], num_places)) {
      ++broken;
      continue;
    }
    const T* word = words + tokens[row] * width;
    const float* place = places + positions[row] * width;
    for (int64_t i = 0; i < width; i += LANES)
      store(x + row * width + i, load(word + i) + load(place + i));
  }
  return broken;
}

// Adds y, where there is one, to the residual stream x, and norms the sum.
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
      const Floats centerd = load(stream + i) - mean;
      squares += centerd * centerd;
    }
    const float scale = 1.0f / std::sqrt(sum(squares) / width + epsilon);
    for (int64_t i = 0; i < width; i += LANES) {
      const Floats normed = (load(stream + i) - mean) * scale;
      store(out + row * width + i, normed * load(gain + i) + load(bias + i));
    }
  }
}

constexpr float ZERO = 128.0f;  // code of 0

// Codes of 8 bits for each row, by the row's largest magnitude.
template <typename T>
void quantize(const T* x, uint8_t* codes, float* scales, int64_t rows, int64_t width,
              int threads) {
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    const Magnitude found = magnitude(x + row * width, width);
    const float inverse = MOST_CODE / found.largest;
    scales[row] = found.largest / MOST_CODE + found.broken;
    for (int64_t i = 0; i < width; i += LANES) {
      const Floats shifted = load(x + row * width + i) * inverse + (ZERO + 0.5f);
      const Bytes rounded = __builtin_convertvector(__builtin_convertvector(shifted, Ints), Bytes);
      std::memcpy(codes + row * width + i, &rounded, sizeof rounded);
    }
  }
}

// Sums of products of codes, times the scale of their row, and a bias.
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
    float last[LANES] = {};  // the vocabulary may not be whole
    std::copy(from + i, from + width, last);
    T rounded[LANES];
    store(rounded, load(last) * scales[row]);
    std::copy(rounded, rounded + (width - i), to + i);
  }
}

// Logit of a word after a hidden state, by its embedding less the mean embedding.
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
int read(const float* hidden, const T* embeddings, const float* center, const int64_t* words,
         float* logits, int64_t rows, int64_t width, int64_t num_words, int64_t count,
         int threads) {
  int broken = 0;
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static) reduction(+ : broken)
  for (int64_t place = 0; place < rows * count; ++place) {
    if (!is_within(words[place], num_words)) {
      ++broken;
      continue;
    }
    logits[place] = logit(hidden + place / count * width, embeddings + words[place] * width, center,
                          width);
  }
  return broken;
}

using Word = std::pair<float, int64_t>;  // logit and id

inline bool is_better(const Word& a, const Word& b) {
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

// Log of the sum of exponentials; not finite where a logit is not.
template <typename T>
float log_sum_exp(const T* logits, int64_t count, float top) {
  Floats total = all(0.0f);
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) total += exponential(load(logits + i) - top);
  float rest = 0.0f;
  for (; i < count; ++i) rest += std::exp(load_one(logits + i) - top);
  return top + std::log(sum(total) + rest);
}

// The `count` largest logits of a row of `words`, ties by id. A group of words is searched only
// where its largest is among the `count` largest of all groups.
template <typename T>
void find_best(const T* logits, int64_t words, int64_t count, std::vector<float>& tops,
               std::vector<Word>& found) {
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
    const int64_t end = std::min(words, (group + 1) * GROUP);
    for (int64_t word = group * GROUP; word < end; ++word) {
      const float value = load_one(logits + word);
      if (value >= least) found.emplace_back(value, word);
    }
  }
  std::partial_sort(found.begin(), found.begin() + count, found.end(), is_better);
  found.resize(count);
}

// Best next words of each row of logits, best first, and their log-probabilities. Where `exact` is
// false the best are found by the rounded logits and judged and ordered by exact ones. The word
// `always` takes the last place where it is not among them.
template <typename T>
void best(const T* logits, const float* hidden, const T* embeddings, const float* center,
          int is_exact, int64_t always, int64_t* candidates, float* logprobs, float* log_zs,
          int64_t rows, int64_t words, int64_t width, int64_t count, int threads) {
  const int64_t groups = (words + GROUP - 1) / GROUP;
#pragma omp parallel for num_threads(threads) if (rows > 1) schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    static thread_local std::vector<float> tops;
    static thread_local std::vector<Word> found;
    const T* own = logits + row * words;
    const float* state = hidden + row * width;
    tops.resize(groups);
    for (int64_t group = 0; group < groups; ++group)
      tops[group] = largest_of(own + group * GROUP, std::min(GROUP, words - group * GROUP));
    const float top = *std::max_element(tops.begin(), tops.end());
    const float log_z = log_sum_exp(own, words, top);
    log_zs[row] = log_z;
    if (!std::isfinite(log_z)) {  // a broken model: nothing can be ordered
      std::fill(logprobs + row * count, logprobs + (row + 1) * count, NAN);
      for (int64_t place = 0; place < count; ++place) candidates[row * count + place] = place;
      continue;
    }
    find_best(own, words, count, tops, found);
    if (!is_exact) {
      for (const Word& word : found) expect(embeddings + word.second * width, width);
      for (Word& word : found)
        word.first = logit(state, embeddings + word.second * width, center, width);
      std::sort(found.begin(), found.end(), is_better);
    }
    const auto is_always = [always](const Word& word) { return word.second == always; };
    if (std::none_of(found.begin(), found.end(), is_always))
      found.back() = {is_exact ? load_one(own + always)
                               : logit(state, embeddings + always * width, center, width),
                      always};
    for (int64_t place = 0; place < count; ++place) {
      candidates[row * count + place] = found[place].second;
      logprobs[row * count + place] = found[place].first - log_z;
    }
  }
}

}  // namespace

#define FOR_TYPE(NAME, T)                                                                          \
  int embed_##NAME(const int64_t* tokens, const int64_t* positions, const T* words,                \
                   const float* places, float* x, int64_t rows, int64_t width, int64_t num_words,  \
                   int64_t num_places, int threads) {                                              \
    return embed(tokens, positions, words, places, x, rows, width, num_words, num_places,          \
                 threads);                                                                         \
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
  int token_logits_##NAME(const float* hidden, const T* embeddings, const float* center,                   \
                  const int64_t* words, float* logits, int64_t rows, int64_t width,                \
                  int64_t num_words, int64_t count, int threads) {                                 \
    return read(hidden, embeddings, center, words, logits, rows, width, num_words, count,          \
                threads);                                                                          \
  }                                                                                                \
  void quantize_##NAME(const T* x, uint8_t* codes, float* scales, int64_t rows, int64_t width,     \
                       int threads) {                                                              \
    quantize(x, codes, scales, rows, width, threads);                                              \
  }                                                                                                \
  void dequantize_##NAME(const float* sums, const float* scales, const float* bias, int has_gelu,     \
                      T* out, int64_t rows, int64_t width, int threads) {                          \
    dequantize(sums, scales, bias, has_gelu, out, rows, width, threads);                              \
  }                                                                                                \
  void top_k_##NAME(const T* logits, const float* hidden, const T* embeddings, const float* center, \
                   int is_exact, int64_t always, int64_t* candidates, float* logprobs,             \
                   float* log_zs, int64_t rows, int64_t words, int64_t width, int64_t count,  \
                   int threads) {                                                                  \
    best(logits, hidden, embeddings, center, is_exact, always, candidates, logprobs, log_zs,  \
         rows, words, width, count, threads);                                                      \
  }

extern "C" {
FOR_TYPE(float32, float)
FOR_TYPE(bfloat16, BFloat16)
}
