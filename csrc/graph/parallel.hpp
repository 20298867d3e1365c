// Splits independent work over threads. The caller's thread works too, and reports progress.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bitgrove::graph {

// Called now and then on the caller's thread; may throw to stop the work. May be empty.
using Tick = std::function<void(std::size_t done, std::size_t total, const char* stage)>;

// Calls work(begin, end, worker) for blocks of 0 .. n, worker in 0 .. threads. Rethrows the first
// exception of any worker, or of the tick, after all have stopped.
template <typename Work>
void parallel_blocks(std::size_t n, std::size_t block, std::size_t threads, const char* stage,
                     const Tick& tick, Work work) {
    const std::size_t blocks = (n + block - 1) / block;
    threads = std::max<std::size_t>(1, std::min(threads, blocks));
    std::atomic<std::size_t> next{0};
    std::atomic<bool> stop{false};
    std::exception_ptr error;
    std::mutex error_lock;
    const auto run = [&](std::size_t worker) {
        try {
            while (!stop.load(std::memory_order_relaxed)) {
                const std::size_t b = next.fetch_add(1, std::memory_order_relaxed);
                if (b >= blocks) break;
                work(b * block, std::min(n, (b + 1) * block), worker);
                if (worker == 0 && tick && b + 1 < blocks) tick((b + 1) * block, n, stage);
            }
        } catch (...) {
            stop = true;
            const std::lock_guard guard(error_lock);
            if (!error) error = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> others;  // joined here, also if starting one throws
        try {
            for (std::size_t t = 1; t < threads; ++t) others.emplace_back(run, t);
        } catch (...) {
            stop = true;
            throw;
        }
        run(0);
    }
    if (error) std::rethrow_exception(error);
    if (tick) tick(n, n, stage);
}

}  // namespace bitgrove::graph
