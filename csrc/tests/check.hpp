// A test is a function that returns nothing and CHECKs; main.cpp lists and runs them.
#pragma once
#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            std::fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                 \
        }                                                                                 \
    } while (false)

struct Test {
    const char* name;
    void (*run)();
};
