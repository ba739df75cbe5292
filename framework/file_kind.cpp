#include "framework/file_kind.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace unroll {
namespace {

using namespace std::string_view_literals;

constexpr const char* kTorch =
    "a PyTorch file (convert it: python3 -c \"import torch, safetensors.torch as s; "
    "s.save_file(torch.load('FILE', 'cpu'), 'NEW.safetensors')\")";
constexpr const char* kUtf16 = "UTF-16 text (convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW)";
constexpr const char* kWebPage = "an HTML page (was it downloaded from the right address?)";

struct Magic {
  std::string_view bytes;
  const char* kind;
};

// Kinds by their first bytes.
constexpr std::array kMagic{
    Magic{"\x1f\x8b"sv, "a gzip file (unpack it: gunzip FILE)"},
    Magic{"\xfd"
          "7zXZ\0"sv,
          "an xz file (unpack it: unxz FILE)"},
    Magic{"\x28\xb5\x2f\xfd"sv, "a zstd file (unpack it: unzstd FILE)"},
    Magic{"\x04\x22\x4d\x18"sv, "an lz4 file (unpack it: lz4 -d FILE)"},
    Magic{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive (unpack it: 7z x FILE)"},
    Magic{"Rar!\x1a\x07"sv, "a RAR archive (unpack it)"},
    Magic{"\x89PNG\r\n\x1a\n"sv, "a PNG picture"},
    Magic{"\xff\xd8\xff"sv, "a JPEG picture"},
    Magic{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, "an old Excel or Word file (save it as CSV, UTF-8)"},
    Magic{"ARROW1\0\0"sv,
          "a Feather file (convert it: pandas.read_feather('FILE').to_csv('NEW.csv', index=False))"},
    Magic{"SQLite format 3\0"sv, "an SQLite database"},
    Magic{"\x89HDF\r\n\x1a\n"sv, "an HDF5 file (for example from Keras or MATLAB)"},
    Magic{"\x93NUMPY"sv, "a NumPy .npy file"},
    Magic{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv, kTorch},
    Magic{"version https://git-lfs.github.com/spec/"sv,
          "a Git LFS pointer, not the file itself (fetch it: git lfs pull)"},
    Magic{"\x00\x00\xfe\xff"sv, "UTF-32 text (convert it: iconv -f UTF-32 -t UTF-8 FILE > NEW)"},
    Magic{"\xff\xfe\x00\x00"sv, "UTF-32 text (convert it: iconv -f UTF-32 -t UTF-8 FILE > NEW)"},
    Magic{"\xff\xfe"sv, kUtf16},
    Magic{"\xfe\xff"sv, kUtf16},
};

// Kinds whose first letters may also begin a text: recognised only if bytes follow that no text has.
constexpr std::array kWordMagic{
    Magic{"PAR1"sv,
          "a Parquet file (convert it: pandas.read_parquet('FILE').to_csv('NEW.csv', index=False))"},
    Magic{"GIF87a"sv, "a GIF picture"},
    Magic{"GIF89a"sv, "a GIF picture"},
    Magic{"MATLAB "sv, "a MATLAB file (convert it: in MATLAB, writematrix(x, 'NEW.csv'))"},
};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Whether there are control characters that do not occur in text.
bool is_binary(std::string_view bytes) noexcept {
  return std::any_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && (byte < '\t' || byte > '\r') && byte != 0x1b;
  });
}

// A level and the mark of the first block, or of the end if there is none.
bool is_bzip2(std::string_view bytes) noexcept {
  if (!bytes.starts_with("BZh") || bytes.size() < 10 || !is_digit(bytes[3]) || bytes[3] == '0') return false;
  const std::string_view mark = bytes.substr(4, 6);
  return mark == "1AY&SY" || mark == "\x17\x72\x45\x38\x50\x90";
}

// The whole first line is the version.
bool is_pdf(std::string_view bytes) noexcept {
  return bytes.size() > 8 && bytes.starts_with("%PDF-") && is_digit(bytes[5]) && bytes[6] == '.' &&
         is_digit(bytes[7]) && (bytes[8] == '\r' || bytes[8] == '\n' || bytes[8] == ' ');
}

