// Files made to break readers: deep, wide, huge in what they claim, tiny in size. None is above a few
// megabytes.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/packed.hpp"

namespace unroll::hostile {

struct File {
  std::string family;  // the harness whose readers it is for
  std::string name, bytes;
};

inline std::string nested(std::size_t depth, const std::string& open = "[", const std::string& close = "]") {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

// n things, item(0) to item(n-1), with commas between.
template <class F>
std::string list(std::size_t n, F&& item) {
  std::string text;
  for (std::size_t i = 0; i < n; ++i) text.append(i > 0 ? "," : "").append(item(i));
  return text;
}

constexpr std::size_t kDeep = 200'000;  // beyond 8 MiB of stack, if each level takes 50 bytes
constexpr std::size_t kWide = 400'000;  // what is quadratic takes minutes; sanitizers take fewer

inline std::string safetensors(const std::string& header) { return little(header.size(), 8) + header; }
inline std::string with_metadata(const std::string& key, const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '"' ? std::string("\\\"") : std::string(1, c);
  return safetensors(fmt::format(R"({{"__metadata__":{{"{}":"{}"}}}})", key, escaped));
}
inline std::string npy(const std::string& header, const std::string& elements = "") {
  return std::string("\x93NUMPY\1\0", 8) + little(header.size(), 2) + header + elements;
}
inline std::string npy_header(const std::string& type, const std::string& shape) {
  return fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}\n", type, shape);
}
inline std::string idx(int type, const std::vector<std::uint64_t>& shape, const std::string& elements = "") {
  std::string text{'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (const std::uint64_t size : shape) text += big(size, 4);
  return text + elements;
}

// The members of a run's state, with sound values.
inline std::vector<std::pair<std::string, std::string>> state_members() {
  return {{"epoch", "1"},
          {"batch", "0"},
          {"step", "0"},
          {"batches", "1"},
          {"loss", R"("0")"},
          {"weight", R"("0")"},
          {"grad_norm", R"("0")"},
          {"steps", "0"},
          {"metrics", "{}"},
          {"plateau", R"("")"},
          {"patience_best", R"("nan")"},
          {"patience_bad_epochs", "0"},
          {"best_score", R"("nan")"},
          {"best_epoch", "0"},
          {"random", "{}"},
          {"lr", R"(["0.1"])"},
          {"history", "[]"}};
}

// JSON texts for every from_json, deep at each of their members, and wide.
inline std::vector<File> hostile_json(std::size_t wide) {
  const std::string deep = nested(kDeep), deep_objects = nested(kDeep, R"({"a":)", "}");
  std::vector<File> files{
      {"encoders", "deep", deep},
      {"encoders", "deep_open", std::string(kDeep, '[')},
      {"encoders", "deep_objects", nested(kDeep, R"({"a":)", "}")},
      {"encoders", "deep_unit", R"({"special":0,"tokens":["a"],"unit":)" + deep + "}"},
      {"encoders", "deep_special", R"({"unit":"word","tokens":["a"],"special":)" + deep + "}"},
      {"encoders", "deep_tokens", R"({"unit":"word","special":0,"tokens":[)" + deep + "]}"},
      {"encoders", "deep_labels", R"({"labels":)" + deep + "}"},
      {"encoders", "deep_mean", R"({"mean":)" + deep + R"(,"scale":[1]})"},
      {"encoders", "deep_period", R"({"period":)" + deep + R"(,"standardizer":{"mean":[0],"scale":[1]}})"},
      {"encoders", "deep_standardizer", R"({"period":12,"standardizer":)" + deep + "}"},
      {"encoders", "deep_mean_inside",
       R"({"period":12,"standardizer":{"mean":[)" + deep + R"(],"scale":[1]}})"},
      {"encoders", "wide_lists", "[" + list(wide, [](std::size_t) { return "[]"; }) + "]"},
      {"encoders", "wide_members",
       "{" + list(wide, [](std::size_t i) { return fmt::format(R"("{:x}":0)", i); }) + "}"},
      {"encoders", "wide_vocabulary",
       R"({"unit":"word","special":0,"tokens":[)" +
           list(wide, [](std::size_t i) { return fmt::format(R"("{:x}")", i); }) + "]}"},
      {"encoders", "wide_labels",
       "[" + list(wide, [](std::size_t i) { return fmt::format(R"("{:x}")", i); }) + "]"},
      {"encoders", "unequal_lists", R"({"mean":[1],"scale":[1,2]})"},
      {"encoders", "steps_beyond",
       R"({"label":"l","labels":["a","b"],"columns":["c"],"steps":18446744073709551615,)"
       R"("standardizer":{"mean":[0],"scale":[1]}})"},
      {"encoders", "period_beyond",
       R"({"period":18446744073709551615,"standardizer":{"mean":[0],"scale":[1]}})"},
      {"encoders", "period_most",
       R"({"period":9223372036854775807,"standardizer":{"mean":[0],"scale":[1]}})"},
      {"encoders", "control_bytes", "{\"unit\":\"\\u001b[2J\\u0007\",\"special\":0,\"tokens\":[\"a\"]}"},
  };
  for (const auto& [member, sound] : state_members()) {
    for (const auto& [kind, value] :
         {std::pair("deep", deep), std::pair("beyond", std::string("18446744073709551611")),
          std::pair("least", std::string("-9223372036854775808"))}) {
      std::string text = fmt::format(R"({{"{}":{})", member, value);
      for (const auto& [other, of_other] : state_members()) {
        if (other != member) text += fmt::format(R"(,"{}":{})", other, of_other);
      }
      files.push_back({"train_state", fmt::format("{}_{}", kind, member), text + "}"});
    }
  }
  files.push_back({"train_state", "deep_objects", deep_objects});
  files.push_back({"train_state", "long", std::string(1 << 20, '1')});
  return files;
}

inline std::vector<File> hostile_tensor_files(std::size_t wide) {
  const auto entry = [](const std::string& shape, const std::string& offsets = "0,0") {
    return safetensors(
        fmt::format(R"({{"a":{{"dtype":"F32","shape":[{}],"data_offsets":[{}]}}}})", shape, offsets));
  };
  const std::string deep = nested(kDeep), megabyte(1'000'000, '\0'), one = "9223372036854775807";
  const std::string four = npy(npy_header("<f4", "(1,)"), little(0, 4));
  std::vector<File> files{
      {"tensor_files", "deep.safetensors", safetensors(R"({"a":)" + deep + "}")},
      {"tensor_files", "deep_objects.safetensors", safetensors(nested(kDeep, R"({"a":)", "}"))},
      {"tensor_files", "deep_text.safetensors", with_metadata("text", deep)},
      {"tensor_files", "deep_encoder.safetensors", with_metadata("encoder", R"({"labels":)" + deep + "}")},
      {"tensor_files", "many.safetensors",
       safetensors("{" +
                   list(wide / 4,
                        [](std::size_t i) {
                          return fmt::format(R"("{:x}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                                             i);
                        }) +
                   "}")},
      {"tensor_files", "many_texts.safetensors",
       safetensors(R"({"__metadata__":{)" +
                   list(wide, [](std::size_t i) { return fmt::format(R"("{:x}":"")", i); }) + "}}")},
      {"tensor_files", "many_axes.safetensors",
       entry(list(wide, [](std::size_t) { return "1"; }), "0,4") + "1234"},
      {"tensor_files", "header_beyond.safetensors", std::string(8, '\xff')},
      {"tensor_files", "header_largest.safetensors", little(100'000'000, 8) + "{"},
      {"tensor_files", "shape_beyond.safetensors", entry("4611686018427387904,4")},
      {"tensor_files", "shape_zero_and_beyond.safetensors",
       entry("0,18446744073709551615,18446744073709551615")},
      {"tensor_files", "shape_negative.safetensors", entry("-1")},
      {"tensor_files", "offsets_beyond.safetensors", entry("4", "0,18446744073709551615")},
      {"tensor_files", "offsets_back.safetensors", entry("0", "8,0")},
      {"tensor_files", "deep_metadata.npz",
       zip({Member::deflated("__metadata__.json", Deflated("{\"a\":")
                                                      .add(std::string(1'000'000, '['), 40)
                                                      .add(std::string(1'000'000, ']'), 40)
                                                      .add("}"))})},
      {"tensor_files", "wide_metadata.npz",
       zip({Member::deflated("__metadata__.json",
                             Deflated("{\"a\":[")
                                 .add(list(333'333, [](std::size_t) { return "[]"; }) + ",", 99)
                                 .add("[]]}"))})},
      {"tensor_files", "many_members.npz", zip(std::vector<Member>(20'000, Member::stored("a.npy", four)))},
      {"tensor_files", "one_member_often.npz",
       [&] {
         std::vector<Member> members{Member::stored("0.npy", four)};
         for (int i = 1; i < 5'000; ++i) {
           members.push_back(members.front());
           members.back().name = fmt::format("{}.npy", i);
           members.back().as_before = true;
         }
         return zip(members);
       }()},
      {"tensor_files", "count_beyond.npz", zip({Member::stored("a.npy", four)}, 65535)},
      {"tensor_files", "count_none.npz", zip({Member::stored("a.npy", four)}, 0)},
      {"tensor_files", "size_beyond.npz", zip({{"a.npy", four, 0xffffffff, 0, 0}})},
      {"tensor_files", "size_beyond_deflated.npz",
       zip({{"a.npy", Deflated(four).bytes(), 0xfffffffe, 0, 8}})},
      {"tensor_files", "size_below.npz", zip({{"a.npy", Deflated(four + megabyte).bytes(), 10, 0, 8}})},
      {"tensor_files", "more_than_it_says.npz",
       zip({Member::deflated("a.npy", Deflated(four).add(megabyte, 500))})},
      {"tensor_files", "bomb.npz",
       zip({Member::deflated("a.npy", Deflated(npy(npy_header("<f4", "(237500000,)"))).add(megabyte, 950))})},
      {"tensor_files", "bomb_of_bytes.npz",
       zip({Member::deflated("a.npy", Deflated(npy(npy_header("|u1", "(950000000,)"))).add(megabyte, 950))})},
      {"tensor_files", "name.npz", zip({Member::stored("../\x1b[2J\n.npy", four)})},
      {"tensor_files", "shape_beyond.npy", npy(npy_header("<f4", "(" + one + ",)"))},
      {"tensor_files", "shape_product.npy", npy(npy_header("<f8", "(1099511627776, 1099511627776)"))},
      {"tensor_files", "shape_zero_and_beyond.npy", npy(npy_header("<f4", "(0, " + one + ", " + one + ")"))},
      {"tensor_files", "deep.npy", npy(std::string(30'000, '(') + std::string(30'000, ')'))},
      {"tensor_files", "header_beyond.npy", std::string("\x93NUMPY\2\0", 8) + little(0xffffffff, 4) + "{"},
      {"tensor_files", "control_bytes.npy",
       npy("{'descr': '\x1b[2J', 'fortran_order': False, 'shape': (), }")},
  };
  return files;
}

inline std::vector<File> hostile_data(std::size_t wide) {
  const std::string zeros(1'000'000, '\0');
  return {
      {"idx", "zero_and_huge_axes", idx(0x08, {0, 0xffffffff, 0xffffffff, 0xffffffff})},
      {"idx", "huge_axes", idx(0x0d, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff})},
      {"idx", "claim", idx(0x0e, {0x7fffffff}, "12345678")},
      {"idx", "claim_gz", gzip(Deflated(idx(0x0e, {0x7fffffff}, "12345678")))},
      {"idx", "more_than_it_says_gz", gzip(Deflated(idx(0x08, {4}, "1234")).add(zeros, 900))},
      {"idx", "bomb_gz", gzip(Deflated(idx(0x08, {950'000'000})).add(zeros, 950))},
      {"idx", "not_idx_gz", gzip(Deflated().add(std::string(1'000'000, 'x'), 900))},
      {"idx", "empty_gz", gzip(Deflated())},
      {"idx", "head_gz", std::string("\x1f\x8b\x08", 3)},
      {"tables", "wide.csv",
       list(wide, [](std::size_t i) { return fmt::format("{:x}", i); }) + "\n" + std::string(wide - 1, ',') +
           "\n"},
      {"tables", "wide_numbers.csv",
       list(wide, [](std::size_t i) { return fmt::format("c{:x}", i); }) + "\n" +
           list(wide, [](std::size_t) { return "1"; }) + "\n"},
      {"tables", "many_parts.csv",
       [&] {
         std::string text = "v,split\n";
         for (std::size_t i = 0; i < wide; ++i) text += fmt::format("1,{:x}\n", i);
         return text;
       }()},
      {"tables", "many_labels.csv",
       [&] {
         std::string text = "a,label\n";
         for (std::size_t i = 0; i < wide / 4; ++i) text += fmt::format("1,{:x}\n1,{:x}\n", i, i);
         return text;
       }()},
      {"tables", "open_quote.csv", "a,b\n\"" + std::string(1 << 20, '\n')},
      {"tables", "long_field.csv", "a\n" + std::string(1 << 20, 'x') + "\n"},
      {"tables", "long_name.csv", std::string(1 << 20, 'x') + "\n1\n"},
      {"tables", "control_bytes.csv", "\x1b[2J,label\n\x1b]0;x\x07,a\n1,\x1b[31m\n"},
      {"tables", "years_beyond.csv", "year,month,v\n9223372036854775807,12,1\n9223372036854775807,12,1\n"},
      {"tables", "year_least.csv", "year,v\n-9223372036854775808,1\n-9223372036854775807,1\n"},
      {"tables", "two_boms.csv", "\xef\xbb\xbf\xef\xbb\xbfyear,v\n1,1\n2,3\n"},
      {"text", "no_line_end", std::string(1 << 20, 'x')},
      {"text", "line_ends", std::string(1 << 20, '\n')},
      {"text", "many_words",
       [&] {
         std::string text;
         for (std::size_t i = 0; i < wide / 2; ++i) text += fmt::format("{:x} ", i);
         return text;
       }()},
      {"text", "zeros", std::string(1 << 16, '\0')},
      {"text", "no_utf8", std::string(1 << 16, '\xff')},
  };
}

inline std::vector<File> hostile_logs(std::size_t wide) {
  return {
      {"logs", "deep", R"({"step":)" + nested(kDeep) + "}\n"},
      {"logs", "deep_beside", R"({"step":1,"x":)" + nested(kDeep) + "}\n"},
      {"logs", "step_beyond", "{\"step\":18446744073709551615}\n"},
      {"logs", "long_line", std::string(1 << 20, '{')},
      {"logs", "many_lines", nested(wide, "{}\n", "")},
      {"logs", "wide",
       "step,epoch," + list(wide / 4, [](std::size_t i) { return fmt::format("c{:x}", i); }) + "\n" + "1,1" +
           std::string(wide / 4, ',') + "\n"},
      {"logs", "open_quote", "step,epoch,\"" + std::string(1 << 20, '\n')},
      {"logs", "control_bytes", "step,epoch,a\n\x1b[2J,1,1\n"},
      {"logs", "step_beyond_table", "step,epoch,a\n9223372036854775808,1,1\n"},
      {"logs", "record_beyond", std::string(12, '\xff')},
  };
}

inline std::vector<File> hostile_files(std::size_t wide = kWide) {
  std::vector<File> all;
  for (auto files :
       {hostile_json(wide), hostile_tensor_files(wide), hostile_data(wide), hostile_logs(wide)}) {
    for (File& f : files) all.push_back(std::move(f));
  }
  return all;
}

}  // namespace unroll::hostile
