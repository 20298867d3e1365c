#include "prepared.hpp"

#include <algorithm>
#include <new>
#include <system_error>
#include <vector>

namespace bitgrove::graph {

void PreparedIndex::build(std::size_t threads, const Tick& tick) {
    const Changing changing(*this);
    make(threads, tick);
}

void PreparedIndex::make_if_possible(std::size_t threads) {
    try {
        make(threads, {});
    } catch (const std::bad_alloc&) {
    } catch (const std::system_error&) {  // no thread
    }
}

// Rows move up, so it is made anew.
void PreparedIndex::change(const std::int64_t* ids, std::size_t count, const std::uint8_t* rows,
                           std::size_t threads) {
    const Changing changing(*this);
    const std::vector<Row> gone = distinct_rows(ids, count);
    if (rows) rows_.check(rows, count, ids, true);
    const bool had = made_of().has_value();
    drop();
    replace(gone, rows, rows ? count : 0, rows ? ids : nullptr);
    if (had) make_if_possible(threads);
}

void PreparedIndex::add(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                        std::size_t threads, const Tick& tick) {
    FlatIndex::add(rows, count, ids, threads, tick);
    const Changing changing(*this);
    const std::optional<std::size_t> made = made_of();
    if (made && rows_.size() - *made > std::max<std::size_t>(1024, *made / 8)) {
        make_if_possible(threads);
    }
}

void PreparedIndex::remove(const std::int64_t* ids, std::size_t count, std::size_t threads) {
    change(ids, count, nullptr, threads);
}

void PreparedIndex::update(const std::uint8_t* rows, std::size_t count, const std::int64_t* ids,
                           std::size_t threads, const Tick&) {
    change(ids, count, rows, threads);
}

}  // namespace bitgrove::graph
