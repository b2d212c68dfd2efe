// An optimizer whose state is divided among ranks (ZeRO, stage 1): each has the moments of 1/n of the parameters and
// steps these, and every rank has all parameters.
//
// Results do not depend on the number of ranks, bit for bit. Three things make it so:
//
// - Gradients are added up in one order: that of the calls of add_gradients, and in each call that of the ranks.
//   MPI_Reduce_scatter may choose another order for every number of ranks, and does.
// - radam steps a slice of a tensor as it steps the whole (radam_param.tensor_offset).
// - Shards are cut between pieces of 16384 elements. radam takes the norm of gradients from sums over such pieces, and
//   adds these exactly (radam_grad_sums), so it does not matter which rank has which piece. 8-bit state needs cuts at
//   multiples of 128, which these are.
//
// SPDX: MIT OR Apache-2.0
#ifndef SHARDED_OPTIMIZER_HPP
#define SHARDED_OPTIMIZER_HPP

#include "radam.hpp"
#include "ranks.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

constexpr std::size_t kPiece = 16384;
// Gradients are exchanged in so many parts, so that those that arrive take 1/8 of the memory of all.
constexpr int kTurns = 8;

// The elements from begin to end of the parameters.
struct Shard {
  std::size_t begin, end;
  std::size_t size() const { return end - begin; }
};

// How so many elements are divided among so many ranks: each has as many pieces as the others, or one more.
class Division {
 public:
  Division(std::size_t elements, int ranks)
      : elements_(elements), pieces_((elements + kPiece - 1) / kPiece), ranks_(static_cast<std::size_t>(ranks)) {}

  int first_piece(int rank) const { return static_cast<int>(pieces_ * static_cast<std::size_t>(rank) / ranks_); }
  int pieces(int rank) const { return first_piece(rank + 1) - first_piece(rank); }
  int most_pieces() const { return static_cast<int>((pieces_ + ranks_ - 1) / ranks_); }
  Shard shard(int rank) const { return {element(first_piece(rank)), element(first_piece(rank + 1))}; }
  // Room for whole pieces.
  std::size_t padded() const { return pieces_ * kPiece; }

 private:
  std::size_t element(int piece) const { return std::min(static_cast<std::size_t>(piece) * kPiece, elements_); }

  std::size_t elements_, pieces_, ranks_;
};

class ShardedOptimizer {
 public:
  // Every rank must call add_gradients, step and gather_params in the same order.
  ShardedOptimizer(const Ranks& ranks, std::size_t elements, const radam::GroupOptions& options)
      : ranks_(ranks),
        elements_(elements),
        division_(elements, ranks.count),
        shard_(division_.shard(ranks.rank)),
        params_(division_.padded()),
        grads_(division_.padded()),
        sum_(static_cast<std::size_t>(division_.pieces(ranks.rank)) * kPiece),
        pieces_a_turn_((division_.most_pieces() + kTurns - 1) / kTurns),
        received_(static_cast<std::size_t>(ranks.count * pieces_a_turn_) * kPiece),
        local_(one_thread()) {
    for (int rank = 0; rank < ranks.count; ++rank) {
      counts_.push_back(division_.pieces(rank));
      starts_.push_back(division_.first_piece(rank));
    }
    // MPI counts in int. In pieces, that is enough for any model.
    MPI_Type_contiguous(static_cast<int>(kPiece), MPI_FLOAT, &piece_);
    MPI_Type_commit(&piece_);

    radam::Param param;
    param.data = params_.data() + shard_.begin;
    param.grad = sum_.data();
    param.len = shard_.size();
    param.name = "params";
    param.tensor_offset = shard_.begin;
    param.tensor_len = elements;
    local_.add_param(local_.add_group(options), param);
  }
  ShardedOptimizer(const ShardedOptimizer&) = delete;
  ShardedOptimizer& operator=(const ShardedOptimizer&) = delete;
  ~ShardedOptimizer() { MPI_Type_free(&piece_); }

  std::size_t elements() const { return elements_; }
  // All parameters, and room for a gradient of all of them: this rank's, of its part of the batch.
  float* params() { return params_.data(); }
  float* grads() { return grads_.data(); }

  // Reduce-scatter: adds the gradients of all ranks, in the order of the ranks, to the sum of which each has its shard.
  // It zeroes grads(). A rank that has nothing to add leaves the zeros there: x + 0 is x.
  void add_gradients() {
    for (int first = 0; first < division_.most_pieces(); first += pieces_a_turn_) {
      const std::size_t size = receive(first) * kPiece;
      float* sum = sum_.data() + static_cast<std::size_t>(first) * kPiece;
      const float* received = received_.data();
      for (int rank = 0; rank < ranks_.count; ++rank, received += size) {
        for (std::size_t i = 0; i < size; ++i) sum[i] += received[i];
      }
    }
    std::fill(grads_.begin(), grads_.end(), 0.0f);
  }

  // Steps this rank's shard by the sum, which becomes 0. All ranks clip by the same norm, and all or none skip.
  radam::StepReport step(radam::StepOptions options) {
    radam::GradSums sums;
    local_.measure(sums);
    MPI_Allreduce(MPI_IN_PLACE, sums.words, 72, MPI_INT64_T, MPI_SUM, ranks_.comm);
    options.grad_sums = &sums;
    options.zero_grad = true;
    return local_.step(options);
  }

  // All-gather: every rank gets the parameters that the others have stepped.
  void gather_params() {
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, params_.data(), counts_.data(), starts_.data(), piece_,
                   ranks_.comm);
  }

  Shard shard() const { return shard_; }
  // This rank's optimizer, for saving and loading.
  radam::Optimizer& local() { return local_; }

 private:
  // The ranks are this program's threads.
  static radam::Options one_thread() {
    radam::Options options;
    options.num_threads = 1;
    return options;
  }

  // A turn of the exchange: sends to each rank pieces of its shard, from this one on, and returns how many pieces this
  // rank has got from each.
  std::size_t receive(int first) {
    const auto pieces = [&](int rank) { return std::clamp(division_.pieces(rank) - first, 0, pieces_a_turn_); };
    const int own = pieces(ranks_.rank);
    std::vector<int> counts, starts, received_counts, received_starts;
    for (int rank = 0; rank < ranks_.count; ++rank) {
      counts.push_back(pieces(rank));
      starts.push_back(division_.first_piece(rank) + first);
      received_counts.push_back(own);
      received_starts.push_back(rank * own);
    }
    MPI_Alltoallv(grads_.data(), counts.data(), starts.data(), piece_, received_.data(), received_counts.data(),
                  received_starts.data(), piece_, ranks_.comm);
    return static_cast<std::size_t>(own);
  }

  Ranks ranks_;
  std::size_t elements_;
  Division division_;
  Shard shard_;
  std::vector<float> params_, grads_;  // of all
  std::vector<float> sum_;             // of the shard
  int pieces_a_turn_;
  std::vector<float> received_;        // a turn's pieces of the shard, from every rank
  std::vector<int> counts_, starts_;   // of all shards, in pieces
  MPI_Datatype piece_ = MPI_DATATYPE_NULL;
  radam::Optimizer local_;  // knows the arrays, so it is freed before them
};

#endif  // SHARDED_OPTIMIZER_HPP
