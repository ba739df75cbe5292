// Seed 004: the sentence "ChatGPT is a powerful a language model".
//
// The notebook counts its words, 7, and their vocabulary, 6, and stops there; its vocabulary is a set, whose
// order changes from run to run. Here the words are numbered in the order in which they first appear, and the
// one-hot columns go through an LSTM that learns to say the next word.
#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "layers/lstm.hpp"
#include "optim/adam.hpp"

using namespace unroll;

namespace {

struct Sentence {
  std::vector<std::string> words, vocabulary;
  std::vector<std::int64_t> ids;
};

Sentence tokenize(const std::string& text) {
  Sentence sentence;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    const auto known = std::find(sentence.vocabulary.begin(), sentence.vocabulary.end(), word);
    sentence.ids.push_back(known - sentence.vocabulary.begin());
    if (known == sentence.vocabulary.end()) sentence.vocabulary.push_back(word);
    sentence.words.push_back(word);
  }
  return sentence;
}

// (T,1,vocabulary): one word per step, one sentence.
Tensor<double> one_hot(const std::vector<std::int64_t>& ids, std::size_t vocabulary) {
  Tensor<double> x = zeros<double>({ids.size(), 1, vocabulary});
  for (std::size_t t = 0; t < ids.size(); ++t) x(t, 0, static_cast<std::size_t>(ids[t])) = 1.0;
  return x;
}

}  // namespace

TEST_CASE("seed 004's sentence has 7 words of 6 kinds, numbered in the order of first appearance") {
  const Sentence sentence = tokenize("ChatGPT is a powerful a language model");
  CHECK(std::to_string(sentence.words.size()) + " " + std::to_string(sentence.vocabulary.size()) == "7 6");
  CHECK(sentence.vocabulary ==
        std::vector<std::string>{"ChatGPT", "is", "a", "powerful", "language", "model"});
  CHECK(sentence.ids == std::vector<std::int64_t>{0, 1, 2, 3, 2, 4, 5});
  const Tensor<double> x = one_hot(sentence.ids, 6);
  CHECK(x.shape() == Shape{7, 1, 6});
  for (std::size_t t = 0; t < 7; ++t) {
    for (std::size_t k = 0; k < 6; ++k)
      CHECK(x(t, 0, k) == (static_cast<std::int64_t>(k) == sentence.ids[t] ? 1 : 0));
  }
}

TEST_CASE("seed 004's sentence goes through an LSTM, which learns to continue it word by word") {
  const Sentence sentence = tokenize("ChatGPT is a powerful a language model");
  const auto kinds = static_cast<Index>(sentence.vocabulary.size());
  const std::size_t steps = sentence.words.size() - 1;
  const Var<double> x = slice(Var<double>(one_hot(sentence.ids, sentence.vocabulary.size())), 0, {0, -1});
  IndexTensor next(Shape{steps});
  std::copy(sentence.ids.begin() + 1, sentence.ids.end(), next.data());

  Rng rng(1);
  Lstm<double> lstm({.input = kinds, .hidden = 8}, rng);
  Linear<double> head(8, kinds, rng);
  Adam<double> adam(parameters(lstm, head), {.lr = 0.05});
  for (int epoch = 0; epoch < 200; ++epoch) {
    Tape tape;
    const Var<double> logits = head(lstm(x).output);
    tape.backward(cross_entropy(reshape(logits, {-1, kinds}), next));
    adam.step();
  }

  // From the first word on, every word is the one that the model finds likeliest. "a" is followed by two
  // different words: only the state can tell which.
  std::string said = sentence.words[0];
  States<LstmState<double>> states;
  std::int64_t word = 0;
  for (std::size_t t = 0; t < steps; ++t) {
    const auto result =
        lstm(Var<double>(one_hot({word}, sentence.vocabulary.size())), {.states = states, .lengths = {}});
    states = result.states;
    const Var<double> logits = head(result.output);
    word = std::max_element(logits.data(), logits.data() + kinds) - logits.data();
    said += " " + sentence.vocabulary[static_cast<std::size_t>(word)];
  }
  CHECK(said == "ChatGPT is a powerful a language model");
}
