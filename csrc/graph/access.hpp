// How a change that runs beside searches asks them to wait for a moment.
#pragma once
#include <mutex>
#include <shared_mutex>

namespace bitgrove::graph {

class Access {
  public:
    Access() = default;  // where nothing is searched
    Access(std::mutex& gate, std::shared_mutex& lock) : gate_(&gate), lock_(&lock) {}

    // While what it returns is alive, no search runs. Never waits for anything in the meantime.
    std::unique_lock<std::shared_mutex> alone() const {
        if (!lock_) return {};
        const std::lock_guard turn(*gate_);
        return std::unique_lock(*lock_);
    }
    bool shared() const { return lock_ != nullptr; }

  private:
    std::mutex* gate_ = nullptr;
    std::shared_mutex* lock_ = nullptr;
};

}  // namespace bitgrove::graph
