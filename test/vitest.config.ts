import { defineConfig } from "vitest/config";

// Two projects: `unit` is pure and fast; `integration` starts real processes, which mostly wait for each other, so that
// two files at once use two cores and three would only make each other late.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          testTimeout: 30_000, // Some walk through hundreds of crashes, beside as many workers as there are cores.
          include: ["test/*.test.ts", "test/{unit,property,golden,contract,scenario,sim}/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: ["test/fixtures/build-once.ts"],
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
