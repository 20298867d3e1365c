// The unit of fused work: some pixels of one row of a result, and some of their channels.
#pragma once
#include <algorithm>
#include <cstddef>

#include "bitgrove/pointwise.hpp"
#include "value.hpp"

namespace bitgrove::runtime {

struct Tile {
    std::size_t z, y, x;  // of the first pixel
    std::size_t pixels;   // of one row
    std::size_t channel, channels;
    float* data = nullptr;
    std::size_t stride = 0;      // numbers from one pixel to the next
    std::size_t row_stride = 0;  // and from one row to the next, of the rows that have room here
    std::size_t rows_here = 0;   // this one included; 0: unknown, for the pixels of this tile only

    float* to = nullptr;  // where the next step writes, if not in place
    std::size_t to_stride = 0;

    Rows rows() const { return {data, stride, pixels, channels, to, to_stride}; }
};

// What takes the tiles of a result, in any order: it applies the steps that follow, and stores.
class Sink {
  public:
    // Where the producer may compute this tile: sets data and stride. The room is there until the
    // tile is taken.
    virtual void place(Tile& tile) = 0;
    virtual void take(const Tile& tile) = 0;

  protected:
    ~Sink() = default;
};

// A tile in first-level cache.
constexpr std::size_t tile_numbers = 4096;

// Pixels of a row in each tile: all of about the same width.
inline std::size_t tile_width(std::size_t width, std::size_t channels) {
    const std::size_t most = std::max<std::size_t>(1, tile_numbers / channels);
    const std::size_t parts = (width + most - 1) / most;
    return (width + parts - 1) / parts;
}

// Rows (counted through the planes) and channels of a result, for one worker.
struct Part {
    std::size_t first_row, last_row;
    std::size_t first_channel, last_channel;
};

// Calls visit(z, y) for the rows of a part.
template <typename F>
void each_row(const Part& part, const Shape& shape, F visit) {
    for (std::size_t row = part.first_row; row < part.last_row; ++row) {
        visit(row / shape.h, row % shape.h);
    }
}

// Hands the part to the sink tile by tile; compute(tile) fills tile.data. All pixels of some
// channels come before the next channels, `channels_at_once` of them (whole sixty-fours; 0: all).
template <typename F>
void each_tile(const Part& part, const Shape& shape, Sink& sink, F compute,
               std::size_t channels_at_once = 0) {
    const std::size_t all = part.last_channel - part.first_channel;
    const std::size_t block = channels_at_once ? channels_at_once : all;
    for (std::size_t c = part.first_channel; c < part.last_channel; c += block) {
        const std::size_t channels = std::min(block, part.last_channel - c);
        const std::size_t width = tile_width(shape.w, channels);
        each_row(part, shape, [&](std::size_t z, std::size_t y) {
            for (std::size_t x = 0; x < shape.w; x += width) {
                Tile tile{z, y, x, std::min(width, shape.w - x), c, channels};
                sink.place(tile);
                compute(tile);
                sink.take(tile);
            }
        });
    }
}

// Room for rows of results, all pixels of each and up to 64 channels.
struct RowRoom {
    float* data;
    std::size_t rows;
};

// Hands some rows of a plane, from (z, y) on, to the sink, 64 channels and many rows at a time;
// compute(tile, r, count) fills the tile's pixels in rows y + r to y + r + count - 1. They are made
// in place where that can be, else in the room.
template <typename F>
void each_block(std::size_t z, std::size_t y, std::size_t rows, const Part& part,
                const Shape& shape, const RowRoom& room, Sink& sink, F compute) {
    for (std::size_t c = part.first_channel; c < part.last_channel; c += 64) {
        for (std::size_t r = 0; r < rows;) {
            Tile tile{z, y + r, 0, shape.w, c, std::min<std::size_t>(64, part.last_channel - c)};
            sink.place(tile);
            std::size_t count = std::min(rows - r, tile.rows_here);
            if (count == 0) {
                count = std::min(rows - r, room.rows);
                tile.data = room.data;
                tile.stride = 64;
                tile.row_stride = shape.w * 64;
            }
            compute(tile, r, count);
            r += count;
            for (; count > 0; --count) {
                sink.take(tile);
                ++tile.y;
                tile.data += tile.row_stride;
            }
        }
    }
}

}  // namespace bitgrove::runtime
