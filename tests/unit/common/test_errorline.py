"""The line that tells what went wrong is found in what real tools print."""

# ruff: noqa: E501

import time

import pytest

from ci_common.errorline import END_BYTES, LONGEST, error_line, last_line

#: Tool -> (the end of its output, the line that tells).
SAMPLES: dict[str, tuple[str, str]] = {
    "pytest": (
        """\
tests/test_money.py ..F.F..F                                              [100%]

=================================== FAILURES ===================================
__________________________________ test_sum ____________________________________

    def test_sum():
>       assert total([1, 2]) == 4
E       assert 3 == 4

tests/test_money.py:5: AssertionError
=========================== short test summary info ============================
FAILED tests/test_money.py::test_sum - assert 3 == 4
FAILED tests/test_money.py::test_tax - KeyError: 'vat'
ERROR tests/test_io.py
======================== 3 failed, 77 passed in 2.10s =========================
""",
        "3 failed, 77 passed",
    ),
    "pytest -q": (
        "..F\nFAILED t.py::test_a - assert 1 == 2\n3 failed, 77 passed, 1 warning in 65.20s (0:01:05)\n",
        "3 failed, 77 passed, 1 warning",
    ),
    "pytest that cannot import": (
        "ERROR tests/test_x.py\n!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!\n"
        "=============== 1 error in 0.12s ===============\n",
        "1 error",
    ),
    "pytest without the file": (
        "\n============ no tests ran in 0.01s ============\n"
        "ERROR: file or directory not found: tests/nowhere\n",
        "ERROR: file or directory not found: tests/nowhere",
    ),
    "unittest": (
        """\
======================================================================
FAIL: test_a (t.T.test_a)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/b/t.py", line 5, in test_a
    self.assertEqual(1, 2)
AssertionError: 1 != 2

----------------------------------------------------------------------
Ran 80 tests in 0.412s

FAILED (failures=3)
""",
        "FAILED (failures=3)",
    ),
    "unittest with errors": (
        "Ran 8 tests in 0.1s\n\nFAILED (errors=2, skipped=1)\n",
        "FAILED (errors=2, skipped=1)",
    ),
    "trial": (
        "exceptions.ValueError: x\n-----\nRan 4 tests in 0.1s\n\nFAILED (failures=1, successes=3)\n",
        "FAILED (failures=1, successes=3)",
    ),
    "ctest": (
        """\
97% tests passed, 3 tests failed out of 100

Total Test time (real) =   4.12 sec

The following tests FAILED:
\t  4 - parser (Failed)
Errors while running CTest
""",
        "97% tests passed, 3 tests failed out of 100",
    ),
    "gcc": (
        """\
cc -Wall -Werror=format -c -o main.o main.c
main.c: In function 'main':
main.c:3:5: error: 'x' undeclared (first use in this function)
    3 |     x = 1;
      |     ^
main.c:3:5: note: each undeclared identifier is reported only once
main.c:9:1: error: expected ';' before '}' token
make[1]: *** [Makefile:4: main.o] Error 1
make: *** [Makefile:2: all] Error 2
""",
        "main.c:3:5: error: 'x' undeclared (first use in this function)",
    ),
    "gcc without a header": (
        "src/a.c:1:10: fatal error: nosuch.h: No such file or directory\ncompilation terminated.\n",
        "src/a.c:1:10: fatal error: nosuch.h: No such file or directory",
    ),
    "clang in colours": (
        "\x1b[1mfile.c:3:5: \x1b[0m\x1b[0;1;31merror: \x1b[0m\x1b[1muse of undeclared identifier 'y'"
        "\x1b[0m\n1 error generated.\n",
        "file.c:3:5: error: use of undeclared identifier 'y'",
    ),
    "clang on Windows": (
        "C:\\src\\file.c:3:5: error: unknown type name 'foo'\n",
        "C:\\src\\file.c:3:5: error: unknown type name 'foo'",
    ),
    "MSVC": (
        "file.c\nfile.c(3): error C2065: 'x': undeclared identifier\nNMAKE : fatal error U1077\n",
        "file.c(3): error C2065: 'x': undeclared identifier",
    ),
    "the linker": (
        "/usr/bin/ld: main.o: in function `main':\nmain.c:(.text+0x5): undefined reference to `foo'\n"
        "collect2: error: ld returned 1 exit status\nmake: *** [Makefile:3: app] Error 1\n",
        "main.c:(.text+0x5): undefined reference to `foo'",
    ),
    "make": (
        "sh tests.sh\nchecking...\nmake: *** [Makefile:7: check] Error 2\n",
        "make: *** [Makefile:7: check] Error 2",
    ),
    "make without a rule": (
        "make: *** No rule to make target 'tset'.  Stop.\n",
        "No rule to make target 'tset'. Stop.",
    ),
    "CMake": (
        "-- Detecting C compiler\nCMake Error at CMakeLists.txt:5 (find_package):\n"
        '  By not providing "FindFoo.cmake" in CMAKE_MODULE_PATH\n\n-- Configuring incomplete\n',
        "CMake Error at CMakeLists.txt:5 (find_package): "
        'By not providing "FindFoo.cmake" in CMAKE_MODULE_PATH',
    ),
    "ninja": (
        "FAILED: a.o\ncc -c a.c\na.c:2:1: error: unknown type name 'boo'\n"
        "ninja: build stopped: subcommand failed.\n",
        "a.c:2:1: error: unknown type name 'boo'",
    ),
    "cargo build": (
        """\
   Compiling app v0.1.0 (/b/app)
error[E0425]: cannot find value `x` in this scope
 --> src/main.rs:2:20
error: aborting due to previous error
For more information about this error, try `rustc --explain E0425`.
error: could not compile `app` (bin "app") due to 1 previous error
""",
        "error[E0425]: cannot find value `x` in this scope",
    ),
    "cargo test": (
        """\
thread 'tests::it_works' panicked at src/lib.rs:10:9:
assertion `left == right` failed
failures:
    tests::it_works

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: test failed, to rerun pass `--lib`
""",
        "test result: FAILED. 2 passed; 1 failed",
    ),
    "a panic of Rust": (
        "thread 'main' panicked at src/main.rs:2:5:\nno configuration\nnote: run with RUST_BACKTRACE=1\n",
        "thread 'main' panicked at src/main.rs:2:5: no configuration",
    ),
    "npm script": (
        """\
npm error Missing script: "tset"
npm error
npm error To see a list of scripts, run:
npm error   npm run
npm error A complete log of this run can be found in: /root/.npm/_logs/x.log
""",
        'npm error Missing script: "tset"',
    ),
    "npm install": (
        """\
npm ERR! code E404
npm ERR! 404 Not Found - GET http://registry.test/nosuch - Not found
npm ERR! A complete log of this run can be found in:
""",
        "npm ERR! 404 Not Found - GET http://registry.test/nosuch - Not found",
    ),
    "jest": (
        "Test Suites: 1 failed, 2 passed, 3 total\nTests:       1 failed, 5 passed, 6 total\n"
        "Snapshots:   0 total\nTime:        1.2 s\nnpm ERR! Test failed.  See above for more details.\n",
        "1 failed, 5 passed, 6 total",
    ),
    "mocha": ("  5 passing (12ms)\n  2 failing\n\n  1) sum\n", "2 failing"),
    "TypeScript": (
        "src/x.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.\n",
        "src/x.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.",
    ),
    "ESLint": (
        "/b/x.js\n  1:1  error  'y' is not defined  no-undef\n\n"
        "\N{HEAVY MULTIPLICATION X} 3 problems (2 errors, 1 warning)\n",
        "3 problems (2 errors, 1 warning)",
    ),
    "Maven's tests": (
        """\
[ERROR] Tests run: 3, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.05 s <<< FAILURE! - in T
[ERROR] T.testSum:9 expected: <4> but was: <3>
[INFO] Results:
[ERROR] Tests run: 42, Failures: 1, Errors: 0, Skipped: 2
[INFO] BUILD FAILURE
[ERROR] Failed to execute goal org.apache.maven.plugins:maven-surefire-plugin:3.2.5:test
[ERROR] -> [Help 1]
""",
        "Tests run: 42, Failures: 1, Errors: 0, Skipped: 2",
    ),
    "Maven's compiler": (
        "[ERROR] COMPILATION ERROR : \n[ERROR] /b/src/App.java:[3,9] ';' expected\n"
        "[ERROR] Failed to execute goal org.apache:compiler: Compilation failure\n",
        "/b/src/App.java:[3,9] ';' expected",
    ),
    "Maven without a project": (
        "[INFO] BUILD FAILURE\n[ERROR] The goal you specified requires a project to execute\n"
        "[ERROR] \n[ERROR] To see the full stack trace, re-run with -e.\n",
        "[ERROR] The goal you specified requires a project to execute",
    ),
    "Gradle": (
        "> Task :test FAILED\n5 tests completed, 1 failed\n\nFAILURE: Build failed with an exception.\n\n"
        "* What went wrong:\nExecution failed for task ':test'.\n> There were failing tests.\n",
        "5 tests completed, 1 failed",
    ),
    "Gradle's compiler": (
        "> Task :x FAILED\n\nFAILURE: Build failed with an exception.\n\n* What went wrong:\n"
        "Execution failed for task ':x'.\n> Could not resolve all files.\n\nBUILD FAILED in 2s\n",
        "Execution failed for task ':x'. Could not resolve all files.",
    ),
    "javac": (
        "App.java:3: error: ';' expected\n   int x\n1 error\n",
        "App.java:3: error: ';' expected",
    ),
    "JUnit": ("Tests run: 5,  Failures: 2\n\n", "Tests run: 5, Failures: 2"),
    "Java": (
        'Exception in thread "main" java.lang.IllegalStateException: no port\n\tat App.main(App.java:4)\n',
        "java.lang.IllegalStateException: no port",
    ),
    "go test": (
        """\
=== RUN   TestSum
    sum_test.go:9: got 3, want 4
--- FAIL: TestSum (0.00s)
FAIL
exit status 1
FAIL\texample.com/sum\t0.003s
""",
        "FAIL: TestSum",
    ),
    "go build": (
        "# example.com/app\n./main.go:5:2: undefined: x\n",
        "./main.go:5:2: undefined: x",
    ),
    "a panic of Go": (
        "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:\n"
        "main.main()\nexit status 2\n",
        "panic: runtime error: index out of range [3] with length 3",
    ),
    "Python": (
        """\
starting
Traceback (most recent call last):
  File "/b/x.py", line 3, in <module>
    main()
  File "/b/x.py", line 2, in main
    {}["colour"]
    ~~^^^^^^^^^^
KeyError: 'colour'
""",
        "KeyError: 'colour'",
    ),
    "Python, one error after another": (
        """\
Traceback (most recent call last):
  File "x.py", line 2, in f
ValueError: bad

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "x.py", line 4, in <module>
my.pkg.TooBad: worse
bye
""",
        "my.pkg.TooBad: worse",
    ),
    "mypy": (
        'a.py:3: error: Incompatible types in assignment  [assignment]\n'
        "Found 1 error in 1 file (checked 2 source files)\n",
        "a.py:3: error: Incompatible types in assignment [assignment]",
    ),
    "ruff": (
        "a.py:1:8: F401 [*] `os` imported but unused\nFound 1 error.\n",
        "a.py:1:8: F401 [*] `os` imported but unused",
    ),
    "git": (
        "Cloning into 'x'...\nfatal: Authentication failed for 'https://git.test/x.git/'\n",
        "fatal: Authentication failed for 'https://git.test/x.git/'",
    ),
    "git checkout": (
        "error: pathspec 'nosuch' did not match any file(s) known to git\n",
        "error: pathspec 'nosuch' did not match any file(s) known to git",
    ),
    "pip": (
        "Collecting x\nERROR: Could not find a version that satisfies the requirement x\n"
        "ERROR: No matching distribution found for x\n",
        "ERROR: Could not find a version that satisfies the requirement x",
    ),
    "apt": ("Reading lists...\nE: Unable to locate package nosuch\n", "E: Unable to locate package nosuch"),
    "bash": ("bash: line 1: mkae: command not found\n", "bash: line 1: mkae: command not found"),
    "sh": ("/bin/sh: 1: mkae: not found\n", "/bin/sh: 1: mkae: not found"),
    "a crash": (
        "running\nSegmentation fault (core dumped)\n",
        "Segmentation fault (core dumped)",
    ),
    "the worker": (
        "cannot execute 'mkae': No such file or directory\n",
        "cannot execute 'mkae': No such file or directory",
    ),
    "RSpec": ("Finished in 1 second\n5 examples, 1 failure\n", "5 examples, 1 failure"),
    "PHPUnit": (
        "FAILURES!\nTests: 5, Assertions: 6, Failures: 1.\n",
        "Tests: 5, Assertions: 6, Failures: 1",
    ),
    "minitest": (
        "10 runs, 12 assertions, 1 failures, 0 errors, 0 skips\n",
        "10 runs, 12 assertions, 1 failures, 0 errors, 0 skips",
    ),
    "dotnet": (
        "Failed!  - Failed:     1, Passed:     5, Skipped:     0, Total:     6, Duration: 5 ms\n",
        "Failed! - Failed: 1, Passed: 5, Skipped: 0, Total: 6",
    ),
    "GoogleTest": (
        "[  PASSED  ] 3 tests.\n[  FAILED  ] 2 tests, listed below:\n[  FAILED  ] A.b\n\n 2 FAILED TESTS\n",
        "2 FAILED TESTS",
    ),
    "TAP": ("1..2\nok 1 - a\nnot ok 2 - b\n", "not ok 2 - b"),
    "a log with times": (
        "2026-01-02 10:00:00,123 INFO deploy\n2026-01-02 10:00:01,456 ERROR deploy: quota exceeded\n"
        "2026-01-02 10:00:01,500 INFO bye\n",
        "2026-01-02 10:00:01,456 ERROR deploy: quota exceeded",
    ),
    "nothing that looks like an error": ("one\ntwo\n", ""),
    "good news only": ("0 errors\n80 passed in 2.0s\nno failures, 0 failed\nerrors=0\n", ""),
    "silence": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("tool", SAMPLES)
def test_the_line_is_found_in_the_output_of(tool: str) -> None:
    output, wanted = SAMPLES[tool]
    assert error_line([("o", output.encode())]) == wanted
    cut = output.rfind("\n", 0, len(output) // 2) + 1
    parts = [("o", output[:cut].encode()), ("h", b"error: no\n"), ("e", output[cut:].encode())]
    last = output.rstrip("\n").rpartition("\n")[2]
    assert error_line(parts) == (wanted or last)


def test_what_a_program_says_last_on_its_standard_error_stands_where_nothing_else_does() -> None:
    output = [("o", b"one\n"), ("e", b"quota used up\n+ exit 3\n"), ("o", b"bye\n")]
    assert error_line(output) == "quota used up"


def test_it_is_one_short_line_of_plain_text() -> None:
    said = f"error: \x1b[31m{'x' * 500}\x1b[0m\x07\u202e\ttail\n"
    found = error_line([("o", said.encode())])
    assert len(found) == LONGEST and found.startswith("error: xxx") and found.endswith("\u2026")
    assert error_line([("o", b"error: \xff\x00 it\n")]) == "error: \N{REPLACEMENT CHARACTER} it"


def test_a_traceback_within_a_log_ends_with_what_was_raised() -> None:
    text = b"Traceback (most recent call last):\n  File 'x', line 1, in f\nValueError: no\n\n"
    raised = b"Traceback (most recent call last):\n  File 'a.py', line 3\nbuiltins.KeyError: 'x'\n"
    assert last_line([("", raised)]) == "KeyError: 'x'"
    assert last_line([("", text)]) == "ValueError: no"
    assert last_line([("", b"one\n\n")]) == "one"
    assert last_line([]) == ""


@pytest.mark.parametrize(
    "line",
    [
        "error " * 20,
        "x" * 100_000,
        "a:1:" * 200,
        "1 failed, " * 60,
        "= " * 300,
        "E  " * 100,
        "(1,1)" * 90,
    ],
)
def test_no_output_keeps_it_long(line: str) -> None:
    text = (line + "\n") * (END_BYTES // len(line) + 1)
    begin = time.process_time()
    error_line([("o", text.encode())])
    assert time.process_time() - begin < 0.1  # seconds; it takes 5 ms
