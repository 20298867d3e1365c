#include "stage.hpp"

#include <array>

#include "aligned.hpp"

namespace bitgrove::runtime {
namespace {

class TileSink : public Sink {
  public:
    TileSink(const Kernels& kernels, const Stage& stage, std::span<const View> views,
             const View* ring, float* room)
        : kernels_(kernels),
          stage_(stage),
          views_(views),
          ring_(ring),
          room_(room),
          last_(stage.direct_value()) {
        if (ring) {
            direct_ = ring;
        } else if (last_ && !stage.in_place) {
            direct_ = &views[last_];
        }
    }

    void place(Tile& tile) override {
        if (direct_) {
            tile.data = target(*direct_, tile);
            tile.stride = numbers(direct_->pixel);
            tile.row_stride = numbers(direct_->row);
            tile.rows_here =
                direct_->ring ? direct_->ring - tile.y % direct_->ring : stage_.shape().h - tile.y;
        } else {
            tile.data = room_;
            tile.stride = tile.channels;
        }
    }

    void take(const Tile& tile) override {
        Tile now = tile;
        const auto& actions = stage_.actions;
        for (std::size_t i = 0; i < actions.size(); ++i) {
            const Action& action = actions[i];
            switch (action.kind) {
                case Action::Kind::step: {
                    const auto* step = static_cast<const Step*>(action.op);
                    if (action.moves) {
                        const View& view = views_[actions[i + 1].value];
                        now.to = target(view, now);
                        now.to_stride = numbers(view.pixel);
                    }
                    apply(*step, action, now);
                    break;
                }
                case Action::Kind::store:
                    store(views_[action.value], now);
                    break;
                case Action::Kind::pack:
                    static_cast<const Packer*>(action.op)->pack(kernels_, now,
                                                                views_[action.value]);
                    break;
            }
        }
        if (ring_) store(*ring_, now);
    }

  private:
    static std::size_t numbers(std::ptrdiff_t bytes) {
        return static_cast<std::size_t>(bytes) / sizeof(float);
    }

    void apply(const Step& step, const Action& action, Tile& tile) const {
        std::array<View, 2> others;
        for (std::size_t i = 0; i < action.others.size(); ++i) others[i] = views_[action.others[i]];
        step.apply(kernels_, {others.data(), action.others.size()}, tile);
        if (!tile.to) return;
        tile.data = tile.to;
        tile.stride = tile.to_stride;
        tile.to = nullptr;
    }

    static float* target(const View& view, const Tile& tile) {
        return view.real(distance(tile.z), distance(tile.y), distance(tile.x)) + tile.channel;
    }

    static void store(const View& view, const Tile& tile) {
        float* to = target(view, tile);
        if (to == tile.data) return;
        const std::size_t step = numbers(view.pixel);
        for (std::size_t p = 0; p < tile.pixels; ++p) {
            std::copy_n(tile.data + p * tile.stride, tile.channels, to + p * step);
        }
    }

    const Kernels& kernels_;
    const Stage& stage_;
    std::span<const View> views_;
    const View* ring_;
    float* room_;
    const std::size_t last_;  // the value that the tiles are at the end, or 0
    const View* direct_ = nullptr;
};

}  // namespace

bool Stage::splits_channels() const {
    if (bit_op || source || !producer->splits_channels()) return false;
    for (const Action& action : actions) {
        if (action.kind == Action::Kind::pack && action.op->result.groups != 1) return false;
    }
    return true;
}

std::size_t Stage::direct_value() const {
    std::size_t value = 0;
    for (const Action& action : actions) {
        if (action.kind == Action::Kind::step) value = 0;
        if (action.kind == Action::Kind::store) value = action.value;
    }
    return value;
}

std::size_t Stage::tile_bytes() const {
    return whole_lines(std::max(tile_numbers, shape().c) * sizeof(float));
}

std::size_t Stage::scratch_bytes() const {
    if (bit_op) return whole_lines(bit_op->scratch_bytes());
    std::size_t bytes = tile_bytes() + whole_lines(producer->scratch_bytes());
    if (source) bytes += ring_bytes() + source->scratch_bytes();
    return bytes;
}

std::size_t Stage::ring_bytes() const {
    return whole_lines(ring_rows * source->shape().w * source->shape().c * sizeof(float));
}

Work Stage::work() const {
    Work sum = bit_op ? bit_op->work() : producer->work();
    if (source) {
        const Work more = source->work();
        sum.binary_macs += more.binary_macs;
        sum.real_macs += more.real_macs;
        sum.weight_bytes += more.weight_bytes;
    }
    return sum;
}

std::size_t Stage::bytes_moved(std::span<const Layout> layouts) const {
    std::size_t bytes = bit_op ? layouts[bits_out].value.bytes() : 0;
    for (const std::size_t input : source ? source->inputs : inputs) {
        // The image is no value: it is as large as what is made of it.
        bytes += input < layouts.size() ? layouts[input].value.bytes() : layouts[0].value.bytes();
    }
    for (const Stage* stage = this; stage; stage = stage->source.get()) {
        for (const Action& action : stage->actions) {
            for (const std::size_t other : action.others) bytes += layouts[other].value.bytes();
            if (action.kind != Action::Kind::step) bytes += layouts[action.value].value.bytes();
        }
    }
    return bytes + work().weight_bytes;
}

void Stage::run(const Kernels& kernels, std::span<const View> views, const Part& part,
                std::byte* scratch) const {
    if (bit_op) {
        bit_op->run({kernels, views, inputs, nullptr, scratch}, part, views[bits_out]);
    } else if (source) {
        stream(kernels, views, part, scratch);
    } else {
        produce(kernels, views, part, scratch, nullptr, nullptr);
    }
}

// Some rows at a time, after those of the source that they read.
void Stage::stream(const Kernels& kernels, std::span<const View> views, const Part& part,
                   std::byte* scratch) const {
    const Shape& from = source->shape();
    View ring;
    ring.origin = scratch;
    ring.pixel = distance(from.c * sizeof(float));
    ring.row = distance(from.w) * ring.pixel;
    ring.ring = ring_rows;
    std::byte* const source_scratch = scratch + ring_bytes();
    std::byte* const own_scratch = source_scratch + source->scratch_bytes();
    std::size_t next = 0;  // the first row of the source that was not made yet
    for (std::size_t y = part.first_row; y < part.last_row;) {
        Range wanted = producer->rows_read(y);
        std::size_t end = y + 1;
        for (; end < part.last_row; ++end) {
            const std::size_t last = producer->rows_read(end).last;
            if (last - wanted.first > ring_rows) break;
            wanted.last = last;
        }
        next = std::max(next, wanted.first);
        if (next < wanted.last) {
            const Part rows{next, wanted.last, 0, from.c};
            source->produce(kernels, views, rows, source_scratch, nullptr, &ring);
            next = wanted.last;
        }
        const Part rows{y, end, part.first_channel, part.last_channel};
        produce(kernels, views, rows, own_scratch, &ring, nullptr);
        y = end;
    }
}

void Stage::produce(const Kernels& kernels, std::span<const View> views, const Part& part,
                    std::byte* scratch, const View* from, const View* to) const {
    TileSink sink(kernels, *this, views, to, reinterpret_cast<float*>(scratch));
    producer->run({kernels, views, inputs, from, scratch + tile_bytes()}, part, sink);
}

}  // namespace bitgrove::runtime
