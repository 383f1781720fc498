// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope matrix: each copy-on-write scenario under each policy, beside what is expected of it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/matrix_run.h"
#include "cli/option_values.h"
#include "matrix/table.h"

namespace mmuscope::cli {
namespace {

namespace fs = std::filesystem;
using matrix::Scenario;
using matrix::Table;

constexpr int kStatusDiffers = 1;

struct MatrixOptions {
  MachineOptions machine;
  std::vector<std::string> policies, scenarios;
  std::string format = "table", expected, programs, native, append;
  unsigned jobs = 0;
};

Expected<std::string> read_text(const fs::path& path) {
  const auto bytes = read_file(path);
  if (!bytes) return std::unexpected(bytes.error());
  return std::string(bytes->begin(), bytes->end());
}

Error with_name(const fs::path& path, const Error& error) {
  return {error.kind, path.string() + ": " + error.message};
}

// What was asked for, once each, in the order of the whole list.
template <typename Known>
Expected<std::vector<size_t>> choose(const std::vector<std::string>& asked, size_t count, const char* what,
                                     Known known) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < count; ++i)
    if (asked.empty() || std::find(asked.begin(), asked.end(), known(i)) != asked.end()) chosen.push_back(i);
  for (const std::string& word : asked) {
    std::string all;
    bool found = false;
    for (size_t i = 0; i < count; ++i) {
      found = found || known(i) == word;
      all += (i == 0 ? "" : ", ") + std::string(known(i));
    }
    if (word.empty()) return fail(ErrorKind::kUsage, fmt::format("no {} named: there are {}", what, all));
    if (!found) return fail(ErrorKind::kUsage, fmt::format("no {} {}: there are {}", what, word, all));
  }
  return chosen;
}

std::string in_capitals(std::string word) {
  if (word.starts_with('s')) word[0] = 'S';
  return word;
}

// Rows without cells.
Expected<Table> prepare(const MatrixOptions& options, const fs::path& programs) {
  const fs::path path = options.expected.empty() ? programs / "expected.json" : fs::path(options.expected);
  const auto text = read_text(path);
  if (!text) return std::unexpected(text.error());
  const auto scenarios = matrix::parse_expectations(*text);
  if (!scenarios) return std::unexpected(with_name(path, scenarios.error()));
  std::vector<std::string> asked = options.scenarios;
  std::transform(asked.begin(), asked.end(), asked.begin(), in_capitals);
  const auto rows =
      choose(asked, scenarios->size(), "scenario", [&](size_t i) { return (*scenarios)[i].id; });
  if (!rows) return std::unexpected(rows.error());
  const auto columns = choose(options.policies, matrix::kPolicies.size(), "policy",
                              [](size_t i) { return std::string(matrix::kPolicies[i]); });
  if (!columns) return std::unexpected(columns.error());
  Table table;
  for (const size_t column : *columns) table.policies.emplace_back(matrix::kPolicies[column]);
  for (const size_t row : *rows) table.rows.push_back({(*scenarios)[row], {}});
  if (options.native.empty()) return table;
  const auto results = read_text(options.native);
  if (!results) return std::unexpected(results.error());
  auto native = matrix::parse_native(*results);
  if (!native) return std::unexpected(with_name(options.native, native.error()));
  table.native = std::move(*native);
  return table;
}

Expected<std::vector<MatrixRun>> runs_of(const Table& table, const MatrixOptions& options,
                                         const fs::path& programs) {
  std::vector<MatrixRun> runs;
  for (const matrix::Row& row : table.rows) {
    const fs::path program = programs / row.scenario.program();
    std::error_code error;
    if (!fs::is_regular_file(program, error))
      return fail(ErrorKind::kUsage, fmt::format("{}: no such program; it is {}, of the target guest_tests",
                                                 program.string(), row.scenario.id));
    const unsigned cpus = std::max(options.machine.machine.cpus, row.scenario.cpus);
    for (const std::string& policy : table.policies) runs.push_back({program.string(), policy, cpus});
  }
  return runs;
}

// The table's rows and columns decide on these.
Expected<void> check_append(const std::string& words) {
  std::istringstream in(words);
  for (std::string word; in >> word;)
    if (word.starts_with("cow=") || word.starts_with("init="))
      return fail(ErrorKind::kUsage,
                  fmt::format("--append {}: the table's columns are the policies, and its rows "
                              "the programs; see --policies and --scenarios",
                              word));
  return {};
}

Expected<int> run_matrix(const MatrixOptions& options) {
  if (auto good = check_append(options.append); !good) return std::unexpected(good.error());
  fs::path programs = options.programs;
  if (programs.empty()) {
    const auto found = find_scenarios();
    if (!found) return std::unexpected(found.error());
    programs = *found;
  }
  auto table = prepare(options, programs);
  if (!table) return std::unexpected(table.error());
  const auto runs = runs_of(*table, options, programs);
  if (!runs) return std::unexpected(runs.error());
  auto kernel = read_kernel(options.machine);
  if (!kernel) return std::unexpected(kernel.error());
  const MatrixMachine machine{options.machine, std::move(*kernel), options.append};
  if (const auto good = check_machine(machine, runs->front()); !good) return std::unexpected(good.error());

  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const auto begins = [&](size_t index) {
    if (!terminal) return;
    const Scenario& scenario = table->rows[index / table->policies.size()].scenario;
    fmt::print(stderr, "\r\033[K[{}/{}] {} {}", index + 1, runs->size(), scenario.id, (*runs)[index].policy);
    std::fflush(stderr);
  };
  const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
  catch_interrupts();
  const auto cells =
      run_scenarios(machine, *runs, options.jobs != 0 ? options.jobs : processors, begins, interrupted);
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (!cells) return std::unexpected(cells.error());
  for (size_t i = 0; i < cells->size(); ++i)
    table->rows[i / table->policies.size()].cells.push_back((*cells)[i]);

  if (options.format == "json")
    print_json(std::cout, *table);
  else if (options.format == "md")
    print_markdown(std::cout, *table);
  else
    print_text(std::cout, *table);
  return table->differences() == 0 ? 0 : kStatusDiffers;
}

}  // namespace

void add_matrix(CLI::App& app, int* status) {
  auto options = std::make_shared<MatrixOptions>();
  CLI::App* command = app.add_subcommand("matrix",
                                         "Run the copy-on-write scenarios under every policy, beside what is "
                                         "expected: status 1 when they differ");
  options->machine.add_to(*command);
  command->add_option("--policies", options->policies, "Only these, with commas between them [all]")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--scenarios", options->scenarios, "Only these, with commas between them [all]")
      ->type_name("S01,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--format", options->format, "table, md or json [table]")
      ->check(CLI::IsMember({"table", "md", "json"}));
  command->add_option("--expected", options->expected, "What is expected [expected.json beside the programs]")
      ->type_name("FILE")
      ->check(not_empty());
  command->add_option("--programs", options->programs, "Where the scenario programs are")
      ->type_name("DIR")
      ->check(not_empty());
  command
      ->add_option("--native", options->native,
                   "Results of tools/scenarios-natively, for a column of this Linux")
      ->type_name("FILE")
      ->check(not_empty());
  command->add_option("--append", options->append, "Words added to the kernel's command line")
      ->type_name("TEXT");
  command->add_option("--jobs", options->jobs, "Machines at once [processors of this host]")
      ->type_name("N")
      ->transform(whole_number(1, 64));
  command->callback([options, status] {
    const auto done = run_matrix(*options);
    *status = done ? *done : report(done.error());
    if (interrupted != 0) *status = 128 + interrupted;
  });
}

}  // namespace mmuscope::cli
