#include "crew.hpp"

#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace bitgrove::runtime {
namespace {

void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Some tens of microseconds: longer than a stage is out of step, shorter than a turn of the
// scheduler.
constexpr int spins = 2000;

template <typename Done>
void spin_until(Done done) {
    for (int i = 0; !done(); ++i) {
        if (i < spins) {
            pause_briefly();
        } else {
            std::this_thread::yield();
        }
    }
}

long process() {
#if defined(__unix__) || defined(__APPLE__)
    return static_cast<long>(getpid());
#else
    return 0;
#endif
}

}  // namespace

void Meeting::wait() {
    const std::size_t round = round_.load(std::memory_order_acquire);
    if (here_.fetch_add(1, std::memory_order_acq_rel) + 1 == workers_) {
        here_.store(0, std::memory_order_relaxed);
        round_.fetch_add(1, std::memory_order_release);
    } else {
        spin_until([&] { return round_.load(std::memory_order_acquire) != round; });
    }
}

struct Crew::Members {
    std::mutex taken;
    std::size_t threads = 0;  // started so far, never ended: they sleep
    std::atomic<std::uint64_t> job{0};
    std::atomic<std::size_t> wanted{0}, left{0};
    const std::function<void(std::size_t)>* work = nullptr;

    void serve(std::size_t number, std::uint64_t seen) {
        for (;;) {
            for (int i = 0; i < spins && job.load(std::memory_order_acquire) == seen; ++i) {
                pause_briefly();
            }
            job.wait(seen, std::memory_order_acquire);
            seen = job.load(std::memory_order_acquire);
            if (number >= wanted.load(std::memory_order_relaxed)) continue;
            (*work)(number);
            left.fetch_sub(1, std::memory_order_release);
        }
    }
};

// Threads do not survive a fork: a child gets a crew of its own.
Crew::Members& Crew::members() {
    static std::mutex guard;
    static Members* current = nullptr;
    static long owner = 0;
    const std::lock_guard lock(guard);
    if (!current || owner != process()) {
        current = new Members;  // lives as long as the process: its threads use it
        owner = process();
    }
    return *current;
}

Crew::Crew(std::size_t workers) {
    if (workers <= 1) return;
    Members& all = members();
    if (!all.taken.try_lock()) return;
    members_ = &all;
    try {
        while (all.threads + 1 < workers) {
            const std::size_t number = all.threads + 1;
            const std::uint64_t seen = all.job.load(std::memory_order_relaxed);
            std::thread([&all, number, seen] { all.serve(number, seen); }).detach();
            ++all.threads;
        }
    } catch (const std::system_error&) {
        // No more threads to be had: those that started do it all.
    }
    workers_ = std::min(workers, all.threads + 1);
}

Crew::~Crew() {
    if (members_) members_->taken.unlock();
}

void Crew::run(const std::function<void(std::size_t)>& work) const {
    if (workers_ > 1) {
        members_->work = &work;
        members_->wanted.store(workers_, std::memory_order_relaxed);
        members_->left.store(workers_ - 1, std::memory_order_relaxed);
        members_->job.fetch_add(1, std::memory_order_release);
        members_->job.notify_all();
    }
    work(0);
    if (workers_ > 1) {
        spin_until([&] { return members_->left.load(std::memory_order_acquire) == 0; });
    }
}

}  // namespace bitgrove::runtime
