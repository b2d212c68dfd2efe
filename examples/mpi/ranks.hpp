// The processes of a run, which MPI calls ranks.
//
// SPDX: MIT OR Apache-2.0
#ifndef RANKS_HPP
#define RANKS_HPP

#define OMPI_SKIP_MPICXX 1  // leaves out MPI's old C++ interface, which has warnings
#include <mpi.h>

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>

// An error that every rank throws at the same place, so that none waits for one that has given up.
struct CommonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Ranks {
  explicit Ranks(MPI_Comm communicator) : comm(communicator) {
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &count);
  }

  // Calls work on every rank. If it throws on any of them, all throw what the first of these has to say. The work must
  // not wait for other ranks.
  template <typename Work>
  void together(Work work) const {
    std::string error;
    int first_failed = count;
    try {
      work();
    } catch (const std::exception& failure) {
      error = failure.what();
      first_failed = rank;
    }
    MPI_Allreduce(MPI_IN_PLACE, &first_failed, 1, MPI_INT, MPI_MIN, comm);
    if (first_failed == count) return;
    int size = static_cast<int>(error.size());
    MPI_Bcast(&size, 1, MPI_INT, first_failed, comm);
    error.resize(static_cast<std::size_t>(size));
    MPI_Bcast(error.data(), size, MPI_CHAR, first_failed, comm);
    throw CommonError("rank " + std::to_string(first_failed) + " failed: " + error);
  }

  MPI_Comm comm;
  int rank = 0, count = 1;
};

#endif  // RANKS_HPP
