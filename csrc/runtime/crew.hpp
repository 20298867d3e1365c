// Threads that wait for work: one small crew for the whole process.
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>

namespace bitgrove::runtime {

// Where the workers of one job meet: nobody goes on before all have come. Whoever comes early spins
// for a while and then gives way.
class Meeting {
  public:
    explicit Meeting(std::size_t workers) : workers_(workers) {}
    void wait();

  private:
    const std::size_t workers_;
    std::atomic<std::size_t> here_{0}, round_{0};
};

// Calls work(i) for every i below `workers` at the same time, 0 in the caller's thread, and returns
// when all are done. `work` must not throw.
class Crew {
  public:
    // Up to `workers` of them, the caller included, until the destructor: fewer if another caller
    // has the crew, or if threads cannot be had.
    explicit Crew(std::size_t workers);
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    std::size_t workers() const { return workers_; }
    void run(const std::function<void(std::size_t)>& work) const;

  private:
    struct Members;
    static Members& members();

    Members* members_ = nullptr;  // null for the caller alone
    std::size_t workers_ = 1;
};

}  // namespace bitgrove::runtime
