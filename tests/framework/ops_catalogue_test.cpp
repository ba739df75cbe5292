#include <catch2/catch.hpp>
#include <cctype>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

std::string without_comments_and_directives(std::istream& in) {
  std::string text, line;
  while (std::getline(in, line)) {
    line = line.substr(0, line.find("//"));
    if (line.rfind("#", 0) != 0) text += line + "\n";
  }
  return text;
}

// The declarations right in namespace unroll: what stands between ';' and '}', nested braces left out.
std::vector<std::string> declarations_in_namespace(const std::string& text) {
  std::vector<std::string> found;
  std::string current;
  int depth = 0;
  for (char c : text) {
    if (c == '{') {
      if (++depth == 1) current.clear();  // the opening of the namespace
      if (depth == 2) found.push_back(current), current.clear();
    } else if (c == '}') {
      --depth;
      current.clear();
    } else if (depth == 1 && c == ';') {
      found.push_back(current);
      current.clear();
    } else if (depth == 1) {
      current += c;
    }
  }
  return found;
}

// Removes `keyword` with the bracketed text behind it.
void remove_clause(std::string& text, const std::string& keyword, char open, char close) {
  for (std::size_t at; (at = text.find(keyword)) != std::string::npos;) {
    std::size_t end = text.find(open, at);
    int depth = 0;
    do {
      depth += text[end] == open ? 1 : text[end] == close ? -1 : 0;
      ++end;
    } while (depth > 0 && end < text.size());
    text.erase(at, end - at);
  }
}

struct Function {
  std::string name, parameters;
};

std::vector<Function> declared_functions() {
  std::ifstream header(UNROLL_SOURCE_DIR "/framework/ops.hpp");
  REQUIRE(header);
  std::vector<Function> functions;
  for (std::string text : declarations_in_namespace(without_comments_and_directives(header))) {
    remove_clause(text, "template", '<', '>');
    remove_clause(text, "requires", '(', ')');
    const std::size_t open = text.find('(');
    if (open == std::string::npos) continue;                                // a type, an alias or a namespace
    if (text.find("std::initializer_list") != std::string::npos) continue;  // spells the overload for vectors
    std::smatch match;
    const std::string head = text.substr(0, open);
    REQUIRE(std::regex_search(head, match, std::regex(R"((operator\S+|\w+)\s*$)")));
    std::string parameters;
    std::stringstream list(text.substr(open + 1));
    for (std::string one; std::getline(list, one, ',');) {
      if (!parameters.empty()) parameters += ",";
      parameters += one.find("Var<S>") != std::string::npos   ? "Var"
                    : one.find("double") != std::string::npos ? "double"
                                                              : "?";
    }
    functions.push_back({match[1], parameters});
  }
  return functions;
}

}  // namespace

TEST_CASE("every op that is declared has a row in the table of ops, and every row an op") {
  std::map<std::string, int> overloads;
  const std::vector<Function> functions = declared_functions();
  for (const Function& f : functions) ++overloads[f.name];
  std::set<std::string> declared;
  for (const Function& f : functions) {
    declared.insert(overloads[f.name] == 1 ? f.name : f.name + "(" + f.parameters + ")");
  }
  CHECK(declared.size() == functions.size());
  CHECK(declared.size() >= 60);

  std::set<std::string> tested;
  for (const auto& family : {arithmetic_rows(), pointwise_rows(), matmul_rows(), reduce_rows(), shape_rows(),
                             join_rows(), index_rows(), normalization_rows()}) {
    for (const Row& row : family) {
      INFO(row.name);
      CHECK(tested.insert(row.name).second);
      CHECK(declared.count(row.name) == 1);
    }
  }
  for (const std::string& name : declared) {
    INFO("declared in framework/ops.hpp without a row: " << name);
    CHECK(tested.count(name) == 1);
  }
}

}  // namespace unroll::test
