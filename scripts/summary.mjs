// Adds up vitest's JSON results: one line, true counts over all suites. A missing or broken file is a failure.
import { readFileSync } from "node:fs";

let [passed, failed, skipped] = [0, 0, 0];
for (const file of process.argv.slice(2)) {
  let results;
  try {
    results = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    console.error(`no results in ${file}: ${error.message}`);
    failed += 1;
    continue;
  }
  passed += results.numPassedTests;
  failed += results.numFailedTests;
  skipped += results.numPendingTests + results.numTodoTests;
  // A file that can't even load has no tests to fail: count the file itself.
  for (const suite of results.testResults) {
    if (
      suite.status === "failed" &&
      !suite.assertionResults.some((one) => one.status === "failed")
    ) {
      failed += 1;
      console.error(`failed outside any test: ${suite.name}`);
    }
  }
}
if (passed === 0) {
  console.error("no test passed");
  failed = Math.max(failed, 1);
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
