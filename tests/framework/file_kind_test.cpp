#include "framework/file_kind.hpp"

#include <catch2/catch.hpp>

using namespace unroll;
using namespace std::string_literals;
using Catch::Matchers::StartsWith;

namespace {

// The head of a zip archive whose first member has this name.
std::string zip(const std::string& name, const std::string& content = "") {
  std::string bytes = "PK\x03\x04" + std::string(22, '\0');
  bytes += static_cast<char>(name.size());
  return bytes + std::string(3, '\0') + name + content;
}

std::string utf16(const std::string& ascii, bool big_endian = false) {
  std::string bytes;
  for (const char c : ascii) bytes += big_endian ? std::string{'\0', c} : std::string{c, '\0'};
  return bytes;
}

}  // namespace

TEST_CASE("a file of another kind is named by its first bytes, with what to do about it") {
  const struct {
    std::string bytes, kind;
  } cases[] = {
      {"\x1f\x8b\x08\x00"s, "a gzip file (unpack it: gunzip FILE)"},
      {"BZh91AY&SY", "a bzip2 file"},
      {"BZh9\x17\x72\x45\x38\x50\x90", "a bzip2 file"},
      {"\x04\x22\x4d\x18\x64", "an lz4 file (unpack it: lz4 -d FILE)"},
      {"a,b.csv" + std::string(250, '\0') +
           "ustar\0"
           "00"s,
       "a tar archive (unpack it: tar -xf FILE)"},
      {"a.csv" + std::string(252, '\0') + "ustar  \0"s, "a tar archive"},
      {"MATLAB 5.0 MAT-file, Platform: GLNXA64" + std::string(86, ' ') + "\0\1IM"s, "a MATLAB file"},
      {"GIF89a\x10\0\x10\0"s, "a GIF picture"},
      {"ARROW1\0\0"s, "a Feather file"},
      {"\xfd"
       "7zXZ\0\0"s,
       "an xz file"},
      {"\x28\xb5\x2f\xfd\x04", "a zstd file"},
      {"%PDF-1.7\n", "a PDF document"},
      {"\x89PNG\r\n\x1a\n", "a PNG picture"},
      {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel"},
      {"PAR1\x15", "a Parquet file"},
      {"\x89HDF\r\n\x1a\n", "an HDF5 file"},
      {"\x93NUMPY\x01", "a NumPy .npy file"},
      {zip("table.csv"), "a zip archive (unpack it: unzip FILE)"},
      {zip("x.npy"), "a NumPy .npz archive"},
      {zip("archive/data.pkl"), "a PyTorch file (convert it: python3 -c \"import torch, "},
      {zip("[Content_Types].xml"), "an Excel"},
      {zip("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), "an OpenDocument file"},
      {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", "a PyTorch file"},
      {"\x80\x04\x95\x10", "a Python pickle"},
      {"\x10\0\0\0\0\0\0\0{\"a\":{}}"s, "a safetensors file"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer"},
      {"\xff\xfe" + utf16("a,b\n"), "UTF-16 text (convert it: iconv"},
      {"\xfe\xff" + utf16("a,b\n", true), "UTF-16 text"},
      {utf16("t,price\n1,2.5\n"), "UTF-16 text"},
      {utf16("t,price\n1,2.5\n", true), "UTF-16 text"},
      {"\xff\xfe\0\0a\0\0\0"s, "UTF-32 text"},
      {"<!DOCTYPE html>\n<html>", "an HTML page"},
      {"\n  <HTML lang=\"en\">", "an HTML page"},
      {"\xef\xbb\xbf<!doctype HTML>", "an HTML page"},
      {"<?xml version=\"1.0\"?>\n<!DOCTYPE x>\n<html>", "an HTML page"},
      {"<?xml version=\"1.0\"?>\n<svg>", "an XML file"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.kind);
    CHECK_THAT(file_kind(c.bytes), StartsWith(c.kind));
  }
}

TEST_CASE("plain text is of no other kind") {
  for (const std::string& text : {""s,
                                  "a"s,
                                  "\0"s,
                                  "a,b\n1,2\n"s,
                                  "\xef\xbb\xbfgrad;größe\n1;2\n"s,
                                  "a\0b\0\0c"s,
                                  "<tag> a, b\n"s,
                                  "PK,a\n1,2\n"s,
                                  "Żółw\n"s,
                                  "text with a NUL \0 in it\n"s,
                                  "{\"a\": 1}"s,
                                  "[\n\0\n"s,
                                  "BZ\n"s,
                                  "BZh1,BZh2\n1,2\n"s,
                                  "BZh91AY,x\n1,2\n"s,
                                  "PAR1,PAR2\n1,2\n"s,
                                  "ARROW1,ARROW2\n1,2\n"s,
                                  "GIF89a,x\n1,2\n"s,
                                  "GIF8 is a format\n\f"s,
                                  "%PDF-,x\n1,2\n"s,
                                  "%PDF-1.4,x\n1,2\n"s,
                                  "MATLAB and Octave\n"s,
                                  std::string(257, 'x') + "ustar,x\n",
                                  "\xe6vil\n"s,
                                  "version https://example.org\n"s}) {
    CAPTURE(text);
    CHECK(file_kind(text).empty());
    CHECK_FALSE(is_markup(text));
  }
  CHECK(is_markup("<!doctype html>"));
  CHECK(is_markup(" <?xml version"));
  CHECK_FALSE(is_markup("%PDF-1.4"));
}

TEST_CASE("the beginning of a file is enough") {
  const std::string text = "a,b\n" + std::string(kFileKindBytes, '1') + utf16(std::string(100000, '2'));
  CHECK(file_kind(text).empty());
  CHECK_THAT(file_kind(utf16(std::string(100000, '2'))), StartsWith("UTF-16"));
}
