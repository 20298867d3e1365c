// A process may be forked while its threads search and change indexes. The child has only the
// thread that forked; what the others held in the parent would stay locked in it. So a fork waits
// until no change is in a moment that it does alone, and the child makes the locks anew. It can
// search what was searchable; an index that was in the middle of a change it cannot change.
#include "fork.hpp"

#include <unordered_set>

#include "index.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace bitgrove::graph {
namespace {

struct Alive {
    std::mutex lock;
    std::unordered_set<Index*> indexes;
};

Alive& alive() {
    static Alive* const all = new Alive;  // never destroyed: a fork may come late
    return *all;
}

void before() {
    alive().lock.lock();
    for (Index* index : alive().indexes) index->before_fork();
}

void in_parent() {
    for (Index* index : alive().indexes) index->after_fork_in_parent();
    alive().lock.unlock();
}

void in_child() {
    renew(alive().lock);
    for (Index* index : alive().indexes) index->after_fork_in_child();
}

}  // namespace

Index::Index(const Format& format) : rows_(format) {
#if !defined(_WIN32)
    static const int once = pthread_atfork(&before, &in_parent, &in_child);
    static_cast<void>(once);
#endif
    const std::lock_guard guard(alive().lock);
    alive().indexes.insert(this);
}

Index::~Index() {
    const std::lock_guard guard(alive().lock);
    alive().indexes.erase(this);
}

// Not through the gate: a change that waits there may wait for a search that waits for Python.
void Index::before_fork() {
    lock_.lock_shared();
}

void Index::after_fork_in_parent() {
    lock_.unlock_shared();
}

void Index::after_fork_in_child() {
    torn_ = torn_ || changer_.load() != std::thread::id{};
    changer_ = std::thread::id{};
    renew(changes_);
    renew(gate_);
    renew(lock_);
}

void FanngIndex::after_fork_in_child() {
    Index::after_fork_in_child();
    renew(idle_lock_);
    renew(idle_);  // another thread may have been at it
}

}  // namespace bitgrove::graph
