// Starts a node on a data directory: opens what it needs, in an order in which a failure leaves nothing open.
import { openIdentity } from "../mesh/identity.ts";
import { createMesh } from "../mesh/mesh.ts";
import { openLevelStore } from "../store/open-store.ts";
import type { Control } from "./control.ts";
import { dataPaths } from "./data-directory.ts";
import { openKeystone } from "./keystone-access.ts";
import { Node, type NodeOptions } from "./node.ts";
import { Operator } from "./operator.ts";
import { HeapWatch, keepHeapSmall } from "./small-heap.ts";
import { verifyOnThreads } from "./verify-entries.ts";

export type RunningNode = { readonly control: Control; stop(): Promise<void> };

/** The data directory is this process's own. Errors: StoreError, MeshError, ConfigError, CredentialsError. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  keepHeapSmall();
  const paths = dataPaths(options.dataDir);
  const identity = await openIdentity(paths.identity);
  const keystone = await openKeystone(options.config.keystone, options.world);
  const store = await openLevelStore({ path: paths.store, version: options.version });
  const heap = new HeapWatch(options.world.after);
  const node = new Node(options, {
    identity,
    store,
    api: keystone,
    openMesh: createMesh,
    verify: verifyOnThreads,
    noteEntries: (count) => heap.note(count),
  });
  const stop = async () => {
    heap.stop();
    await node.stop();
    await keystone.close();
    await store.close();
  };
  try {
    await node.start();
    return { control: new Operator(node), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
