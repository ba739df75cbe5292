#include "training/tensorboard/record.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "tests/training/tensorboard/wire.hpp"

using namespace unroll;

TEST_CASE("crc32c gives the published values") {
  // RFC 3720, B.4.
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  const unsigned char read_command[48] = {0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
                                          0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                          0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
  CHECK(detail::crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(detail::crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
  CHECK(detail::crc32c(rising) == 0x46dd794eU);
  CHECK(detail::crc32c(falling) == 0x113fdb5cU);
  CHECK(detail::crc32c(std::string(reinterpret_cast<const char*>(read_command), 48)) == 0xd9963a56U);
  // The check value of CRC-32/ISCSI.
  CHECK(detail::crc32c("123456789") == 0xe3069283U);
  CHECK(detail::crc32c("") == 0U);
}

TEST_CASE("the mask of a check is the record format's") {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("a longer text \xff\x80", 16)}) {
    CHECK(detail::crc32c(text) == wire::crc32c(text));
    CHECK(detail::masked_crc32c(text) == wire::masked(text));
  }
  // With these 12 bytes TensorFlow's own event files begin: a record of 24 bytes.
  CHECK(detail::masked_crc32c(std::string("\x18\0\0\0\0\0\0\0", 8)) == 0x224b7fa3U);
}
