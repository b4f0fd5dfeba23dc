// keymesh metrics: what the running node counts and measures, for Prometheus.
import type { Command } from "commander";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";

export function addMetrics(program: Command, shell: Shell): void {
  program
    .command("metrics")
    .summary("print this node's metrics")
    .description("Prints this node's metrics in Prometheus' text format; with --json, as one string.")
    .addHelpText(
      "after",
      "\nExample, for node_exporter's textfile collector:\n  keymesh metrics > /var/lib/prometheus/node-exporter/keymesh.prom",
    )
    .action((_options: object, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) => node.metrics(),
        (text) => text.trimEnd(),
      ),
    );
}
