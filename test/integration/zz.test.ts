import { test } from "vitest";
import { admitAll, areConnected, startNode, stopAll, until } from "./mesh-harness.ts";
test("x", async () => {
  const [a,b] = [await startNode(), await startNode()];
  const t0 = performance.now();
  for (const [n,x] of [["a",a],["b",b]] as const) { const push = x.log.push.bind(x.log); x.log.push = (...e) => { console.log(n, (performance.now()-t0).toFixed(0), JSON.stringify(e)); return push(...e); }; }
  admitAll([a,b]);
  await until(() => areConnected([a,b]), "c");
  console.log(performance.now()-t0);
  await stopAll();
});
