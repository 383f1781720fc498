// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/commands.h"

#include <gtest/gtest.h>

#include <sstream>

#include "debug/fake_target.h"
#include "debug/inspection_commands.h"

namespace mmuscope::debug {
namespace {

Commands with_echo() {
  Commands commands;
  commands.add(
      {"echo", "[WORD...]", "says it again", [](const Arguments& arguments) -> Expected<std::string> {
         if (arguments.words.size() > 2) return bad_arguments();
         if (arguments.words == std::vector<std::string>{"no"}) return fail(ErrorKind::kData, "I will not");
         std::string text = arguments.json ? "json" : "text";
         for (const std::string& word : arguments.words) text += " " + word;
         return text + "\n";
       }});
  return commands;
}

TEST(Commands, RunsWhatWasAdded) {
  const Commands commands = with_echo();
  EXPECT_EQ(commands.run("echo"), "text\n");
  EXPECT_EQ(commands.run("  echo\ta   b\r\n"), "text a b\n");
  EXPECT_EQ(commands.run("echo --json a"), "json a\n");
  EXPECT_EQ(commands.run("ec a"), "text a\n");
  EXPECT_EQ(commands.run(""), "");
  EXPECT_EQ(commands.run("   "), "");
}

TEST(Commands, AMistakeIsOneLine) {
  const Commands commands = with_echo();
  EXPECT_EQ(commands.run("eco"), "there is no command eco: try help\n");
  EXPECT_EQ(commands.run("echo a b c"), "usage: echo [WORD...]\n");
  EXPECT_EQ(commands.run("echo no"), "echo: I will not\n");
  EXPECT_EQ(commands.run("echo --json no"), "{\"error\":\"echo: I will not\"}\n");
  EXPECT_EQ(commands.run("what --json"), "{\"error\":\"there is no command what: try help\"}\n");
  EXPECT_EQ(commands.try_run("echo no").error().kind, ErrorKind::kData);
}

TEST(Commands, HelpListsThem) {
  Commands commands = with_echo();
  EXPECT_EQ(commands.run("help"),
            "help [COMMAND]  this list, or one line of it\necho [WORD...]  says it again\n");
  EXPECT_EQ(commands.run("help echo"), "echo [WORD...]  says it again\n");
  EXPECT_EQ(commands.run("help --json echo"),
            "[{\"name\":\"echo\",\"arguments\":\"[WORD...]\",\"help\":\"says it again\"}]\n");
  EXPECT_EQ(commands.run("help nothing"), "help: there is no command nothing: try help\n");
  commands.add({"echo", "", "another", [](const Arguments&) -> Expected<std::string> { return "new\n"; }});
  EXPECT_EQ(commands.run("echo"), "new\n");
  commands.add({"edit", "", "", nullptr});
  EXPECT_EQ(commands.run("e"), "e may be echo or edit\n");
}

// A kernel without debug information: what needs none works, the rest says why not.
TEST(InspectionCommands, WithoutDebugInformation) {
  FakeTarget target;
  target.map(0x400000, 0x12000 | FakeTarget::kP | FakeTarget::kU);
  target.cpus[0].rip = 0x400010;
  Inspection inspection(target, {});
  inspection.symbols().add(trace::SymbolTable({{0x400000, 0x100, "main"}}));
  Commands commands;
  add_inspection(commands, inspection);
  EXPECT_NE(commands.run("walk main+4").find("-> physical 0x12004, page of 4K, frame 0x12\n"),
            std::string::npos);
  EXPECT_NE(commands.run("walk --json $rip").find("\"physical\":\"0x0000000000012000\""), std::string::npos);
  EXPECT_EQ(commands.run("walk"), "usage: walk ADDRESS\n");
  EXPECT_EQ(commands.run("walk mian"), "walk: no symbol is called mian\n");
  EXPECT_NE(commands.run("pt").find("0000000000400000-0000000000400fff     4K 4K       1"),
            std::string::npos);
  EXPECT_NE(commands.run("pt kernel").find("nothing is mapped"), std::string::npos);
  EXPECT_EQ(commands.run("pt 2 1"), "pt: the range ends before it begins\n");
  EXPECT_EQ(commands.run("when"), "instruction 1234: CPU 0, CPL 3, rip 0x0000000000400010 main+0x10\n");
  for (const std::string line : {"ps", "vma", "vma 1", "frame 1", "why main"})
    EXPECT_EQ(commands.run(line), line.substr(0, line.find(' ')) +
                                      ": the kernel's image has no debug information: build it with -g\n");
  EXPECT_EQ(commands.run("vma x"), "usage: vma [PID]\n");
  EXPECT_EQ(commands.run("frame -1"), "usage: frame PFN\n");
  std::istringstream help(commands.run("help"));
  for (std::string line; std::getline(help, line);) EXPECT_LE(line.size(), Commands::kColumns);
}

}  // namespace
}  // namespace mmuscope::debug
