#include "memory.hpp"

#include "contexts.hpp"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace stand_in {
namespace {

const size_t PAGE = static_cast<size_t>(sysconf(_SC_PAGESIZE));
constexpr size_t ALIGNMENT = 256, MOST_ADDRESSES = size_t{1} << 38, LEAST_ADDRESSES = size_t{1} << 32;
constexpr unsigned char FRESH = 0xa5, AROUND = 0xc3;

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

void *at(uintptr_t address) { return reinterpret_cast<void *>(address); }

// Whether the first byte is right, and each one like the one before it.
bool is_filled(uintptr_t from, uintptr_t to) {
  auto bytes = static_cast<const unsigned char *>(at(from));
  return from == to || (bytes[0] == AROUND && std::memcmp(bytes, bytes + 1, to - from - 1) == 0);
}

}  // namespace

// Addresses without memory. Valgrind has fewer of them.
bool Memory::reserve() {
  for (addresses_ = MOST_ADDRESSES; addresses_ >= LEAST_ADDRESSES; addresses_ /= 2) {
    void *reserved = mmap(nullptr, addresses_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) continue;
    first_ = next_ = reinterpret_cast<uintptr_t>(reserved);
    return true;
  }
  return false;
}

uintptr_t Memory::allocate(size_t bytes, CUctx_st *context, uint64_t life) {
  if (first_ == 0 && !reserve()) return 0;
  if (bytes > addresses_) return 0;
  size_t page_bytes = round_up(bytes, PAGE);
  if (page_bytes + PAGE > first_ + addresses_ - next_) return 0;
  if (mprotect(at(next_), page_bytes, PROT_READ | PROT_WRITE) != 0) return 0;
  Allocation allocation = {};
  allocation.pages = next_;
  allocation.page_bytes = page_bytes;
  allocation.start = next_ + page_bytes - round_up(bytes, ALIGNMENT);
  allocation.bytes = bytes;
  allocation.context = context;
  allocation.life = life;
  allocation.id = ++last_id_;
  std::memset(at(allocation.pages), AROUND, page_bytes);
  std::memset(at(allocation.start), FRESH, bytes);
  if (closed_) mprotect(at(next_), page_bytes, PROT_NONE);
  next_ += page_bytes + PAGE;
  allocations_.emplace(allocation.start, allocation);
  return allocation.start;
}

void Memory::free(uintptr_t start) {
  const Allocation &allocation = allocations_.at(start);
  madvise(at(allocation.pages), allocation.page_bytes, MADV_DONTNEED);
  mprotect(at(allocation.pages), allocation.page_bytes, PROT_NONE);
  open_.erase(std::remove(open_.begin(), open_.end(), start), open_.end());
  allocations_.erase(start);
}

Allocation *Memory::find(uintptr_t address) {
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  Allocation &allocation = std::prev(after)->second;
  return address - allocation.start < allocation.bytes ? &allocation : nullptr;
}

bool Memory::has(uintptr_t address, size_t bytes) {
  const Allocation *allocation = find(address);
  return allocation != nullptr && allocation->life == allocation->context->life &&
         bytes <= allocation->bytes - (address - allocation->start);
}

void Memory::open(Allocation &allocation) {
  if (!closed_ || allocation.open) return;
  mprotect(at(allocation.pages), allocation.page_bytes, PROT_READ | PROT_WRITE);
  allocation.open = true;
  open_.push_back(allocation.start);
}

void Memory::open_all(const CUctx_st *context) {
  for (auto &[start, allocation] : allocations_) {
    if (allocation.context == context && allocation.life == context->life) open(allocation);
  }
}

std::string Memory::close() {
  std::string damaged;
  for (uintptr_t start : open_) {
    Allocation &allocation = allocations_.at(start);
    if (damaged.empty()) damaged = damage(allocation);
    allocation.open = false;
  }
  // All at once, with the pages between, which nobody may touch anyway.
  if (!open_.empty()) mprotect(at(first_), next_ - first_, PROT_NONE);
  open_.clear();
  return damaged;
}

std::string Memory::damage(const Allocation &allocation) const {
  uintptr_t end = allocation.start + allocation.bytes;
  bool before = !is_filled(allocation.pages, allocation.start);
  bool after = !is_filled(end, allocation.pages + allocation.page_bytes);
  if (!before && !after) return "";
  return std::string("something was written ") + (before ? "before the start" : "after the end") +
         " of an allocation of " + std::to_string(allocation.bytes) + " bytes";
}

std::string Memory::place_of(uintptr_t address) const {
  auto after = allocations_.upper_bound(address);
  if (after != allocations_.begin()) {
    const Allocation &before = std::prev(after)->second;
    uintptr_t end = before.start + before.bytes;
    std::string it = "an allocation of " + std::to_string(before.bytes) + " bytes of device " +
                     std::to_string(before.context->device);
    if (address < end) return "in " + it;
    if (address < before.pages + before.page_bytes + PAGE) {
      return std::to_string(address - end) + " bytes after the end of " + it;
    }
  }
  return address - first_ < addresses_ ? "in memory that was freed or never allocated" : "elsewhere";
}

uint64_t Memory::bytes() const { return bytes_of(nullptr); }

uint64_t Memory::bytes_of(const CUctx_st *context) const {
  uint64_t bytes = 0;
  for (const auto &[start, allocation] : allocations_) {
    if (context == nullptr || allocation.context == context) bytes += allocation.bytes;
  }
  return bytes;
}

}  // namespace stand_in
