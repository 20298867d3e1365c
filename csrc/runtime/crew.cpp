#include "crew.hpp"

#include <array>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sched.h>
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

constexpr std::uint64_t one_job = std::uint64_t{1} << 16;  // more than there are workers

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

// Where the first workers of a job run. A thread that is woken up is often put on the CPU of the
// one that woke it, and two that then give way to each other may stay there for seconds.
class Places {
  public:
    // The calling thread is this worker from now on. It leaves a CPU that a worker before it has,
    // if it may run anywhere else.
    void take(std::size_t worker) {
#if defined(__linux__)
        if (worker >= most) return;
        const int here = sched_getcpu();
        bool is_taken = false;
        for (std::size_t w = 0; w < worker; ++w) is_taken |= cpus_[w].load() == here;
        if (is_taken) leave(worker);
        cpus_[worker].store(is_taken ? sched_getcpu() : here);
#else
        (void)worker;
#endif
    }

  private:
#if defined(__linux__)
    void leave(std::size_t worker) const {
        cpu_set_t allowed, others;
        if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
        others = allowed;
        for (std::size_t w = 0; w < worker; ++w) {
            const int cpu = cpus_[w].load();
            if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_CLR(static_cast<std::size_t>(cpu), &others);
        }
        if (CPU_COUNT(&others) == 0) return;
        // Moves at once; and is free again to be moved.
        if (sched_setaffinity(0, sizeof others, &others) == 0) {
            sched_setaffinity(0, sizeof allowed, &allowed);
        }
    }
#endif

    static constexpr std::size_t most = 64;
    std::array<std::atomic<int>, most> cpus_{};
};

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
    // The number of the job, and under it how many workers it has: one word, so that a thread that
    // wakes late never takes the next job for the one that it was not wanted for.
    std::atomic<std::uint64_t> job{0};
    std::atomic<std::size_t> left{0};
    const std::function<void(std::size_t)>* work = nullptr;
    Places places;

    void serve(std::size_t number, std::uint64_t seen) {
        for (;;) {
            for (int i = 0; i < spins && job.load(std::memory_order_acquire) == seen; ++i) {
                pause_briefly();
            }
            job.wait(seen, std::memory_order_acquire);
            seen = job.load(std::memory_order_acquire);
            if (number >= seen % one_job) continue;
            places.take(number);
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
    workers = std::min<std::size_t>(workers, one_job - 1);
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
        members_->places.take(0);
        members_->work = &work;
        members_->left.store(workers_ - 1, std::memory_order_relaxed);
        const std::uint64_t job = members_->job.load(std::memory_order_relaxed) / one_job + 1;
        members_->job.store(job * one_job + workers_, std::memory_order_release);
        members_->job.notify_all();
    }
    work(0);
    if (workers_ > 1) {
        spin_until([&] { return members_->left.load(std::memory_order_acquire) == 0; });
    }
}

}  // namespace bitgrove::runtime
