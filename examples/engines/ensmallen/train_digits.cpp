// Fits a softmax regression of handwritten digits in ensmallen: with its own Adam, with radam as Adam, and with RAdam.
//
// usage: train_digits [digits.csv]
//
// SPDX: MIT OR Apache-2.0

#include "radam_ens.hpp"

#include <armadillo>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

constexpr std::size_t kInputs = 65, kDigits = 10, kTrainingImages = 1437, kBatch = 64, kEpochs = 20;
constexpr double kStepSize = 0.01;

// What is minimized, as ensmallen wants it: the cross-entropy of the images from begin on.
class SoftmaxRegression {
 public:
  // Each column is an image, with a 1 for the bias at its end.
  SoftmaxRegression(arma::mat images, arma::urowvec digits) : images_(std::move(images)), digits_(std::move(digits)) {}

  std::size_t NumFunctions() const { return images_.n_cols; }
  void Shuffle() {}  // the same order in every epoch

  double EvaluateWithGradient(const arma::mat& weights, std::size_t begin, arma::mat& gradient,
                              std::size_t count) const {
    const arma::mat images = images_.cols(begin, begin + count - 1);
    arma::mat errors = arma::exp(weights * images);
    errors.each_row() /= arma::sum(errors, 0);
    double loss = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t digit = digits_[begin + i];
      loss -= std::log(errors(digit, i));
      errors(digit, i) -= 1;
    }
    gradient = errors * images.t() / static_cast<double>(count);
    return loss;
  }
  double Evaluate(const arma::mat& weights, std::size_t begin, std::size_t count) const {
    arma::mat gradient;
    return EvaluateWithGradient(weights, begin, gradient, count);
  }
  void Gradient(const arma::mat& weights, std::size_t begin, arma::mat& gradient, std::size_t count) const {
    EvaluateWithGradient(weights, begin, gradient, count);
  }

  // In percent.
  double accuracy(const arma::mat& weights) const {
    return 100.0 * arma::accu(arma::index_max(weights * images_, 0) == digits_) / static_cast<double>(digits_.n_elem);
  }

 private:
  arma::mat images_;
  arma::urowvec digits_;
};

template <typename Optimizer>
void fit(const char* name, Optimizer optimizer, SoftmaxRegression& training, const SoftmaxRegression& test) {
  arma::mat weights(kDigits, kInputs, arma::fill::zeros);
  optimizer.Optimize(training, weights);
  const double loss = training.Evaluate(weights, 0, kTrainingImages) / kTrainingImages;
  std::printf("%-14s  loss %.6f  test accuracy %.2f %%\n", name, loss, test.accuracy(weights));
}

int main(int argc, char** argv) {
  try {
    arma::mat rows;
    const std::string path = argc > 1 ? argv[1] : "examples/data/digits.csv";
    if (!rows.load(path, arma::csv_ascii)) throw std::runtime_error("cannot read " + path);
    arma::mat images = rows.t() / 16;
    const arma::urowvec digits = arma::conv_to<arma::urowvec>::from(images.row(kInputs - 1) * 16);
    images.row(kInputs - 1).ones();
    const arma::uword last = images.n_cols - 1;
    SoftmaxRegression training(images.cols(0, kTrainingImages - 1), digits.cols(0, kTrainingImages - 1));
    const SoftmaxRegression test(images.cols(kTrainingImages, last), digits.cols(kTrainingImages, last));

    const std::size_t iterations = kEpochs * kTrainingImages;
    radam::GroupOptions options;
    options.eps = 1e-8;
    fit("RAdam", radam_ens::RAdam(kStepSize, kBatch, iterations, 0, false, options), training, test);
    options.rectify = false;
    fit("radam as Adam", radam_ens::RAdam(kStepSize, kBatch, iterations, 0, false, options), training, test);
    fit("ens::Adam", ens::Adam(kStepSize, kBatch, 0.9, 0.99, 1e-8, iterations, 0, false), training, test);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_digits: %s\n", error.what());
    return 1;
  }
}
