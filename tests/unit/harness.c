/* The harness, tested by running tests/harness/specimen.c, whose tests misbehave on purpose. */
#include "test.h"
TEST(placeholder) { CHECK(1); }
