// A whole file in memory.
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

namespace bitgrove::c_api {

class FileBytes {
  public:
    // Throws std::runtime_error with the system's reason.
    explicit FileBytes(const char* path) {
        const std::unique_ptr<std::FILE, Close> file(std::fopen(path, "rb"));
        if (!file || std::fseek(file.get(), 0, SEEK_END)) fail();
        const long end = std::ftell(file.get());
        if (end < 0 || std::fseek(file.get(), 0, SEEK_SET)) fail();
        // A folder can be opened, and its size means nothing.
        if (std::fgetc(file.get()) == EOF && std::ferror(file.get())) fail();
        if (std::fseek(file.get(), 0, SEEK_SET)) fail();
        size_ = static_cast<std::size_t>(end);
        bytes_ = std::make_unique_for_overwrite<std::byte[]>(size_);
        if (std::fread(bytes_.get(), 1, size_, file.get()) != size_) {
            throw std::runtime_error("the file changed, or cannot be read to its end");
        }
    }

    std::span<const std::byte> all() const { return {bytes_.get(), size_}; }

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    [[noreturn]] static void fail() { throw std::runtime_error(std::strerror(errno)); }

    std::unique_ptr<std::byte[]> bytes_;
    std::size_t size_ = 0;
};

}  // namespace bitgrove::c_api
