// When the heap may grow: while entries come by the hundred, and not a look longer.
import { expect, it } from "vitest";
import { HEAP_BUSY_ENTRIES } from "../../../src/core/limits.ts";
import { HeapWatch } from "../../../src/node/small-heap.ts";

function watched() {
  const grown: number[] = [];
  const due: (() => void)[] = [];
  const after = (_ms: number, act: () => void) => {
    due.push(act);
    return () => due.splice(due.indexOf(act), 1);
  };
  const watch = new HeapWatch(after, (percent) => grown.push(percent));
  return { watch, grown, due, look: () => due.shift()?.() };
}

it("lets the heap grow while much comes, and keeps it small again afterwards", () => {
  const { watch, grown, due, look } = watched();
  watch.note(HEAP_BUSY_ENTRIES - 1);
  expect(grown).toEqual([]);
  watch.note(1);
  expect(grown).toEqual([100]);
  look();
  watch.note(HEAP_BUSY_ENTRIES);
  look();
  expect(grown).toEqual([100]);
  look();
  expect(grown).toEqual([100, 25]);
  expect(due).toEqual([]);
});

it("counts anew from one look to the next: what comes slowly changes nothing", () => {
  const { watch, grown, due, look } = watched();
  for (let round = 0; round < 3; round += 1) {
    watch.note(HEAP_BUSY_ENTRIES - 1);
    look();
  }
  expect(grown).toEqual([]);
  expect(due).toEqual([]);
});

it("looks no more once it is stopped", () => {
  const { watch, due } = watched();
  watch.note(1);
  watch.stop();
  expect(due).toEqual([]);
});