bool is_tar(std::string_view bytes) noexcept {
  constexpr std::size_t kAt = 257;
  return bytes.size() > kAt &&
         (bytes.substr(kAt).starts_with("ustar\0"sv) || bytes.substr(kAt).starts_with("ustar  \0"sv));
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// A zip archive, by the name of its first member.
const char* kind_of_zip(std::string_view bytes) {
  constexpr std::size_t kNameLength = 26, kName = 30;
  std::string_view name, content;
  if (bytes.size() > kName) {
    const auto length = static_cast<std::size_t>(little_endian(bytes.substr(kNameLength, 2)));
    name = bytes.substr(kName, length);
    content = bytes.substr(std::min(bytes.size(), kName + length));
  }
  if (name.ends_with(".pkl") || name.ends_with("/.format_version") || name.ends_with("/byteorder"))
    return kTorch;
  if (name.ends_with(".npy")) return "a NumPy .npz archive";
  if (name.starts_with("[Content_Types]") || name.starts_with("xl/") || name.starts_with("_rels/"))
    return "an Excel or Word file (save it as CSV, UTF-8)";
  if (name == "mimetype" && content.find("opendocument") != std::string_view::npos)
    return "an OpenDocument file (save it as CSV, UTF-8)";
  return "a zip archive (unpack it: unzip FILE)";
}

// Text with two bytes per character: an ASCII letter, a digit or a comma has one zero byte.
bool is_utf16_without_mark(std::string_view bytes) {
  const std::size_t pairs = bytes.size() / 2;
  std::size_t zeros[2] = {0, 0};
  for (std::size_t i = 0; i < 2 * pairs; ++i)
    if (bytes[i] == '\0') ++zeros[i % 2];
  const std::size_t count = zeros[0] + zeros[1];
  return count >= 2 && std::min(zeros[0], zeros[1]) == 0 && 5 * count >= 2 * pairs;
}

// Whether text begins with word in any case; word is in lower case.
bool begins(std::string_view text, std::string_view word) noexcept {
  return text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin(), [](char w, char c) {
           return w == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
         });
}

std::string_view without_space(std::string_view text) noexcept {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text;
}

bool is_html(std::string_view text) noexcept {
  return begins(text, "<!doctype html") || begins(text, "<html") || begins(text, "<head") ||
         begins(text, "<body");
}

}  // namespace

std::string file_kind(std::string_view first_bytes) {
  const std::string_view bytes = first_bytes.substr(0, kFileKindBytes);
  for (const auto& [magic, kind] : kMagic) {
    if (bytes.starts_with(magic)) return kind;
  }
  for (const auto& [magic, kind] : kWordMagic) {
    if (bytes.starts_with(magic) && is_binary(bytes)) return kind;
  }
  if (is_bzip2(bytes)) return "a bzip2 file (unpack it: bunzip2 FILE)";
  if (is_pdf(bytes)) return "a PDF document";
  if (is_tar(bytes)) return "a tar archive (unpack it: tar -xf FILE)";
  if (bytes.starts_with("PK\x03\x04")) return kind_of_zip(bytes);
  if (bytes.starts_with("PK\x05\x06")) return "an empty zip archive";
  if (bytes.size() >= 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5) return "a Python pickle";
  if (bytes.size() > 10 && bytes.substr(8).starts_with("{\"") &&
      little_endian(bytes.substr(0, 8)) < 100000000)
    return kSafetensorsKind;
  if (!bytes.starts_with("\xef\xbb\xbf") && is_utf16_without_mark(bytes)) return kUtf16;
  const std::string_view text = without_space(bytes);
  if (is_html(text)) return kWebPage;
  if (begins(text, "<?xml")) return text.find("<html") != std::string_view::npos ? kWebPage : "an XML file";
  return {};
}

bool is_markup(std::string_view first_bytes) noexcept {
  const std::string_view text = without_space(first_bytes.substr(0, kFileKindBytes));
  return is_html(text) || begins(text, "<?xml");
}

}  // namespace unroll
