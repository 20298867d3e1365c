// Memory between pages that must not be touched: sanitizers do not see what a matrix unit reads.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>

#include "check.hpp"

// n numbers with nothing readable right after them, or else right before them.
template <class T>
class Fenced {
  public:
    Fenced(std::size_t n, bool at_end) : n_(n) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t inside = (n * sizeof(T) + page - 1) / page * page;
        bytes_ = inside + 2 * page;
        base_ = static_cast<char*>(
            mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        CHECK(base_ != MAP_FAILED);
        // An emulator may refuse to protect nothing.
        CHECK(inside == 0 || mprotect(base_ + page, inside, PROT_READ | PROT_WRITE) == 0);
        data_ = reinterpret_cast<T*>(base_ + page + (at_end ? inside - n * sizeof(T) : 0));
    }
    Fenced(const Fenced&) = delete;
    Fenced& operator=(const Fenced&) = delete;
    ~Fenced() { munmap(base_, bytes_); }

    T* data() { return data_; }
    std::size_t size() const { return n_; }

  private:
    std::size_t n_, bytes_;
    char* base_;
    T* data_;
};
