import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Not the default, which leaves a core to whoever watches: on two cores that is one worker. Many files only wait.
    maxWorkers: "100%",
    projects: [
      {
        test: {
          name: "unit",
          // Against what hangs; with every core in use some of them need seconds.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          include: [
            "packages/**/*.test.ts",
            "apps/**/*.test.ts",
            "scripts/**/*.test.ts",
            // Need no guest.
            "test-e2e/bench/*.test.ts",
            "test-e2e/compat/*.test.ts",
            "test-e2e/chart/*.test.ts",
            "test-e2e/walk/*.test.ts",
          ],
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test-e2e/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test-e2e/{bench,compat,chart,walk}/*.test.ts"],
          globalSetup: "test-e2e/harness/global-setup.ts",
          // Guests are heavy: two cores carry one or two of them, so files run one after another.
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
