// Errors that nobody handled are failures of the run under way: a node would have ended its process on them.
import process from "node:process";

let listener: ((error: unknown) => void) | undefined;
let isWatching = false;

/** From now on they are told to this listener alone. */
export function watchRejections(listen: (error: unknown) => void): void {
  listener = listen;
  if (isWatching) return;
  isWatching = true;
  process.on("unhandledRejection", (error) => listener?.(error));
}
